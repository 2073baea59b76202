# dho train CONFIG, dho eval RUN, dho export RUN without flags; suggestions for slips of commands, options
# and keys; evaluations of older checkpoints, and runs that are not evaluated, in compare and report.
. "$(dirname "$0")/lib.bash"
cd "$work"
"$DHO" synth --out data --train 6 --val 3 --test 2 >log 2>&1 || die "synth"
cat >my.yaml <<EOF
method: ce
out: runs/first
data: {root: data/train, labels: shots, shots: 2, image_size: 32}
student: {model: resnet18, width: 8}
train: {shards: 2, batch_labelled: 8, batch_unlabelled: 0, steps: 2, checkpoint_every: 2, log_every: 1}
eval: {batch: 8, sets: [{name: val, root: data/val}, {name: a, root: data/test_a}]}
EOF

# The words.
run 2 train my.yaml >log 2>&1 || die "dho train CONFIG"
[ -d runs/first/checkpoints/step-00000002 ] || die "dho train CONFIG trains elsewhere"
run 2 eval runs/first >first.txt 2>log || die "dho eval RUN"
grep -q "method ce, step 2" first.txt || die "the method is not the checkpoint's"
run 1 eval -c my.yaml --out runs/first >second.txt 2>log || die "dho eval -c"
tail -n +2 first.txt >a && tail -n +2 second.txt >b && cmp -s a b || die "eval RUN and eval -c differ"
run 1 eval runs/first/ --stored >third.txt 2>log || die "dho eval RUN/ --stored"
tail -n +2 third.txt | cmp -s a - || die "eval RUN --stored differs"
run 1 eval runs/first/checkpoints/step-00000002 >third.txt 2>log || die "dho eval RUN/checkpoints/step-N"
tail -n +2 third.txt | cmp -s a - || die "eval of a checkpoint's folder differs"
(cd runs/first/checkpoints && "$DHO" eval step-00000002 --set data.root=../../../data/train \
    --set 'eval.sets=[{name: val, root: ../../../data/val}]') >third.txt 2>log || die "dho eval step-N"
grep -q "^val " third.txt || die "eval from within a run"
run 1 eval runs/first/checkpoints >third.txt 2>log || die "dho eval RUN/checkpoints"
run 1 eval my.yaml --checkpoint runs/first/checkpoints/step-00000002 >third.txt 2>log ||
    die "dho eval CONFIG --checkpoint"
tail -n +2 third.txt | cmp -s a - || die "eval CONFIG --checkpoint differs"
run 1 eval runs/first --out elsewhere >third.txt 2>log || die "dho eval RUN --out"
[ -f elsewhere/eval.json ] || die "eval RUN --out writes elsewhere"
cp -r runs/first moved
run 1 eval moved >third.txt 2>log || die "dho eval of a run that was moved"
grep -q "^checkpoint moved/checkpoints" third.txt || die "a moved run is evaluated at its old place"
pass "dho train CONFIG, dho eval RUN, of a checkpoint, from within, moved"

# The other commands that read a configuration take it as a word, too: a file or a run's folder.
for word in my.yaml runs/first; do
    name=$(basename $word .yaml)
    "$DHO" cache build $word --teacher runs/first --out cache/$name --shards 2 >log 2>&1 || die "cache build $word"
    "$DHO" cache verify cache/$name >log 2>&1 || die "the cache of cache build $word"
    "$DHO" pack $word --out tars/$name --shards 2 >log 2>&1 || die "pack $word"
    "$DHO" bench data $word --seconds 1 >log 2>&1 || die "bench data $word"
    "$DHO" data check $word >log 2>&1 || die "data check $word"
done
cmp -s tars/{my,first}/shards.index || die "the packed images of a run are others"
refuse 2 "both say which configuration" pack my.yaml -c my.yaml --out tars/x
refuse 2 "no configuration: give one" pack --out tars/x
refuse 2 "one word too many" bench data my.yaml my.yaml
pass "cache build, pack, bench data and data check of a word"

run 1 eval -c my.yaml --out runs/first --set method=dho --set teacher.cache=none >third.txt 2>log ||
    die "eval with another method"
grep -q "method ce, step 2" third.txt || die "the configuration's method, not the checkpoint's"
grep -q "trained by method ce, which is what counts" log || die "the method is not said"
grep -q "^method: ce" runs/first/eval/config.yaml || die "eval/config.yaml has another method"
run 1 eval -c my.yaml --out runs/first >log 2>&1 || die "eval"
pass "eval takes the method from the checkpoint and says so"

run 2 export runs/first >log 2>&1 || die "dho export RUN"
[ -s runs/first/student.safetensors ] || die "dho export RUN: where is it?"
run 1 export runs/first/checkpoints/step-00000002 --out x.safetensors >log 2>&1 || die "export of a checkpoint"
cmp -s x.safetensors runs/first/student.safetensors || die "export of the checkpoint differs"
pass "dho export RUN"
run 2 data check my.yaml >log 2>&1 || die "dho data check CONFIG"

# An evaluation of an older checkpoint is marked, with the command that renews it.
run 1 train runs/first --set train.steps=4 >log 2>&1 || die "dho train RUN goes on"
[ -d runs/first/checkpoints/step-00000004 ] || die "dho train RUN trains elsewhere"
"$DHO" compare runs/first moved >log 2>&1 || die "compare"
grep -q "^runs/first  *![0-9]" log || die "an old evaluation is not marked"
grep -q "^moved  *[0-9]" log || die "a new evaluation is marked"
grep -q "^! runs/first: evaluated at step 2, .* of step 4: dho eval runs/first renews it" log ||
    die "what renews it is not said"
"$DHO" report runs/first moved --out page.html >log 2>&1 || die "report"
grep -q "evaluated at step 2, its newest checkpoint is of step 4: dho eval runs/first renews it" page.html ||
    die "the page does not say it"
[ "$(grep -c '<td>![0-9]' page.html)" = 1 ] || die "the page's table does not mark it"
"$DHO" eval runs/first >log 2>&1 || die "the command that renews it"
"$DHO" compare runs/first moved >log 2>&1
grep -q '!' log && die "a renewed evaluation is still marked"
"$DHO" eval runs/first/checkpoints/step-00000002 >log 2>&1 || die "eval of the older checkpoint"
"$DHO" compare runs/first >log 2>&1
grep -q '^! runs/first: evaluated at step 2' log || die "an older checkpoint that was named"
"$DHO" eval runs/first --set eval.batch=4 --set eval.resize=64 >log 2>&1 || die "eval"
"$DHO" train runs/first --set train.steps=6 >log 2>&1 || die "train"
"$DHO" compare runs/first >log 2>&1
grep -q 'step 6: dho eval -c runs/first/eval/config.yaml --out runs/first renews it' log ||
    die "the settings of the evaluation are lost"
pass "an evaluation of an older checkpoint is marked in table and page"

# A run that is not evaluated, or whose eval.json is broken, leaves the others their numbers.
cp -r runs/first unevaluated && rm unevaluated/eval.json && rm -r unevaluated/eval
cp -r moved broken && echo '{' >broken/eval.json
for runs in "unevaluated moved" "moved unevaluated" "broken unevaluated moved"; do
    "$DHO" compare $runs >log 2>&1 || die "compare $runs"
    grep -q "^moved  *[0-9]" log || die "compare $runs: no numbers"
    grep -q "^unevaluated  *not evaluated" log || die "compare $runs: not said"
    grep -q "^unevaluated: not evaluated: dho eval unevaluated$" log || die "compare $runs: no command"
done
grep -q "^broken: broken/eval.json" log || die "a broken eval.json is not named"
"$DHO" report unevaluated moved --out page.html >log 2>&1 || die "report"
grep -q "not evaluated: dho eval unevaluated" page.html && grep -q '>not evaluated</td>' page.html ||
    die "the page does not say what is not evaluated"
pass "one unevaluated run does not blank a table"

refuse_on() { # RANKS TEXT ARGUMENT ...: exit code 2, one line of error
    local ranks=$1 text=$2 status=0
    shift 2
    if [ $ranks = 1 ]; then "$DHO" "$@"; else run $ranks "$@"; fi >log 2>&1 || status=$?
    [ $status = 2 ] || die "exit code $status: $*"
    [ "$(grep -c '^dho: error: ' log)" = 1 ] || die "not one line of error: $*"
    grep -q -- "$text" log || die "the error does not say $text"
    pass "$(grep '^dho: error: ' log)"
}
refuse() { refuse_on 2 "$@"; }
slip() { refuse_on 1 "$@"; }
refuse "both say which configuration" train my.yaml -c my.yaml
refuse "both say which configuration" eval runs/first -c my.yaml
refuse "both say what is evaluated" eval runs/first --checkpoint runs/first
refuse "both say what is exported" export runs/first --checkpoint runs/first --out x
refuse "one word too many" train my.yaml other.yaml
refuse "one word too many" eval runs/first moved
refuse "no such file or folder" train nowhere
refuse "no such file or folder" eval nowhere
refuse "no such file or folder" export nowhere
refuse "no folder of a run" eval data
refuse "no folder of a run" train data/val
refuse "holds no checkpoint" export data
refuse "is no folder" export my.yaml
slip "an empty word stands" eval ""
refuse "holds weights: give the folder" eval runs/first/checkpoints/step-00000004/model.safetensors
refuse "is a checkpoint: dho train runs/first --resume" train runs/first/checkpoints/step-00000004
refuse "not evaluated: dho eval unevaluated" compare unevaluated
refuse "nowhere" compare moved nowhere
refuse "is no run" compare moved data
refuse "unknown argument \"--out\" .known: --paired" compare --out x moved

refuse "did you mean dho train?" trian my.yaml
slip "did you mean dho eval?" evla
slip "did you mean dho eval?" evaluate
slip "did you mean dho report?" reprot moved
slip "did you mean dho export?" exprt
slip "did you mean dho compare?" comapre
slip "unknown command (known: " fly
refuse "did you mean dho cache build?" cache biuld
slip "did you mean dho cache verify?" cache verfy
slip "did you mean dho teacher zero-shot?" teacher zeroshot
slip "did you mean dho data check?" data chek
slip "did you mean dho weights convert?" weights convrt
slip "did you mean dho bench step?" bench stpe
slip "usage: dho cache build" cache
slip "did you mean --out?" train my.yaml --otu x
slip "did you mean --resume?" train my.yaml --resum auto
slip "did you mean --checkpoint?" eval --checkpont x
slip "did you mean --set?" train my.yaml --sett seed=1
slip "did you mean --set train.epochs=" train my.yaml --epochs 3
slip "did you mean --set train.lr=" train my.yaml --lr=0.1
slip "did you mean --stored?" eval runs/first --store
slip "did you mean --names?" export moved --name timm
slip "did you mean train.lr?" train my.yaml --set train.lrr=1
slip "did you mean train?" train my.yaml --set trian.lr=1
slip "did you mean student.width?" train my.yaml --set student.widht=8
slip "did you mean student.width?" train my.yaml --set width=8
slip "did you mean dho?" train my.yaml --set method=doh
refuse "student.width: of clip_vit_b16" train my.yaml --out w --set student.model=clip_vit_b16 --set student.width=65
refuse "student.width: the model is too wide" train my.yaml --out w --set student.model=resnet50 --set student.width=65536
refuse "student.layers" train my.yaml --out w --set student.layers=3
mkdir -p configs/tables && printf 'title: S\n' >configs/tables/small.yaml
slip "did you mean small?" table smal
cat >configs/tables/small.yaml <<EOF
title: S
config: ../../my.yaml
seeds: [1]
rows: {method: {values: [ce, single_head], set: ["method={method}"]}}
tests: [val]
EOF
slip "did you mean method?" table small --only metod=ce
slip "did you mean single_head?" table small --only method=singel_head
finish
