# The method's baselines and options as configurations: feature losses, head forms, separate forward
# passes, gradient conflict, compat: reference, the exact choice of alpha.
. "$(dirname "$0")/lib.bash"
small_data
short=(--set train.steps=6 --set train.log_every=1)

refused() { # TEXT ARGUMENT ...
    ranks=2 refuse 2 "$1" train -c "$work/base.yaml" --out "$work/refused" "${short[@]}" "${@:2}"
}

# name and its settings
configurations=(
    "feature_mse --set method=feature"
    "feature_cosine --set method=feature --set distill.feature_loss=cosine"
    "logit_feature --set method=logit_feature --set distill.lambda_feature=0.5"
    "cosine --set student.head_kd=cosine --set student.head_scale=30"
    "both_cosine --set student.head_ce=cosine --set student.head_kd=cosine"
    "separate --set train.forward=separate"
    "separate_single --set train.forward=separate --set method=single_head"
    "separate_features --set train.forward=separate --set method=logit_feature"
    "sskd --set method=sskd --set train.forward=separate"
    "dhkd --set method=dhkd --set distill.lambda_kd=0.1"
    "dkd --set method=single_head --set distill.divergence=dkd"
    "dkd_dho --set distill.divergence=dkd --set distill.dkd_beta=2"
    "wkd --set method=single_head --set distill.divergence=wkd --set train.batch_unlabelled=0"
    "wkd_dho --set distill.divergence=wkd --set distill.wkd_iterations=3"
    "pcgrad --set method=single_head --set distill.gradients=pcgrad"
    "pcgrad_separate --set method=logit_feature --set distill.gradients=pcgrad --set train.forward=separate"
    "two_stages --set distill.ce_from=0.5 --set distill.kd_until=0.5"
    "hidden --set student.head_ce_hidden=8 --set student.head_kd_hidden=12 --set student.head_kd=cosine"
    "hidden_single --set method=single_head --set student.head_ce_hidden=8 --set compute.dtype=bf16"
    "labelled_only --set method=single_head --set distill.unlabelled=false"
    "product --set train.schedule=warmup_times_cosine --set train.warmup_steps=2"
)
for line in "${configurations[@]}"; do
    read -ra words <<<"$line"
    name=${words[0]}
    train 1 "$name" "${words[@]:1}"
    train 4 "${name}_4" "${words[@]:1}"
    cmp -s "$work"/{$name,${name}_4}/checkpoints/step-00000006/model.safetensors ||
        die "$name: 1 and 4 ranks end with different bits"
    run 2 eval -c "$work/base.yaml" --out "$work/$name" "${words[@]:1}" >"$work/log" 2>&1 ||
        die "evaluating $name"
    pass "$line: the same bits on 1 and 4 ranks, evaluated"
done
vit=(--set student.model=clip_vit_b16 --set student.width=64 --set student.layers=2)
train 1 vit "${vit[@]}"
train 1 vit_separate "${vit[@]}" --set train.forward=separate
same vit vit_separate "without batch normalisation train.forward changes no bit"

for method in sskd dhkd; do
    grep -q '"alpha": *1[,.]' "$work/$method/eval.json" || die "$method: its prediction is the supervised head's alone"
    train 1 "${method}_looks" --set method=$method --set train.eval_every=3 --set train.eval_on=val
    grep -q '"eval_alpha": *1[,.}]' "$work/${method}_looks/metrics.jsonl" || die "$method: alpha while it trains"
    run 1 export "$work/$method" --out "$work/$method.safetensors" >"$work/log" 2>&1 || die "exporting $method"
    grep -q "head_ce as fc" "$work/log" || die "$method: exports another head"
done
pass "sskd and dhkd predict by their supervised head: evaluation, evaluation while training, export"

# Heads with a hidden layer: read back from a checkpoint, and exported where a file can say them.
run 1 train -c "$work/hidden/config.yaml" --resume auto >"$work/log" 2>&1 || die "going on with hidden layers"
run 1 export "$work/hidden" --out "$work/kd.safetensors" >"$work/log" 2>&1 && die "a published classifier with a hidden layer"
grep -q "head_kd has a hidden layer" "$work/log" || die "why it cannot be exported"
run 1 export "$work/hidden" --head both --out "$work/both.safetensors" >"$work/log" 2>&1 || die "both heads with hidden layers"
for from in hidden both.safetensors; do
    run 1 predict "$work/$from" "$work"/data/val >"$work/$from.jsonl" 2>"$work/log" || die "predict by $from"
done
cmp -s "$work/hidden.jsonl" "$work/both.safetensors.jsonl" || die "an export with hidden layers predicts otherwise"
run 1 export "$work/hidden" --out "$work/hidden.onnx" >"$work/log" 2>&1 || die "ONNX of hidden layers"
refused "cannot start from student.head_init" --set student.head_kd_hidden=4 --set student.head_init=x.safetensors
pass "heads with hidden layers: resumed, exported, predicted by"

grep -q '"feature_labelled"' "$work/feature_mse/metrics.jsonl" || die "no feature loss in the metrics"
grep -q '"feature_labelled"' "$work/cosine/metrics.jsonl" && die "a feature loss without one"
cmp -s "$work"/{cosine,both_cosine}/checkpoints/step-00000006/model.safetensors && die "head_ce: cosine"
run 1 export --checkpoint "$work/cosine/checkpoints/step-00000006" --out "$work/e.safetensors" \
    >"$work/log" 2>&1 || die "exporting a cosine head"
grep -q "this head is cosine 30" "$work/log" || die "export does not name the head's form"
pass "metrics, cosine heads and export"

train 1 quiet
train 1 loud --set train.conflict_every=2
same quiet loud "measuring gradient conflict changes no bit of the training"
grep -v '"conflict"' "$work/loud/metrics.jsonl" | sed 's/"images_per_second".*//' >"$work/a"
sed 's/"images_per_second".*//' "$work/quiet/metrics.jsonl" >"$work/b"
cmp -s "$work/a" "$work/b" || die "nor its metrics"
[ "$(grep -c '"conflict":{"features":{"cosine":' "$work/loud/metrics.jsonl")" = 3 ] ||
    die "three measurements in six steps"
for p in 2 4; do
    train $p loud$p --set train.conflict_every=2
    cmp -s <(grep '"conflict"' "$work/loud/metrics.jsonl") \
        <(grep '"conflict"' "$work/loud$p/metrics.jsonl") || die "conflict on $p ranks"
done
pass "gradient conflict is the same on 1, 2 and 4 ranks"
train 2 loud_single --set train.conflict_every=3 --set method=single_head --set train.forward=separate
grep -q '"head":{"cosine":' "$work/loud_single/metrics.jsonl" || die "the shared head's conflict"
grep -q '"layer4.1":{"cosine":' "$work/loud_single/metrics.jsonl" || die "a block's conflict"
refused "conflict_every: needs two losses" --set train.conflict_every=2 --set method=kd

run 2 cache build -c "$work/base.yaml" --teacher "$work"/teacher/checkpoints/step-* --shards 8 \
    --store logits --out "$work/logits" >"$work/log" 2>&1 || die "a cache of logits"
# A teacher with a cosine head, whose bias is inside the factor: from its embeddings come its logits.
run 2 train -c "$work/base.yaml" --set method=ce --set data.labels=all --set student.head_ce=cosine \
    --set student.head_scale=20 --set train.steps=4 --out "$work/round" >"$work/log" 2>&1 || die "a cosine teacher"
for store in embedding logits; do
    run 2 cache build -c "$work/base.yaml" --teacher "$work/round" --shards 8 --store $store \
        --out "$work/round_$store" >"$work/log" 2>&1 || die "a cache of a cosine head's $store"
    train 1 "from_$store" --set teacher.cache="$work/round_$store"
    sed -n '1s/.*"loss":\([0-9.e+-]*\).*/\1/p' "$work/from_$store/metrics.jsonl" >>"$work/losses"
done
awk '{ loss[NR] = $1 } END { d = loss[1] - loss[2]; exit !(NR == 2 && d * d < 1e-6 * loss[1] ^ 2) }' "$work/losses" ||
    die "a cosine head's embeddings and logits: losses $(tr '\n' ' ' <"$work/losses")"
pass "a cosine head's embeddings and logits teach the same: losses $(tr '\n' ' ' <"$work/losses")"

refused "needs a cache of embeddings" --set method=feature --set teacher.cache="$work/logits"
refused "distill.divergence wkd needs a cache of embeddings" --set distill.divergence=wkd --set teacher.cache="$work/logits"
refused "head would not be trained" --set method=feature --set distill.lambda_ce=0
refused "head_kd: has no effect" --set method=ce --set student.head_kd=cosine

train 1 reference --set compat=reference --set student.init='""' --set train.batch_labelled=16 --set train.batch_unlabelled=16
grep -q "lambda_ce: 0.5" "$work/reference/config.yaml" || die "compat: reference, few shots"
grep -q "schedule: cosine" "$work/reference/config.yaml" || die "compat: reference, few shots"
run 1 train -c "$work/reference/config.yaml" --resume auto >"$work/log" 2>&1 || die "its own config.yaml"
pass "compat: reference"
refused "lambda_ce: expected 0.5, as compat: reference has it" --set compat=reference \
    --set distill.lambda_ce=1
refused "compat: reference needs student.init" --set compat=reference
refused "compat: reference needs data.labels" --set compat=reference --set data.labels=all

run 2 eval -c "$work/base.yaml" --out "$work/quiet" >"$work/table" 2>"$work/log" || die "eval"
grep -q "the best of all alphas on val, constant for" "$work/table" || die "the exact choice"
grep -q '"exact_choice"' "$work/quiet/eval.json" || die "the exact choice in eval.json"
pass "the exact choice of alpha beside the grid's"
grep -q "alpha 0.5, beta 1: from the configuration (column fixed %)" "$work/table" || die "the fixed alpha and beta"
fixed=$("$DHO" compare "$work/quiet" | awk '$1 == "alpha" { print $5 }')
cp "$work/quiet/eval.json" "$work/new.json"
sed -z -i 's/,\n *"fixed": {[^}]*}//g' "$work/quiet/eval.json" # as it was before this column
"$DHO" compare "$work/quiet" >"$work/log" || die "compare: an evaluation without the fixed score"
grep -q "^  alpha" "$work/log" && die "compare: a fixed score from nowhere"
run 1 eval "$work/quiet" --stored >"$work/log" 2>&1 || die "eval --stored"
cmp -s "$work/quiet/eval.json" "$work/new.json" || die "eval --stored adds the fixed score"
run 1 eval "$work/quiet" --stored --set 'eval.select_on=""' >"$work/log" 2>&1 || die "eval --stored, fixed"
[ -n "$fixed" ] && [ "$("$DHO" compare "$work/quiet" | awk 'NR == 2 { print $2 }')" = "$fixed" ] ||
    die "the fixed score is that of an evaluation which chooses nothing: $fixed"
pass "one evaluation has the chosen and the fixed alpha and beta: $fixed"
finish
