# Labelled folders with a heap of unlabelled images beside them, and labelled images that are held out: the
# same bits on any number of ranks, as a folder, a list or tars; teachers see the heap; alpha and beta are
# chosen on what was held out; what cannot work is refused.
. "$(dirname "$0")/lib.bash"
"$DHO" synth --out "$work/data" --train 12 --val 4 --test 1 >"$work/log" 2>&1 || die "synth"
# labelled/: 4 images of each class; heap/: the others, some deeper.
mkdir -p "$work/labelled" "$work/heap/later/2024"
for class in "$work"/data/train/*; do
    name=$(basename "$class")
    mkdir "$work/labelled/$name"
    mv "$class"/*0000[0-3].jpg "$work/labelled/$name"
    mv "$class"/*0000[4-7].jpg "$work/heap"
    mv "$class"/*.jpg "$work/heap/later/2024"
done
touch "$work/heap/later/x.avif" "$work/heap/readme.txt"
cat >"$work/base.yaml" <<EOF
method: dho
out: $work/run
data: {root: $work/labelled, unlabelled: $work/heap, image_size: 32}
student: {model: resnet18, width: 8}
teacher: {cache: $work/cache}
train: {shards: 4, batch_labelled: 16, batch_unlabelled: 16, steps: 6, log_every: 2}
eval:
  batch: 16
  select_on: val
  sets: [{name: val, root: $work/data/val}]
EOF
c=(-c "$work/base.yaml")

# --- the teacher and its cache ---
train 2 teacher --set method=ce --set train.steps=4
says "80 images of 20 classes, 80 labelled; 160 more without a class (data.unlabelled)"
says "warning: .*heap: 2 not used: 1 in a format that dho does not read, 1 not an image"
run 2 cache build "${c[@]}" --teacher "$work/teacher" --views 2 --shards 8 >"$work/log" 2>&1 || die "cache build"
run 1 cache build "${c[@]}" --teacher "$work/teacher" --views 2 --shards 8 --out "$work/cache1" >"$work/log" 2>&1 ||
    die "cache build on 1 rank"
diff -r "$work/cache" "$work/cache1" >"$work/log" || die "1 and 2 ranks build different caches"
"$DHO" cache info "$work/cache" >"$work/log" 2>&1 || die "cache info"
says "dataset  *240 images"
run 2 cache verify "$work/cache" "${c[@]}" --teacher "$work/teacher" >"$work/log" 2>&1 || die "cache verify"
pass "a cache of the labelled images and the heap, verified with its teacher"
ranks=2 refuse 2 "fingerprint" train "${c[@]}" --set 'data.unlabelled=""'
run 2 data check "${c[@]}" >"$work/log" 2>&1 && die "data check passes over an AVIF"
for text in "^unlabelled: .*heap: 160 images" "  opened 160 images: 0 cannot be read" "^    later/x.avif" "of these images"; do
    grep -q -- "$text" "$work/log" || die "data check does not say $text"
done
rm "$work/heap/later/x.avif" "$work/heap/readme.txt"
run 2 data check "${c[@]}" --decode --set data.holdout=1 >"$work/log" 2>&1 || die "data check"
says "held out (data.holdout): 20 images of 20 classes, 1 to 1 a class"
says "decoded 160 images: 0 cannot be read"

# --- training ---
train 1 excluded --set data.exclude_labelled=true
says "; 0.6 passes over 160 unlabelled images"
train 1 one
says "; 0.4 passes over 240 unlabelled images"
for n in 2 4; do
    train $n "ranks$n"
    same one "ranks$n" "a heap: the same bits on 1 and $n ranks"
done
# The same images as a list, and in tars, in any order on disk: the same run.
(cd "$work/heap" && find . -type f | shuf --random-source=/dev/zero) >"$work/heap/list.txt"
train 2 list --set data.unlabelled="$work/heap/list.txt"
same one list "a list of the heap: the same bits"
run 2 pack "${c[@]}" --unlabelled --out "$work/tars" --shards 8 >"$work/log" 2>&1 || die "pack --unlabelled"
[ "$(ls "$work/tars" | grep -c classes.txt)" = 0 ] || die "tars without labels have classes"
run 2 pack "${c[@]}" --out "$work/labelled_tars" --shards 8 >"$work/log" 2>&1 || die "pack"
train 2 tars --set data.unlabelled="$work/tars" --set data.format=shards --set data.root="$work/labelled_tars" \
    --set eval.sets=[] --set 'eval.select_on=""'
same one tars "tars of both: the same bits"
run 1 data check "${c[@]}" --set data.unlabelled="$work/tars" >"$work/log" 2>&1 || die "data check of tars"
says "read (checksums) 160 images"
rm "$work/tars/shards.index"
run 2 pack --index "$work/tars" --unlabelled >"$work/log" 2>&1 || die "pack --index --unlabelled"
says "160 images without labels in 8 tars"
# Few labels of the labelled folders; the rest of them is drawn without.
train 2 shots --set data.labels=shots --set data.shots=1
says "80 images of 20 classes, 20 labelled; 160 more"
train 2 loader --set train.batches=loader --set train.steps=8

# --- images that are held out ---
hold=(--set data.holdout=25% --set eval.select_on=holdout)
train 1 hold1 "${hold[@]}"
says "80 images of 20 classes, 60 labelled, 20 held out; 160 more"
says "passes over 220 unlabelled images"
train 2 hold2 "${hold[@]}"
same hold1 hold2 "held-out images: the same bits on 1 and 2 ranks"
train 2 hold3 "${hold[@]}" --set data.exclude_labelled=true
says "passes over 160 unlabelled images"
run 2 eval "$work/hold2" >"$work/log" 2>&1 || die "eval"
says "^alpha .*: the grid's best on holdout"
says "^holdout: 25 % of each class's labelled training images, held out of training"
says "^holdout  *20  *20 .*chosen here"
grep -q '"holdout": "25 % of each class' "$work/hold2/eval.json" || die "eval.json does not say what holdout is"
grep -q "name: holdout" "$work/hold2/eval/config.yaml" && die "eval/config.yaml lists the held-out images as a set"
cp "$work/hold2/eval.json" "$work/eval.json"
run 1 eval "$work/hold2" --stored >"$work/log" 2>&1 || die "eval --stored"
cmp -s "$work/eval.json" "$work/hold2/eval.json" || die "--stored differs"
run 1 eval "$work/hold2" >"$work/log" 2>&1 || die "eval on 1 rank"
cmp -s "$work/eval.json" "$work/hold2/eval.json" || die "1 rank and 2 evaluate differently"
run 1 eval "$work/hold2" --set eval.sets=[] >"$work/log" 2>&1 || die "eval of the held-out images alone"
pass "alpha and beta from held-out images: eval, --stored, without a test set"
"$DHO" report "$work/hold2" --out "$work/report.html" >"$work/log" 2>&1 || die "report"
grep -q "holdout (25 % of each class&#39;s labelled\|holdout (25 % of each class's labelled" "$work/report.html" ||
    die "the report does not say what holdout is"
grep -q "thumbnails of holdout" "$work/log" "$work/report.html" && die "the report has no thumbnails of holdout"
pass "the report says what holdout is, and shows its images"

# --- what cannot work ---
ranks=2
refuse 2 'data.unlabelled: .*nowhere: no such folder, tar or list' train "${c[@]}" --set data.unlabelled="$work/nowhere"
refuse 2 'lie one in the other' train "${c[@]}" --set data.unlabelled="$work"
mkdir "$work/labelled/arrow/heap"
refuse 2 'lie one in the other' train "${c[@]}" --set data.unlabelled="$work/labelled/arrow/heap"
rmdir "$work/labelled/arrow/heap"
refuse 2 'empty: no image in it' train "${c[@]}" --set data.unlabelled="$(mkdir "$work/empty" && echo "$work/empty")"
head -3 "$work/heap/list.txt" | sed 's/1/x/g' >"$work/heap/wrong.txt"
refuse 2 'fingerprint' train "${c[@]}" --set data.unlabelled="$work/heap/wrong.txt"
refuse 2 'data.holdout: class 0 .* has 4 labelled images: with 4 held out none is left' train "${c[@]}" --set data.holdout=4
refuse 2 'has 1 labelled image: with 1 held out none' train "${c[@]}" --set data.holdout=10% --set data.labels=shots --set data.shots=1
refuse 2 'data.holdout: expected a percentage' train "${c[@]}" --set data.holdout=half
refuse 2 'holdout needs data.holdout' eval "$work/one" --set eval.select_on=holdout
refuse 2 'data.holdout: .*was trained on other labels: its run held out others, or none' eval "$work/one" "${hold[@]}"
refuse 2 'data.holdout: .*was trained on other labels' eval "$work/hold2" --set data.holdout=2
refuse 2 'differs in "data.holdout: ' train "$work/hold2" --set data.holdout=2 --set train.steps=9
finish
