# What a new user does first: dho init on folders of images, and the commands that it prints, with dho train
# --dry-run among them, which checks all, says what a run takes and writes nothing.
. "$(dirname "$0")/lib.bash"
"$DHO" synth --out "$work/data" --train 14 --val 4 --test 2 >"$work/log" 2>&1 || die "synth"
cd "$work"
mkdir -p birds/labelled birds/unlabelled/2023 "our birds"
for class in data/train/*; do
    name=$(basename "$class")
    mkdir "birds/labelled/$name" "our birds/$name"
    mv "$class"/*0000[0-3].jpg "our birds/$name"
    mv "$class"/*0000[4-9].jpg birds/unlabelled/2023
    cp "our birds/$name"/* "birds/labelled/$name"
    cp "our birds/$name"/*0.jpg "birds/labelled/$name/more.jpg"
done
ranks=2
files() { find . -type f ! -name log | sort | xargs -d '\n' sha256sum; }

# --- class folders and a heap, found by their names; each printed command works ---
expect 0 "^labelled .*birds/labelled: 100 images of 20 classes, 5 to 5 a class" init birds
says "^unlabelled .*birds/unlabelled: 120 images"
says "^held out .*1 labelled image of each class"
says "^written .*birds.yaml"
cp log printed
grep -q "unlabelled: birds/unlabelled" birds.yaml || die "birds.yaml does not name the heap"
expect 2 "birds.yaml: is there already" init birds
# Small, so that the test is quick; else as printed.
small=(--set train.epochs=0 --set train.steps=4 --set data.image_size=32 --set student.width=8 --set eval.resize=32)
commands=$(grep '^dho ' printed)
[ "$(echo "$commands" | wc -l)" = 10 ] || die "not ten commands: $commands"
while read -r line; do
    eval "words=(${line%% >*})"
    [[ ${words[1]} =~ ^(export|compare|predict)$ ]] || words+=("${small[@]}")
    [ "${words[1]} ${words[2]}" = "data check" ] && words=("${words[@]:0:4}")
    if [[ $line == *--dry-run* ]]; then files >before; fi
    timeout 120 "$here/launch/mpirun.sh" 2 "$DHO" "${words[@]:1}" >"$work/log" 2>&1 </dev/null || die "$line"
    pass "$line"
    if [[ $line == *--dry-run* ]]; then
        files >after
        sed -i '/ \.\/\(before\|after\)$/d' before after
        cmp before after || die "--dry-run wrote something"
        cp log dry
    fi
done <<<"$commands"
cp dry log
for text in "^student  resnet18, method dho: [0-9]* parameters" "^images   100 of 20 classes, 80 labelled, 20 held out; 120 more" \
    "^length   4 steps: .*passes over 200 unlabelled images" "^memory   .* MiB a rank: weights" "MiB for all 2 ranks together" \
    "^time     .* s a step: the mean of .* on 2 ranks x 1" "for 4 steps, without checkpoints" \
    "^writes   runs/birds: at most 1 checkpoint of" "^nothing was written"; do
    says "$text"
done
[ -f runs/birds/student.onnx ] && [ -f runs/birds/eval.json ] || die "the commands made no student"
pass "the printed commands lead to an exported student"

# --- one head or two: advice from two accuracies, none without them ---
expect 0 "^teacher .*runs/birds/teacher-cache: .* of 20 held-out images right" init birds --out again.yaml
grep -qE "^(labels|advice) " log && die "advice without the labels' figure"
says "^#   dho train again.yaml --set method=ce --out runs/birds/ce"
grep -q "cache build" log && die "makes a cache that is there"
mkdir pets
cp -r "our birds" pets/train
cp -r data/val pets/val
"$DHO" init pets >log || die "init pets"
run 2 cache build -c pets.yaml "${small[@]}" --teacher runs/birds/teacher --views 1 >log 2>&1 || die "a cache of pets"
expect 0 "^# and from its teacher's evaluation" init pets --out pets-0.yaml
grep -q "^teacher " log && die "scores a teacher on images that it may have learned"
mkdir -p runs/pets/teacher runs/pets/ce
scores() { # RUN TOP1: an evaluation of it
    echo "{\"method\": \"ce\", \"sets\": [{\"name\": \"val\", \"images\": 1000, \"combined\": {\"top1\": $2}}]}" >"runs/pets/$1/eval.json"
}
scores teacher 80
for figure in "50 one head (method: single_head): the teacher is 30 points" "70 try both" "90 two heads .*not far above .*-10 points"; do
    scores ce "${figure%% *}"
    expect 0 "^advice  *${figure#* }" init pets --out "pets-${figure%% *}.yaml"
done
says "^teacher .*: 80.0 % \[77.4 82.4\] of 1000 images of val right"
says "^labels .*runs/pets/ce: 90.0 %"
grep -q "^method: single_head # one head: the teacher (80.0 %) is far above the labels alone (50.0 %)" pets-50.yaml || die "pets-50.yaml"
grep -q "^method: dho " pets-70.yaml && grep -q "^method: dho " pets-90.yaml || die "two heads"
echo x >>runs/pets/teacher-cache/cache.json
expect 0 "the teacher's accuracy is not known" init pets --out pets-1.yaml
grep -q "^advice" log && die "advice from a broken cache"
pass "advice follows the figures"

# --- a dry run is a start without a run ---
expect 0 "^time     none: all 4 steps are done" train birds.yaml "${small[@]}" --dry-run
expect 0 "the run goes on from step 4" train birds.yaml "${small[@]}" --set train.steps=40 --dry-run
expect 2 "differs in" train birds.yaml "${small[@]}" --set train.weight_decay=0.5 --dry-run
expect 2 "holds a run already" train birds.yaml "${small[@]}" --resume never --dry-run
expect 2 "no such" train birds.yaml "${small[@]}" --set teacher.cache=nowhere --dry-run
expect 2 "2 ranks but train.shards is 1" train birds.yaml "${small[@]}" --set train.shards=1 --dry-run
expect 0 "writes   new/run" train birds.yaml "${small[@]}" --set train.conflict_every=1 --out new/run --dry-run
[ ! -e new ] || die "--dry-run made the run's folder"
: >file
expect 1 "file: is no folder" train birds.yaml "${small[@]}" --out file/run --dry-run
mkdir locked
expect 0 "nothing was written" train birds.yaml "${small[@]}" --out locked --dry-run
[ -z "$(ls -A locked)" ] || die "--dry-run left something in an empty folder"

# --- other layouts ---
rm birds.yaml
expect 0 "^unlabelled .*unlabelled/2023: 120 images" init birds/labelled birds/unlabelled/2023 --out named.yaml
mkdir -p few/labelled/one && cp -r "our birds"/* few/labelled && cp "$(ls -d "our birds"/*/* | head -n 1)" few/labelled/one
expect 0 "^held out    none: a class has fewer than 4 images" init few --out few.yaml
says "accuracy: cannot be measured"
grep -q "^dho eval" log && die "an evaluation of nothing is advised"
expect 0 "^labelled .*our birds: 80 images of 20 classes, 4 to 4" init "our birds" birds/unlabelled --out mine.yaml --run "runs/our birds"
grep -q 'root: "our birds"' mine.yaml || die "a folder's name with a blank is not in quotes"
says "out 'runs/our birds'/teacher"
expect 0 "evaluated   val: data/val, on which alpha" init birds/labelled data/val data/test_a birds/unlabelled --out sets.yaml
says "evaluated   test_a: data/test_a"
grep -q "select_on: val" sets.yaml && ! grep -q "holdout" sets.yaml || die "sets.yaml does not choose on val"
expect 0 "no problems" data check sets.yaml
run 2 pack -c sets.yaml --out tars --shards 4 >log 2>&1 || die "pack"
run 2 pack -c sets.yaml --unlabelled --out heap_tars --shards 4 >log 2>&1 || die "pack --unlabelled"
odd='test: "1" #2'
cp -r data/val "data/$odd"
expect 0 "" init birds/labelled "data/$odd" --out odd.yaml
"$DHO" train odd.yaml --print-config 2>log | grep -qF 'test: \"1\" #2' || die "a set of an odd name"
rm -r "data/$odd"
expect 0 "^unlabelled .*heap_tars: 120 images" init tars heap_tars
grep -q "format: shards" tars.yaml || die "tars.yaml has no format"
expect 0 "no problems" data check tars.yaml
mkdir -p coop/images && mv "our birds"/* coop/images
split() { # FIRST OF: the images FIRST, FIRST + OF ... of each class, as JSON
    local first=$1 of=$2 label=0 comma= class image n
    for class in coop/images/*; do
        n=0
        for image in "$class"/*; do
            [ $((n % of)) = "$first" ] && printf '%s["%s", %d, "%s"]' "$comma" "${image#coop/images/}" $label "$(basename "$class")" && comma=,
            n=$((n + 1))
        done
        label=$((label + 1))
    done
}
echo "{\"train\": [$(split 0 2)], \"val\": [$(split 1 4)], \"test\": [$(split 3 4)]}" >coop/split_zhou_Birds.json
expect 0 "^labelled .*coop/images: 40 images of 20 classes" init coop
grep -q "split_file: coop/split_zhou_Birds.json" coop.yaml || die "coop.yaml does not name the split"
expect 0 "no problems" data check coop.yaml
: >weights.pt && : >merges.txt
expect 0 "zero-shot --model clip_vit_b16" init birds --clip clip_vit_b16 --weights weights.pt --merges merges.txt --out clip.yaml
grep -q "a photo of a {}" clip.prompts.txt || die "no prompts"

# --- what cannot be ---
expect 2 "no labelled images: expected class folders" init birds/unlabelled --out x.yaml
expect 2 "nowhere: no such folder" init nowhere --out x.yaml
expect 2 "two heaps of unlabelled images" init birds/labelled birds/unlabelled birds/unlabelled/2023 --out x.yaml
expect 2 "needs --clip, --weights and --merges" init birds --clip clip_vit_b16 --weights weights.pt --out x.yaml
[ ! -e x.yaml ] || die "a refused init wrote a file"
finish
