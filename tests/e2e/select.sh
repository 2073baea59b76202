# dho select: the same list on any number of ranks, the loop select - label - train, refusals.
. "$(dirname "$0")/lib.bash"
small_data
run 2 train -c "$work/base.yaml" --set train.steps=8 --set train.log_every=8 >"$work/log" 2>&1 || die "training"
select_on() { # RANKS ARGUMENT ...: standard output is the list
    local ranks=$1
    shift
    run "$ranks" select "$work/run" "$@" 2>"$work/log"
}

# The run is not evaluated yet.
select_on 1 --budget 30 >"$work/first" || die "select"
grep -q "alpha 0.5, beta 1, as the configuration says" "$work/log" || die "alpha and beta are not said"
run 2 eval "$work/run" >"$work/log" 2>&1 || die "eval"
for by in pcoreset entropy margin coreset random; do
    select_on 1 --budget 30 --by $by >"$work/$by.1" || die "select by $by"
    for ranks in 2 4; do
        select_on $ranks --budget 30 --by $by >"$work/$by.$ranks" || die "select by $by on $ranks ranks"
        cmp -s "$work/$by.1" "$work/$by.$ranks" || die "$by: another list on $ranks ranks"
    done
    [ "$(sort -u "$work/$by.1" | wc -l)" = 30 ] || die "$by: not 30 images"
    select_on 2 --budget 10 --by $by | cmp -s - <(head -n 10 "$work/$by.1") || die "$by: 10 are not the first of 30"
    pass "$by: the same 30 images on 1, 2 and 4 ranks, 10 are the first of them"
done
cmp -s "$work"/{entropy,margin}.1 && die "entropy and margin choose alike"
select_on 1 --budget 30 --set eval.batch=7 | cmp -s - "$work/pcoreset.1" || die "eval.batch changes the list"
grep -q "of the evaluation of this checkpoint" "$work/log" || die "the evaluation is not said"
sed -i.of8 's/"step": *8/"step": 7/' "$work/run/eval.json"
select_on 2 --budget 30 --set eval.alpha=0.25 >"$work/older" || die "an evaluation of other weights"
grep -q "alpha 0.25, beta 1, as the configuration says: this checkpoint is not evaluated" "$work/log" ||
    die "the evaluation of another checkpoint is taken"
mv "$work/run/eval.json.of8" "$work/run/eval.json"
select_on 1 --budget 30 --by random --set seed=9 | cmp -s - "$work/random.1" && die "random: another seed"
select_on 1 --budget 30 --by pcoreset | cmp -s - <(run 1 select "$work"/run/checkpoints/step-* --budget 30 2>"$work/log") ||
    die "a checkpoint's folder"
pass "random by the seed; a checkpoint for its run"

# The loop. 20 classes, 2 labels each; the list has these first, all with their class.
select_on 2 --budget 30 --out "$work/labels.tsv" >"$work/list" || die "select --out"
[ "$(wc -l <"$work/labels.tsv")" = 70 ] || die "the label list has not 40 + 30 lines"
tail -n 30 "$work/labels.tsv" | cut -f 1 | cmp -s - "$work/list" || die "the chosen ones are not the last"
awk -F '\t' '{ split($1, part, "/"); exit part[1] != $2 }' "$work/labels.tsv" || die "a class is wrong"
head -n 40 "$work/labels.tsv" | cut -f 1 | sort | comm -12 - <(sort "$work/list") | grep . &&
    die "a labelled image was chosen"
labels=(--set data.labels=file --set data.label_file="$work/labels.tsv")
run 2 train -c "$work/base.yaml" --out "$work/second" "${labels[@]}" --set train.steps=4 >"$work/log" 2>&1 ||
    die "training with the list"
grep -q "\"labelled\":70" "$work/second/sessions.jsonl" || die "not 70 labelled images"
run 2 select "$work/second" --budget 25 --by margin >"$work/list2" 2>"$work/log" || die "the second round"
cut -f 1 "$work/labels.tsv" | sort | comm -12 - <(sort "$work/list2") | grep . && die "chosen twice"
run 1 select "$work/second" --budget 170 --by coreset --out "$work/all.tsv" >"$work/rest" 2>"$work/log" ||
    die "all that are left"
[ "$(cut -f 1 "$work/all.tsv" | sort -u | wc -l)" = 240 ] || die "not all images"
pass "select, label, train, select again"

# A student of one head.
run 2 train -c "$work/base.yaml" --out "$work/ce" --set method=ce --set train.steps=2 >"$work/log" 2>&1 || die "ce"
for by in pcoreset entropy; do
    run 2 select "$work/ce" --budget 3 --by $by >"$work/list" 2>"$work/log" || die "one head, $by"
    [ "$(wc -l <"$work/list")" = 3 ] || die "one head, $by: not 3"
done
pass "a student of one head"

# Images without a class: 4 of each class in its folder, 8 in a heap whose names say what they are.
mkdir "$work/heap"
for folder in "$work"/data/train/*/; do
    class=$(basename "$folder")
    mkdir -p "$work/own/$class"
    cp $(ls "$folder"* | head -n 4) "$work/own/$class"
    cp $(ls "$folder"* | tail -n 8) "$work/heap"
done
heap=(--set method=ce --set data.labels=all --set data.root="$work/own" --set data.unlabelled="$work/heap"
    --set data.holdout=1 --set eval.select_on='""' --set train.steps=2)
run 2 train -c "$work/base.yaml" --out "$work/own1" "${heap[@]}" >"$work/log" 2>&1 || die "training with a heap"
select_heap() { run 2 select "$work/own1" --budget 12 "$@" 2>"$work/log"; }
select_heap --out "$work/heap.tsv" >"$work/list" || die "select from a heap"
run 1 select "$work/own1" --budget 12 2>"$work/log" | cmp -s - "$work/list" || die "a heap: another list on 1 rank"
grep -q / "$work/list" && die "not from the heap"
[ "$(grep -c "	$" "$work/heap.tsv")" = 12 ] || die "not 12 lines that wait for a class"
[ "$(wc -l <"$work/heap.tsv")" = 92 ] || die "held-out images are not in the list"
labels2=("${heap[@]}" --set data.labels=file --set data.label_file="$work/heap.tsv")
ranks=2
refuse 2 "heap.tsv:81: .* has no class yet" train -c "$work/base.yaml" --out "$work/x" "${labels2[@]}"
awk -F '\t' -v OFS='\t' '$2 == "" { $2 = $1; sub(/_[0-9]*\.jpg$/, "", $2) } { print }' "$work/heap.tsv" >"$work/filled.tsv"
mv "$work/filled.tsv" "$work/heap.tsv"
run 2 data check "$work/own1" "${labels2[@]}" >"$work/log" 2>&1 || die "data check with a list of a heap's images"
run 2 train -c "$work/base.yaml" --out "$work/own2" "${labels2[@]}" >"$work/log" 2>&1 || die "training with classes"
grep -q "\"labelled\":72" "$work/own2/sessions.jsonl" || die "not 60 + 12 labelled images"
run 2 select "$work/own2" --budget 148 --by random 2>"$work/log" | sort | comm -12 - <(sort "$work/list") | grep . &&
    die "chosen twice"
refuse 2 "149 images to choose: .* 148 have no label" select "$work/own2" --budget 149
sed -i 's/^\(.*\)	\(checkerboard\)$/\1	no_such_class/' "$work/heap.tsv"
refuse 2 "heap.tsv:[0-9]*: .* not \"no_such_class\"" train -c "$work/base.yaml" --out "$work/x" "${labels2[@]}"
sed -i '82,$s/	.*/	no_such_class/; 1,80d' "$work/heap.tsv"
refuse 2 "heap.tsv:[0-9]*: .*no_such_class\" is no class of" train -c "$work/base.yaml" --out "$work/x" "${labels2[@]}"
pass "images of data.unlabelled: chosen, given a class in the list, trained with"

refuse 2 "201 images to choose: of the 240 training images 200 have no label" select "$work/run" --budget 201
refuse 2 "labels.tsv: is there already" select "$work/run" --budget 3 --out "$work/labels.tsv"
refuse 1 "nowhere" select "$work/run" --budget 3 --by random --out "$work/nowhere/labels.tsv"
refuse 2 "is no folder of a run" select "$work/base.yaml" --budget 3
refuse 2 "no such file or folder" select "$work/none" --budget 3
refuse 2 "pcoreset" select "$work/run" --budget 3 --by pcorset
refuse 2 "budget" select "$work/run" --budget 0
refuse 2 "budget: is missing" select "$work/run"
rm -r "$work/ce/checkpoints"
refuse 2 "ce: holds no checkpoint\|no checkpoint" select "$work/ce" --budget 3
run 2 select "$work/ce" --budget 3 --by random >"$work/list" 2>"$work/log" || die "random needs no checkpoint"
sed -i '41s/\t.*/\tnowhere/' "$work/labels.tsv"
refuse 2 "labels.tsv:41: .* is of class \".*\", not \"nowhere\"" train -c "$work/base.yaml" --out "$work/x" "${labels[@]}"
printf '{"damaged' >"$work/run/eval.json"
refuse 2 "eval.json" select "$work/run" --budget 3
finish
