# Calibration, classes and paired comparisons from stored outputs; class weights and logit adjustment.
. "$(dirname "$0")/lib.bash"
small_data
short=(--set train.steps=6)
evaluate() { # NAME ARGUMENT ...
    local name=$1
    shift
    run 1 eval -c "$work/base.yaml" --out "$work/$name" "$@" >"$work/$name.txt" 2>"$work/log" ||
        die "evaluating $name"
}
weights() { echo "$work/$1/checkpoints/step-00000006/model.safetensors"; }

train 1 plain
train 1 off --set distill.class_weights=none --set distill.logit_adjust=0 --set distill.effective_beta=0.9
cmp -s "$(weights plain)" "$(weights off)" || die "keys that are off change weights"
# Labels of unequal size: eight of the first class, two of each other.
find "$work/data/train" -name '*.jpg' -printf '%P\n' | LC_ALL=C sort |
    awk -F/ '{ first = first == "" ? $1 : first; n[$1]++ } n[$1] <= ($1 == first ? 8 : 2)' >"$work/labels"
unequal=(--set data.labels=file --set data.label_file="$work/labels")
train 1 unequal "${unequal[@]}"
for how in class_weights=inverse class_weights=effective logit_adjust=1; do
    train 1 "$how" "${unequal[@]}" --set "distill.$how"
    train 2 "$how-2" "${unequal[@]}" --set "distill.$how"
    cmp -s "$(weights "$how")" "$(weights "$how-2")" || die "distill.$how on 2 ranks"
    cmp -s "$(weights "$how")" "$(weights unequal)" && die "distill.$how has no effect"
    pass "distill.$how: the same bits on 1 and 2 ranks"
done
ranks=2
first=$(head -n 1 "$work/labels" | cut -d/ -f1)
grep -v "^$first/" "$work/labels" >"$work/fewer"
refuse 2 "logit_adjust: class \"$first\" has no labelled image" train -c "$work/base.yaml" --out "$work/no" \
    --set data.labels=file --set data.label_file="$work/fewer" --set distill.logit_adjust=1
refuse 2 "effective_beta: expected" train -c "$work/base.yaml" --out "$work/no" --set distill.effective_beta=1
ranks=1
refuse 2 "class_weights: expected none" train -c "$work/base.yaml" --out "$work/no" \
    --set compat=reference --set student.init='""' --set distill.class_weights=inverse

evaluate plain
evaluate unequal --set method=ce
grep -q '"calibration_scaled"' "$work/plain/eval.json" || die "eval.json has no scaled calibration"
grep -q '"macro_top1"' "$work/plain/eval.json" || die "eval.json has no macro accuracy"
grep -q "at T, the temperature with the least NLL on val" "$work/plain.txt" || die "eval does not print T"
cp "$work/plain/eval.json" "$work/first.json"
evaluate plain --stored
cmp -s "$work/first.json" "$work/plain/eval.json" || die "--stored gives other numbers"
OMP_NUM_THREADS=2 evaluate plain --stored
cmp -s "$work/first.json" "$work/plain/eval.json" || die "two threads give other numbers"
pass "calibration from stored outputs, the same on 1 and 2 threads"
evaluate plain --stored --set 'eval.select_on=""'
grep -q '"temperature"' "$work/plain/eval.json" && die "a temperature, chosen nowhere"
grep -q '"calibration"' "$work/plain/eval.json" || die "no calibration without a temperature"
grep -q 'at T, ' "$work/plain.txt" && die "eval prints a temperature that was not chosen"
pass "no temperature where nothing is chosen"
evaluate plain --stored
[ "$(head -n 1 "$work/plain/eval/val.classes.csv")" = \
    class,images,right,predicted,recall_percent,precision_percent ] || die "head of the classes' table"
[ "$(tail -n +2 "$work/plain/eval/val.classes.csv" | awk -F, '{ n += $2; p += $4 } END { print n, p }')" = "80 80" ] ||
    die "images of the classes' table"
pass "the table of classes"

"$DHO" compare "$work/plain" "$work/unequal" --paired >"$work/table" 2>"$work/log" || die "compare --paired"
grep -q "^image by image against $work/plain" "$work/table" || die "no paired table"
[ "$(grep -cE "^(val|a) +$work/unequal +[0-9]+ +[0-9]+ +[0-9]+ +[-+]" "$work/table")" = 2 ] || die "two pairs"
"$DHO" compare "$work/plain" "$work/unequal" >"$work/table" 2>"$work/log" || die "compare"
grep -q "image by image" "$work/table" && die "paired without being asked"
refuse 2 "paired: needs two runs" compare "$work/plain" --paired
cp -r "$work/unequal" "$work/other"
rm "$work/other/eval/val.safetensors"
"$DHO" compare "$work/plain" "$work/other" --paired >"$work/table" 2>"$work/log" || die "compare"
grep -q "^val .*other  .*val.safetensors: no such file" "$work/table" || die "outputs that are gone"
pass "paired comparison"
finish
