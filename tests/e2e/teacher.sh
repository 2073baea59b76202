# From a CLIP model to a trained student without Python: a zero-shot head, a cache of its image tower,
# heads that start from the text; on 1, 2 and 3 ranks.
. "$(dirname "$0")/lib.bash"
clip=$here/tests/golden/clip_small
"$DHO" synth --out "$work/data" --train 6 --val 2 --test 1 >"$work/log" 2>&1 || die "synth"
cat >"$work/c.yaml" <<EOF
method: dho
out: $work/run
data: {root: $work/data/train, labels: shots, shots: 2, image_size: 32}
student: {model: clip_vit_b16, width: 16, layers: 1, init: $clip/model.safetensors, head_init: $work/head}
teacher: {cache: $work/cache}
train: {shards: 4, batch_labelled: 8, batch_unlabelled: 8, steps: 2, lr: 1.0e-30, weight_decay: 0}
compute: {backend: ref} # rows of any batch give the same bits
EOF
printf 'the {}\n{} {}\n' >"$work/bad"
printf '# templates\nthe {}\na {}!\n' >"$work/templates"
head=(teacher zero-shot --model ViT-B-16 --weights "$clip/model.safetensors" --merges "$clip"
    -c "$work/c.yaml")
for ranks in 1 3; do
    run $ranks "${head[@]}" --templates "$work/templates" --out "$work/head.$ranks" >"$work/log" 2>&1 ||
        die "a head on $ranks ranks"
done
cmp -s "$work/head.1" "$work/head.3" || die "the head depends on the ranks"
mv "$work/head.3" "$work/head"
pass "$(grep classes "$work/log" | sed "s|$work/||"): the same on 1 and 3 ranks"

build=(cache build -c "$work/c.yaml" --clip ViT-B-16 --weights "$clip/model.safetensors"
    --head "$work/head" --shards 4)
run 2 "${build[@]}" --views 2 >"$work/log" 2>&1 || die "a cache"
run 1 "${build[@]}" --views 2 --out "$work/again" >"$work/log" 2>&1 || die "a cache on one rank"
diff -r "$work/cache" "$work/again" >"$work/log" || die "the cache depends on the ranks"
"$DHO" cache verify "$work/cache" >"$work/log" 2>&1 || die "verify"
"$DHO" cache info "$work/cache" >"$work/log" 2>&1 || die "info"
grep -q 'teacher  *clip_vit_b16 .*model.safetensors' "$work/log" || die "the teacher's name"
grep -q 'embedding, fp16, 10 values' "$work/log" || die "the payload"
pass "a cache, the same bytes on 1 and 2 ranks"
run 2 train -c "$work/c.yaml" >"$work/log" 2>&1 || die "training"
grep -q "student.head_init: .*text means of 20 classes" "$work/log" || die "head_init"
"$DHO" weights inspect "$work"/run/checkpoints/step-00000002/model.safetensors >"$work/tensors"
grep -q 'head_kd.weight .*20, 10' "$work/tensors" || die "the heads"
pass "training: $(grep 'student.head_init' "$work/log" | sed "s|$work/||")"

"$DHO" teacher embed --model clip_vit_b16 --weights "$clip/model.safetensors" -c "$work/c.yaml" \
    --out "$work/features" >"$work/log" 2>&1 || die "embed"
"$DHO" cache import -c "$work/c.yaml" --features "$work/features" --head "$work/head" --shards 4 \
    --out "$work/imported" >"$work/log" 2>&1 || die "import of what embed has written"
grep -q "120 images x 1 view, 20 bytes a view, 0.0 MiB in all" "$work/log" ||
    die "an import does not announce the size"
run 2 teacher embed --model clip_vit_b16 --weights "$clip/model.safetensors" -c "$work/c.yaml" \
    --out "$work/features.2" >"$work/log" 2>&1 || die "embed on two ranks"
cmp -s "$work/features" "$work/features.2" || die "embeddings depend on the ranks"
pass "embeddings of the images, the same on 1 and 2 ranks, make a cache"
# Whole images are the teacher's own business: bicubic, whatever the students' crops are.
run 2 "${build[@]}" --center --set data.interpolation=bilinear --out "$work/center" \
    >"$work/log" 2>&1 || die "a cache of centre crops"
for of in imported center; do
    "$DHO_TOOLS/dump_cache" "$work/$of" >"$work/$of.words" 2>"$work/log" || die "reading $of"
done
cmp "$work"/{imported,center}.words >"$work/log" 2>&1 || die "build --center and embed differ"
pass "build --center with data.interpolation: bilinear says what embed says"
clip=(--clip ViT-B-16 --weights "$clip/model.safetensors")
run 2 cache verify "$work/cache" -c "$work/c.yaml" "${clip[@]}" >"$work/log" 2>&1 ||
    die "verify with the image tower, without its head"
grep -q "largest difference 0 " "$work/log" || die "computed again, but not the same bits"
run 1 cache verify "$work/imported" -c "$work/c.yaml" "${clip[@]}" --set data.interpolation=bilinear \
    >"$work/log" 2>&1 || die "verify of an import"
pass "verify: $(grep -o '[0-9]* of .* images computed again.*' "$work/log")"

refuse 2 "zero-shot|embed" teacher fly
refuse 2 "--merges: is missing" teacher zero-shot --model RN50 --weights x
refuse 2 "expected one {}" "${head[@]}" --templates "$work/bad" --out "$work/no"
refuse 2 "no -c CONFIG" "${head[@]:0:8}" --templates "$work/templates" --out "$work/no"
refuse 2 "unknown CLIP model" teacher embed --model ViT-B-32 --weights "$clip/model.safetensors" \
    -c "$work/c.yaml" --out "$work/no"
refuse 2 "what to embed" teacher embed --model RN50 --weights x --out "$work/no"
refuse 2 "expected squash or shortest" "${build[@]}" --resize-mode fit --out "$work/no"
refuse 2 "one of the two" "${build[@]}" --teacher "$work/run" --out "$work/no"
refuse 2 "--teacher: is missing" cache verify "$work/cache" -c "$work/c.yaml" --sample 3
refuse 2 "--head: is missing" "${build[@]:0:8}" --store logits --out "$work/no"
refuse 2 "of --clip" cache build -c "$work/c.yaml" --teacher x --head y --out "$work/no"
refuse 2 "head for 10 features, resnet18 has 64" train -c "$work/c.yaml" --out "$work/no" \
    --set student.model=resnet18 --set student.width=8 --set student.layers=0 --set student.init='""'
refuse 2 "cannot both be set" train -c "$work/c.yaml" --set student.init_head=true
refuse 2 "student.head_init: .*nowhere: no such file" train -c "$work/c.yaml" --out "$work/no" \
    --set student.head_init="$work/nowhere"
rm -r "$work/data/train/$(ls "$work/data/train" | tail -n 1)"
refuse 2 "the teacher knows 20 classes, the dataset has 19" "${build[@]}" --out "$work/no"
finish
