# What pretrained students are trained with: a file of weights evaluated without a run, frozen parts, groups of
# parameters, clipping, label smoothing, drop path, augmentation; the same bits on any ranks, what is refused.
. "$(dirname "$0")/lib.bash"
golden=$here/tests/golden
small_data

train() { # OUT RANKS ARGUMENT ...
    local out=$1 ranks=$2
    shift 2
    run "$ranks" train -c "$work/base.yaml" --out "$work/$out" --set train.steps=3 "$@" >"$work/log" 2>&1 || die "training $*"
}
# --- dho eval --weights ---
train run 1 --set train.steps=8
grep -q "teacher: [0-9.]* % of the 40 labelled images right" "$work/log" ||
    die "says nothing of the teacher"
[ "$(grep -c '"event":"teacher"' "$work/run/metrics.jsonl")" = 1 ] || die "no event of the teacher"
pass "$(grep -o 'teacher: .*' "$work/log")"
run 2 eval "$work/run" >"$work/log" 2>&1 || die "evaluating the run"
for head in both ce; do
    run 1 export "$work/run" --out "$work/$head.safetensors" --head $head >"$work/log" 2>&1 || die "export $head"
    run 2 eval -c "$work/base.yaml" --weights "$work/$head.safetensors" --out "$work/of_$head" >"$work/log" 2>&1 || die "evaluating the export of $head"
done
for set in val a; do
    cmp -s "$work/run/eval/$set.classes.csv" "$work/of_both/eval/$set.classes.csv" || die "the export of both heads is evaluated otherwise: $set"
done
pass "an export of both heads: the run's own evaluation"
grep -q '"method": *"ce"' "$work/of_ce/eval.json" || die "an export of one head is not of one head"
checkpoint=$(echo "$work"/run/checkpoints/step-*)
# The checkpoint's file names both heads and has no metadata of an export: student.* says what it is.
run 1 eval -c "$work/base.yaml" --weights "$checkpoint/model.safetensors" --out "$work/of_file" >"$work/log" 2>&1 || die "evaluating a file"
cmp -s "$work/run/eval/val.classes.csv" "$work/of_file/eval/val.classes.csv" || die "a file of both heads is evaluated otherwise"
grep -q "of_file/eval.json" "$work/log" || die "does not say where the evaluation is"
pass "a file of two heads without metadata: $(grep -o 'two heads, .*' "$work/log")"

# The method's public code's names, ce_head and kd_head, and a tower of CLIP's for 28 pixels.
mkdir -p "$work/five/train" "$work/five/val"
for part in train val; do
    ls -d "$work/data/$part"/* | head -n 5 | while read -r class; do ln -s "$class" "$work/five/$part/"; done
done
cat >"$work/five.yaml" <<END
data: {root: $work/five/train, image_size: 42}
student: {model: clip_vit_l14, width: 16, layers: 2}
eval: {select_on: val, sets: [{name: val, root: $work/five/val}]}
END
run 2 eval -c "$work/five.yaml" --weights "$golden/torch/public_dho.pt" --out "$work/of_public" >"$work/log" 2>&1 ||
    die "a checkpoint of the public code"
grep -q "two heads, 5 classes" "$work/log" || die "does not find the two heads of the public code"
pass "a checkpoint of the public code: $(grep -o 'public_dho.pt: clip.*' "$work/log")"
refuse 2 "shape" eval -c "$work/base.yaml" --weights "$golden/torch/public_dho.pt" --out "$work/x" --set data.image_size=42 \
    --set student.model=clip_vit_l14 --set student.width=16 --set student.layers=2

ranks=2
refuse 2 "is the folder of a run, whose evaluation would be replaced" eval -c "$work/base.yaml" --weights "$work/both.safetensors"
refuse 2 "no such file" eval -c "$work/base.yaml" --weights "$work/none.pt" --out "$work/x"
refuse 2 "is a folder: a run or a checkpoint" eval -c "$work/base.yaml" --weights "$work/data" --out "$work/x"
refuse 2 "both say what is evaluated" eval "$work/run" --weights "$work/both.safetensors"
refuse 2 "have no effect with --stored" eval -c "$work/base.yaml" --weights "$work/both.safetensors" --stored
refuse 2 "student.model says mobilenet_v2" eval -c "$work/base.yaml" --weights "$work/both.safetensors" --out "$work/x" --set student.model=mobilenet_v2
refuse 2 "no tensor" eval -c "$work/base.yaml" --weights "$golden/torch/plain.pt" --out "$work/x"
[ ! -e "$work/x/eval.json" ] || die "something refused was written"

# --- frozen parts ---
start=(--set student.init="$work/both.safetensors" --set student.init_head=true)
train probe 1 "${start[@]}" --set student.freeze=backbone --set student.batch_norm=frozen --set train.steps=8
for run in probe run; do # of as many steps: num_batches_tracked is that number
    run 1 export "$work/$run" --head none --out "$work/$run.safetensors" >"$work/log" 2>&1 || die "export of $run"
done
backbone() { # FILE: its last tensors
    tail -c 100000 "$1" | sha256sum
}
[ "$(backbone "$work/probe.safetensors")" = "$(backbone "$work/run.safetensors")" ] || die "a frozen backbone has moved"
cmp -s "$work"/{probe,run}/checkpoints/step-00000008/model.safetensors && die "nothing was trained"
pass "student.freeze: backbone and batch_norm: frozen leave the backbone as student.init has it"

# --- the same bits ---
sum_of() { # OUT
    (cd "$work/$1/checkpoints/step-00000003" && cat model.safetensors optimizer.safetensors) | sha256sum | cut -c 1-16
}
all=(--set train.weight_decay_on=matrices --set train.layer_decay=0.8 --set train.clip_grad=0.5
    --set distill.label_smoothing=0.1 --set data.randaugment=2 --set "data.colour_jitter=[0.4, 0.4, 0.4, 0.1]")
same_bits() { # NAME ARGUMENT ...
    local name=$1 first n
    shift
    for n in 1 3; do
        train bits 1 "${all[@]}" "$@" --set train.steps=3
        first=$(sum_of bits)
        train bits$n $n "${all[@]}" "$@" --set train.shard_optimizer=$([ $n = 3 ] && echo true || echo false) \
            --set train.checkpoint_every=1 --set train.checkpoint_keep=9
        [ "$(sum_of bits$n)" = "$first" ] || die "$name: $n ranks end with other bits than 1"
        rm -r "$work/bits" "$work/bits$n/checkpoints/step-00000003" "$work/bits$n/checkpoints/step-00000002"
        train bits$n $((n + 1)) "${all[@]}" "$@"
        [ "$(sum_of bits$n)" = "$first" ] || die "$name: going on with $((n + 1)) ranks ends with other bits"
        rm -r "$work/bits$n"
    done
    pass "$name: the same bits on 1 and 3 ranks, with train.shard_optimizer, and over a resume"
}
same_bits "resnet18, frozen batch norm" "${start[@]}" --set student.batch_norm=frozen
same_bits "resnet18, frozen backbone" "${start[@]}" --set student.freeze=backbone --set train.layer_decay=1
same_bits "vit_s16, drop path" --set student.model=vit_s16 --set student.width=16 --set student.layers=2 --set student.drop_path=0.5
same_bits "convnext_tiny, drop path" --set student.model=convnext_tiny --set student.width=8 --set student.drop_path=0.3

# --- what is refused ---
ranks=1
no() { # TEXT ARGUMENT ...
    local text=$1
    shift
    refuse 2 "$text" train -c "$work/base.yaml" --out "$work/refused" "$@"
}
no "student.freeze: backbone needs student.init" --set student.freeze=backbone
no "student.batch_norm: frozen needs student.init" --set student.batch_norm=frozen
no "train.conflict_every: has no effect with student.freeze" "${start[@]}" --set student.freeze=backbone --set train.conflict_every=2
no "student.drop_path: has no effect with student.freeze" "${start[@]}" --set student.freeze=backbone --set student.drop_path=0.1
no "train.layer_decay: has no effect with student.freeze" "${start[@]}" --set student.freeze=backbone --set train.layer_decay=0.9
no "train.weight_decay_on: has no effect with train.weight_decay: 0" --set train.weight_decay_on=matrices --set train.weight_decay=0
no "student.drop_path: has no effect: resnet18 has no such branches" --set student.drop_path=0.1
no "frozen has no effect: vit_s16 has no batch normalisation" "${start[@]}" --set student.batch_norm=frozen \
    --set student.model=vit_s16 --set student.width=16 --set student.layers=1
no "distill.label_smoothing: has no effect without a cross-entropy" --set method=kd --set distill.label_smoothing=0.1
no "hue (the fourth number) of at most 0.5" --set "data.colour_jitter=[0, 0, 0, 0.6]"
no "data.randaugment_magnitude: has no effect without data.randaugment" --set data.randaugment_magnitude=5
for key in distill.label_smoothing=0.1 train.clip_grad=1 train.layer_decay=0.9 data.randaugment=1 train.weight_decay_on=matrices; do
    no "as compat: reference has it" --set compat=reference --set 'student.init=""' --set "$key"
done
finish
