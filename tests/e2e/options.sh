# Ways through the program that the other tests do not take: method kd, SGD, three ranks, a list of
# labelled files, skipped steps; caches of centre crops, of logits, of int8; import of features.
. "$(dirname "$0")/lib.bash"
small_data
checkpoint=$(ls -d "$work"/teacher/checkpoints/step-*)
short=(--set train.steps=6 --set train.shards=6 --set train.batch_labelled=12 --set train.batch_unlabelled=12)

cache() { # NAME ARGUMENT ...
    local name=$1
    shift
    run 2 cache build -c "$work/base.yaml" --teacher "$checkpoint" --out "$work/$name" --shards 12 "$@" \
        >"$work/log" 2>&1 || die "cache build $name"
    run 3 cache verify "$work/$name" >"$work/log" 2>&1 || die "cache verify $name"
    run 1 cache info "$work/$name" >"$work/$name.info" 2>"$work/log" || die "cache info $name"
}

cache plain --views 2
cache again --views 2
for file in "$work"/plain/*; do
    cmp -s "$file" "$work/again/$(basename "$file")" || die "two builds differ in $(basename "$file")"
done
pass "a cache is built twice with the same bytes"
cache center --center
grep -q "any crop" "$work/center.info" || die "--center"
cache logits --store logits --views 2
grep -q "logits, fp16, 20 values" "$work/logits.info" || die "--store logits"
cache int8 --encoding int8
grep -q "embedding, int8x, 64 values" "$work/int8.info" || die "--encoding int8"
pass "caches of centre crops, logits and int8 embeddings, verified on 3 ranks"

for name in plain center logits int8; do
    run 3 train -c "$work/base.yaml" --out "$work/on_$name" "${short[@]}" \
        --set teacher.cache="$work/$name" >"$work/log" 2>&1 || die "training on $name"
done
pass "students learn from each of them on 3 ranks"

twice() { # NAME ARGUMENT ...: two runs on 3 ranks end with the same bits
    local name=$1 i
    shift
    for i in 1 2; do
        run 3 train -c "$work/base.yaml" --out "$work/$name$i" "${short[@]}" \
            --set teacher.cache="$work/plain" "$@" >"$work/log" 2>&1 || die "$name"
    done
    cmp -s "$work"/{${name}1,${name}2}/checkpoints/step-00000006/model.safetensors ||
        die "two runs of $name differ"
    pass "$name: two runs on 3 ranks end with the same bits"
}
twice kd --set method=kd
twice single_head --set method=single_head
twice sgd --set train.optimizer=sgd --set train.lr=0.01

for class in "$work"/data/train/*; do ls "$class" | head -n 2; done >"$work/list.txt"
run 2 train -c "$work/base.yaml" --out "$work/listed" --set data.labels=file \
    --set data.label_file="$work/list.txt" --set train.steps=3 >"$work/log" 2>&1 || die "a label file"
grep -q "40 labelled" "$work/log" || die "a label file of 40 names"
pass "labels from a list of file names"

run 1 eval -c "$work/base.yaml" --out "$work/listed" >"$work/first" 2>"$work/log" || die "eval"
run 1 eval -c "$work/base.yaml" --out "$work/listed" --stored >"$work/second" 2>"$work/log" ||
    die "eval --stored"
cmp -s "$work/first" "$work/second" || die "stored outputs give another table"
pass "stored head outputs give the same table"
"$DHO" compare "$work/listed" "$work/listed" >"$work/log" 2>&1 || die "compare"
pass "compare"
finish
