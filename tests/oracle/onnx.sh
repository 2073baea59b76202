# dho export to ONNX, with ONNX Runtime as the reference, and to the folder that timm and transformers load.
#   onnx.sh               narrow students, drawn pictures: the test
#   onnx.sh TRAIN TEST    the students at their published sizes, 224 px, on two folders of classes; about
#                         15 minutes for 500 images
. "$(dirname "$0")/../e2e/lib.bash"
needs_python onnx onnxruntime numpy PIL safetensors timm transformers
exchange() { "$python" "$here/tests/golden/onnx_exchange.py" "$@" >"$work/log" 2>&1 || die "$*"; }
small_data
student() { # NAME ARGUMENT ...: two heads, a moment's training, an evaluation; in $work/NAME
    local name=$1
    shift
    "$DHO" train -c "$work/base.yaml" --out "$work/$name" --set train.steps=4 --set train.checkpoint_every=0 \
        "$@" >"$work/log" 2>&1 || die "training $name"
    "$DHO" eval "$work/$name" >"$work/log" 2>&1 || die "evaluating $name"
}
to() { # NAME OUT ARGUMENT ...: exports
    local name=$1 out=$2
    shift 2
    "$DHO" export "$work/$name" --out "$work/$out" "$@" >"$work/log" 2>&1 || die "exporting $name"
}

# --- ONNX of each student: the same logits, the same first class ---
files=()
each() { # MODEL ARGUMENT ...
    local model=$1
    shift
    student "$model" --set student.model="$model" "$@"
    to "$model" "$model.onnx"
    files+=("$work/$model.onnx" "$work/$model/eval/val.safetensors" "${test:-$work/data/val}")
}
if [ $# = 2 ]; then
    test=$(realpath "$2")
    sed -i "s|root: $work/data/train, labels: shots|root: $(realpath "$1"), labels: shots|
            s|root: $work/data/val|root: $test|; /name: a,/d" "$work/base.yaml"
    rm -r "$work/teacher" "$work/cache"
    small_teacher
    for model in resnet18 resnet50 mobilenet_v2 convnext_tiny vit_s16 clip_rn50 clip_vit_b16; do
        files=()
        each $model --set student.width=0 --set data.image_size=224 --set train.steps=2 \
            --set train.batch_labelled=4 --set train.batch_unlabelled=4
        exchange same "${files[@]}"
        pass "$(cat "$work/log")"
        rm -r "${work:?}/$model" "$work/$model.onnx"
    done
    finish
    exit
fi
each resnet18 --set student.width=8 --set train.steps=20
each resnet50 --set student.width=8
each mobilenet_v2 --set student.width=8
each convnext_tiny --set student.width=16
each vit_s16 --set student.width=64 --set student.layers=2
each clip_rn50 --set student.width=16
each clip_vit_b16 --set student.width=64 --set student.layers=2
cp -r "$work/teacher" "$work/one_head"
"$DHO" eval -c "$work/base.yaml" --set method=ce --out "$work/one_head" >"$work/log" 2>&1 || die "one head"
to one_head one_head.onnx
files+=("$work/one_head.onnx" "$work/one_head/eval/val.safetensors" "$work/data/val")
exchange same "${files[@]}"
while read -r line; do pass "$line"; done <"$work/log"

exchange snippet "${files[@]:0:3}"
pass "$(cat "$work/log")"
ls "$work/data/train" | head -n 3 >"$work/three"
to resnet18 three.onnx --classes "$work/three"
exchange masked "$work/three.onnx" "$work/resnet18/eval/val.safetensors" "$work/data/val" "$work/three"
pass "--classes: $(cat "$work/log")"

# --- 8 bits: ONNX Runtime has as many images right as dho says ---
for model in resnet18 mobilenet_v2 convnext_tiny vit_s16 clip_rn50; do
    "$DHO" export "$work/$model" --out "$work/int8.onnx" --int8 --images 60 >"$work/table" 2>"$work/log" ||
        die "8 bits of $model"
    exchange accuracy "$work/int8.onnx" "$work/$model/eval/val.safetensors" "$work/data/val"
    read -r right images <"$work/log"
    awk -v right="$right" -v images="$images" '
        $1 == "val" && $2 == images && ($4 - 100 * right / images)^2 <= (150 / images)^2 { found = 1 }
        END { exit !found }' "$work/table" || die "$model: ONNX Runtime has $right of $images right: $(cat "$work/table")"
    pass "$model in 8 bits: $right of $images in ONNX Runtime; $(grep '^val' "$work/table" | tr -s ' ')"
done

# --- timm and transformers ---
for model in resnet18 mobilenet_v2 convnext_tiny vit_s16; do
    rm -rf "$work/published"
    student published --set student.model=$model --set student.width=0 --set train.steps=2 \
        --set train.batch_labelled=4 --set train.batch_unlabelled=4
    to published folder
    exchange folder "$work/folder" "$work/published/eval/val.safetensors" "$work/data/val"
    pass "$(tail -n 1 "$work/log")"
done
finish
