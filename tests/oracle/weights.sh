# Weights in and out: student.init from a PyTorch file and from safetensors, dho export; with torchvision
# and timm as references.
# One process of one thread.
. "$(dirname "$0")/../e2e/lib.bash"
needs_python torch torchvision timm safetensors PIL
exchange() { "$python" "$here/tests/golden/torch_exchange.py" "$@" >"$work/log" 2>&1 || die "$*"; }
exchange make "$work"
cat >"$work/c.yaml" <<EOF
method: ce
out: $work/run
data: {root: $work/images, labels: all, image_size: 64}
student: {model: resnet18, init: $work/resnet18.pt}
train: {shards: 2, batch_labelled: 4, batch_unlabelled: 0, steps: 1, lr: 1.0e-30, weight_decay: 0}
eval:
  resize: 64
  sets: [{name: a, root: $work/images}]
EOF
train() { # NAME ARGUMENT ...
    local name=$1
    shift
    "$DHO" train -c "$work/c.yaml" --out "$work/$name" "$@" >"$work/log" 2>&1 || die "training $name"
}
train pt
grep -q "student.init: .*resnet18.pt (PyTorch zip, key state_dict): 100 tensors taken, 2 passed" \
    "$work/log" || die "student.init says something else"
train st --set student.init="$work/resnet18.safetensors"
cmp -s "$work"/{pt,st}/checkpoints/step-00000001/model.safetensors ||
    die "a PyTorch file and a safetensors file start differently"
"$DHO" export --checkpoint "$work/pt/checkpoints/step-00000001" --out "$work/pt.safetensors" \
    >"$work/log" 2>&1 || die "export"
exchange backbone "$work" "$work/pt.safetensors"
pass "student.init from .pt and from safetensors: the weights of the file, bit for bit"
train head --set student.init_head=true
grep -q "102 tensors taken, 0 passed" "$work/log" || die "student.init_head took no head"
pass "student.init_head takes fc, too"

if "$DHO" train -c "$work/c.yaml" --out "$work/narrow" --set student.width=32 >"$work/log" 2>&1; then
    die "a wrong shape was accepted"
fi
grep -q 'tensor "module.conv1.weight": expected shape \[32, 3, 7, 7\], found \[64, 3, 7, 7\]' \
    "$work/log" || die "the wrong shape is not named"
pass "$(grep '^dho: error' "$work/log" | sed "s|$work/||g")"

# A trained student of one head and one of two (which needs a teacher), in torchvision.
train ce --set train.steps=3 --set train.lr=1.0e-3
check_logits() { # RUN METHOD HEAD STEP
    local checkpoint=$work/$1/checkpoints/step-0000000$4 head=()
    [ "$2" = ce ] || head=(--head "$3")
    "$DHO" eval -c "$work/c.yaml" --out "$work/$1" --set method="$2" --checkpoint "$checkpoint" \
        --set student.init='""' >"$work/log" 2>&1 || die "evaluating $1"
    "$DHO" export --checkpoint "$checkpoint" --out "$work/out.safetensors" "${head[@]}" \
        >"$work/log" 2>&1 || die "exporting $1"
    exchange logits "$work" "$work/out.safetensors" "$work/$1/eval/a.safetensors" "$3"
    pass "torchvision loads $2 strictly, $(cat "$work/log")"
}
check_logits ce ce ce 3

# ResNet-50 from DINO's two files, MobileNetV2 from a file of PyTorch before 1.6 and one of timm.
same_start() { # MODEL TENSORS FILE FILE: one step from each, and an export of the first
    local model=$1 tensors=$2 file run=$1
    for file in "$3" "$4"; do
        train "$run" --set student.model="$model" --set student.init="$work/$file" --set train.lr=1.0e-3
        grep -q ": $tensors tensors taken" "$work/log" || die "student.init: $file: not $tensors tensors"
        run=$model.other
    done
    cmp -s "$work"/{"$model","$model.other"}/checkpoints/step-00000001/model.safetensors ||
        die "$3 and $4 start differently"
    pass "$model: the same start from $3 and $4, $tensors tensors"
    "$DHO" eval -c "$work/c.yaml" --out "$work/$model" --set student.model="$model" --set student.init='""' \
        --checkpoint "$work/$model/checkpoints/step-00000001" >"$work/log" 2>&1 || die "evaluating $model"
    "$DHO" export --checkpoint "$work/$model/checkpoints/step-00000001" \
        --out "$work/$model.safetensors" >"$work/log" 2>&1 || die "exporting $model"
}
same_start resnet50 265 dino.pth dino_full.pth
same_start mobilenet_v2 260 mobilenet_v2.pth mobilenet_v2_timm.pth
"$DHO" export --checkpoint "$work/mobilenet_v2/checkpoints/step-00000001" --names timm \
    --out "$work/mobilenet_v2_timm.safetensors" >"$work/log" 2>&1 || die "exporting under timm's names"
"$DHO" export --checkpoint "$work/resnet50/checkpoints/step-00000001" --names timm \
    --out "$work/x.safetensors" >"$work/log" 2>&1 || die "exporting under timm's names"
cmp -s "$work"/{resnet50,x}.safetensors || die "timm's names of resnet50 are not torchvision's"
exchange models "$work"
pass "torchvision and timm load both strictly: $(tr '\n' ';' <"$work/log")"

for model in convnext_tiny vit_s16; do
    train $model --set student.model=$model --set student.init="$work/$model.pth" --set student.init_head=true
    grep -q ": [0-9]* tensors taken, 0 passed" "$work/log" || die "student.init: $model: tensors were passed over"
    "$DHO" eval -c "$work/c.yaml" --out "$work/$model" --set student.model=$model --set student.init='""' \
        --checkpoint "$work/$model/checkpoints/step-00000001" >"$work/log" 2>&1 || die "evaluating $model"
    "$DHO" export --checkpoint "$work/$model/checkpoints/step-00000001" \
        --out "$work/$model.safetensors" >"$work/log" 2>&1 || die "exporting $model"
done
exchange modern "$work"
pass "ConvNeXt-Tiny of torchvision, ViT-S/16 of timm, in and out: $(tr '\n' ';' <"$work/log")"

# Students of the method's public few-shot code, whose layers have numbers for names.
for model in resnet18 resnet50 mobilenet_v2; do
    "$DHO" eval -c "$work/c.yaml" --weights "$work/public_$model.pt" --set student.model=$model \
        --out "$work/public_$model" >"$work/log" 2>&1 || die "the public code's $model"
    grep -q "names of nn.Sequential): [0-9]* tensors taken, 0 passed" "$work/log" || die "the public code's $model is not taken whole"
done
exchange public "$work"
pass "students of the public few-shot code: $(tr '\n' ';' <"$work/log")"

"$DHO" cache build -c "$work/c.yaml" --teacher "$work/ce/checkpoints/step-00000003" --center \
    --out "$work/cache" --shards 2 >"$work/log" 2>&1 || die "building a cache"
train dho --set method=dho --set teacher.cache="$work/cache" --set train.steps=2 \
    --set train.lr=1.0e-3 --set train.batch_unlabelled=4
check_logits dho dho ce 2
check_logits dho dho kd 2
"$DHO" export --checkpoint "$work/dho/checkpoints/step-00000002" --out "$work/b.safetensors" \
    --head both >"$work/log" 2>&1 || die "exporting both heads"
"$DHO" weights inspect "$work/b.safetensors" >"$work/log"
grep -q "^head_ce.weight" "$work/log" && grep -q "^head_kd.bias" "$work/log" || die "heads"
pass "export --head both keeps head_ce and head_kd"
refuse 2 "one head only" export --checkpoint "$work/ce/checkpoints/step-00000003" \
    --out "$work/x.safetensors" --head kd
finish
