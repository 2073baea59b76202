# CLIP towers in and out: student.init under the names of OpenAI, Hugging Face and timm, other grids,
# dho export back; with open_clip, transformers and timm as references.
# One process of one thread.
. "$(dirname "$0")/../e2e/lib.bash"
golden=$here/tests/golden

needs_python open_clip transformers timm safetensors PIL
exchange() { "$python" "$golden/clip_exchange.py" "$@" >"$work/log" 2>&1 || die "$*"; }
exchange make "$work"
pass "open_clip, transformers and timm agree on the towers"
later() { echo "$*" >>"$work/checks"; } # one Python for all checks of exports
cat >"$work/c.yaml" <<EOF
method: ce
out: $work/run
data: {root: $work/images, labels: all, image_size: 64}
student: {model: clip_vit_b16, width: 128, layers: 2}
train: {shards: 2, batch_labelled: 4, batch_unlabelled: 0, steps: 1, lr: 1.0e-30, weight_decay: 0}
EOF
train() { # NAME ARGUMENT ...
    local name=$1
    shift
    "$DHO" train -c "$work/c.yaml" --out "$work/$name" "$@" >"$work/log" 2>&1 || die "training $name"
}
export_as() { # NAME NAMES FILE
    "$DHO" export --checkpoint "$work/$1/checkpoints/step-00000001" --head none --names "$2" \
        --out "$work/$3" >"$work/log" 2>&1 || die "exporting $1 as $2"
}
for names in openai bare huggingface timm; do
    train "$names" --set student.init="$work/vit_$names.safetensors"
    grep -q "student.init: .* tensors taken, [01] passed over" "$work/log" || die "student.init: $names"
    cmp -s "$work"/{openai,"$names"}/checkpoints/step-00000001/model.safetensors ||
        die "$names starts otherwise than openai"
    export_as openai "$names" "$names.safetensors"
    later compare "$names.safetensors" "vit_$names"
    pass "names of $names: the same start"
done
for size in 96 48 32; do
    train "g$size" --set student.init="$work/vit_openai.safetensors" --set data.image_size=$size
    export_as "g$size" openai "g$size.safetensors"
    later resized "g$size.safetensors" $((size / 16))
done
rn50=(--set student.model=clip_rn50 --set student.width=8 --set student.layers=0)
train rn50 "${rn50[@]}" --set student.init="$work/rn50.safetensors"
train rn50_timm "${rn50[@]}" --set student.init="$work/rn50_timm.safetensors"
cmp -s "$work"/{rn50,rn50_timm}/checkpoints/step-00000001/model.safetensors ||
    die "clip_rn50 starts otherwise from timm's names"
pass "clip_rn50: the same start from OpenAI's and from timm's names"
export_as rn50 openai rn50.openai.safetensors
later compare rn50.openai.safetensors rn50
export_as rn50 timm rn50.timm.safetensors
later compare rn50.timm.safetensors rn50_timm
# A classifier: timm has one layer for projection and head.
for run in openai rn50; do
    for names in openai timm; do
        "$DHO" export --checkpoint "$work/$run/checkpoints/step-00000001" --names $names \
            --out "$work/$run.$names.head.safetensors" >"$work/log" 2>&1 || die "exporting $run as $names"
    done
done
later classifies openai.openai.head.safetensors openai.timm.head.safetensors vit
later classifies rn50.openai.head.safetensors rn50.timm.head.safetensors rn50
# The method's public code's own checkpoint, whose heads have other names.
"$DHO" weights convert "$work/public_dho.pt" "$work/public.safetensors" >"$work/log" 2>&1 ||
    die "converting the public code's checkpoint"
"$DHO" cache build -c "$work/c.yaml" --teacher "$work/openai" --center --out "$work/cache" --shards 2 \
    >"$work/log" 2>&1 || die "building a cache"
two=(--set method=dho --set teacher.cache="$work/cache" --set train.batch_unlabelled=4
    --set student.init_head=true)
for file in public_dho.pt public.safetensors; do
    train "from_$file" "${two[@]}" --set student.init="$work/$file"
    grep -q "student.init: .* 0 passed over" "$work/log" || die "student.init: $file"
    "$DHO" eval -c "$work/c.yaml" "${two[@]}" --out "$work/from_$file" --set student.init='""' \
        --checkpoint "$work/from_$file/checkpoints/step-00000001" --set eval.resize=64 \
        --set "eval.sets=[{name: a}]" >"$work/log" 2>&1 || die "evaluating $file"
    later public "from_$file/eval/a.safetensors"
done
exchange check "$work"
cat "$work/log"
passed=$((passed + $(grep -c '^ok' "$work/log")))

again() { # TEXT ARGUMENT ...: a training that is refused
    local text=$1
    shift
    refuse 2 "$text" train -c "$work/c.yaml" --out "$work/no" "$@"
}
again '"vision_model.embeddings.patch_embedding.weight": expected shape \[64, 3, 16, 16\], found \[128' \
    --set student.init="$work/vit_huggingface.safetensors" --set student.width=64
again 'no tensor "blocks.2.norm1.weight" of shape \[128\], nor' \
    --set student.init="$work/vit_timm.safetensors" --set student.layers=3
again '"head.weight" is the projection of CLIP, and there is no classifier' \
    --set student.init="$work/vit_timm.safetensors" --set student.init_head=true
refuse 2 "has no name for" export --checkpoint "$work/rn50/checkpoints/step-00000001" \
    --names huggingface --out "$work/x.safetensors"
train cosine --set student.head_ce=cosine
refuse 2 "cannot be a cosine head: --head none" export --names timm \
    --checkpoint "$work/cosine/checkpoints/step-00000001" --out "$work/x.safetensors"
refuse 2 "expected openai, bare" export --checkpoint "$work/rn50/checkpoints/step-00000001" \
    --names torch --out "$work/x.safetensors"
finish
