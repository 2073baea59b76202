# Weights and optimizer states are the same bits on any number of ranks and threads, overlap of communication
# and computing included; a run goes on with others. Table: docs/reproducibility.md.
#   DHO=build/dev/dho tests/e2e/any_ranks.sh          some of the table
#   DHO=build/dev/dho tests/e2e/any_ranks.sh all      all of it: 1 to 8 ranks of 1 and 2 threads, and prints it
. "$(dirname "$0")/lib.bash"
all=${1:-}
small_data
sed -i "s|cache: .*/cache|&48|" "$work/base.yaml"
run 1 cache build -c "$work/base.yaml" --teacher "$work/teacher" --shards 48 --views 2 >"$work/log" 2>&1 || die "cache build"
students=(resnet18 mobilenet_v2 clip_vit_b16)
declare -A sizes=([resnet18]="--set student.width=8" [mobilenet_v2]="--set student.width=16"
    [clip_vit_b16]="--set student.width=64 --set student.layers=2")

train() { # OUT RANKS THREADS STUDENT ARGUMENT ...
    local out=$1 ranks=$2 threads=$3 student=$4
    shift 4
    DHO_THREADS_PER_RANK=$threads run "$ranks" train -c "$work/base.yaml" --out "$work/$out" --set train.shards=16 \
        --set train.steps=3 --set student.model="$student" ${sizes[$student]} "$@" >"$work/log" 2>&1 ||
        die "$student on $ranks ranks of $threads threads"
}

sum_of() { # OUT STEP
    (cd "$work/$1/checkpoints/step-0000000$2" && cat model.safetensors optimizer.safetensors) | sha256sum | cut -c 1-16
}

row() { # STUDENT DTYPE "RANKS ..." "RANKS ...": of one thread each, and of two
    local first="" threads ranks sum
    for threads in 1 2; do
        for ranks in $([ $threads = 1 ] && echo "$3" || echo "$4"); do
            train bits "$ranks" $threads "$1" --set compute.dtype="$2"
            sum=$(sum_of bits 3)
            [ -n "$first" ] || first=$sum
            [ "$sum" = "$first" ] || die "$1 $2: $ranks ranks of $threads threads end with $sum, 1 of 1 with $first"
            rm -r "$work/bits"
        done
    done
    [ -z "$all" ] || printf '| %s | %s | `%s` |\n' "$1" "$2" "$first"
    pass "$1, $2: the same bits on $3 ranks of 1 thread and on $4 of 2"
}

for student in "${students[@]}"; do
    for dtype in fp32 bf16; do
        if [ -n "$all" ]; then
            row $student $dtype "1 2 3 4 5 6 7 8" "1 2 3 4 5 6 7 8"
        elif [ $student$dtype = resnet18fp32 ]; then
            row $student $dtype "1 3 5 6 7" "1 2"
        else
            row $student $dtype "1 3" "1"
        fi
    done
done

# A run that goes on with other ranks and threads after each step: what came after it is taken away.
train straight 1 1 resnet18 --set train.steps=4
chain=("4 1" "3 1" "1 2" "6 1")
for step in 1 2 3 4; do
    train chain ${chain[step - 1]} resnet18 --set train.steps=4 --set train.checkpoint_every=1 --set train.checkpoint_keep=9
    for later in $(seq $((step + 1)) 4); do rm -r "$work/chain/checkpoints/step-0000000$later"; done
done
[ "$(sum_of chain 4)" = "$(sum_of straight 4)" ] || die "resumed on 4, 3, 1 and 6 ranks: other bits"
pass "a run that went on with 4, 3, 1 (2 threads) and 6 ranks ends with the bits of 1 rank"

# Each rank keeps a part of the optimizer's state: the same bits, also where the number of ranks changes.
for ranks in 2 3; do
    train sharded$ranks $ranks 1 resnet18 --set train.steps=4 --set train.shard_optimizer=true \
        --set train.checkpoint_every=2 --set train.checkpoint_keep=9
    [ "$(sum_of sharded$ranks 4)" = "$(sum_of straight 4)" ] || die "train.shard_optimizer: other bits on $ranks ranks"
done
rm -r "$work/sharded3/checkpoints/step-00000004"
train sharded3 4 1 resnet18 --set train.steps=4 --set train.shard_optimizer=true
[ "$(sum_of sharded3 4)" = "$(sum_of straight 4)" ] || die "train.shard_optimizer: other bits after 4 ranks go on"
pass "train.shard_optimizer: the same bits on 2, 3 and then 4 ranks"

# Gradients that are added up in bf16: other bits, the same on any number of ranks, threads and after a stop.
for ranks in 1 2 3 4 5; do
    train packed$ranks $ranks 1 resnet18 --set train.steps=4 --set comm.dtype=bf16 --set train.checkpoint_every=2 \
        --set train.checkpoint_keep=9 --set train.shard_optimizer=$([ $ranks = 5 ] && echo true || echo false)
    [ "$(sum_of packed$ranks 4)" = "$(sum_of packed1 4)" ] || die "comm.dtype: bf16: other bits on $ranks ranks"
done
rm -r "$work/packed2/checkpoints/step-00000004"
train packed2 3 2 resnet18 --set train.steps=4 --set comm.dtype=bf16
[ "$(sum_of packed2 4)" = "$(sum_of packed1 4)" ] || die "comm.dtype: bf16: other bits on 3 ranks of 2 threads that go on"
[ "$(sum_of packed1 4)" != "$(sum_of straight 4)" ] || die "comm.dtype: bf16 changes nothing"
pass "comm.dtype: bf16: the same bits on 1 to 5 ranks, with a sharded optimizer, after 3 ranks of 2 threads go on"

# Two gradients a step, joined (distill.gradients): the same bits on ranks and threads, each rank with all of the
# optimizer's state or with a part.
pcgrad=(--set method=single_head --set distill.gradients=pcgrad)
train pcgrad 1 1 resnet18 "${pcgrad[@]}"
for place in "3 1" "2 2" "4 1"; do
    train pcgrad_more $place resnet18 "${pcgrad[@]}"
    [ "$(sum_of pcgrad_more 3)" = "$(sum_of pcgrad 3)" ] || die "distill.gradients: other bits on ranks and threads $place"
    train pcgrad_sharded $place resnet18 "${pcgrad[@]}" --set train.shard_optimizer=true
    [ "$(sum_of pcgrad_sharded 3)" = "$(sum_of pcgrad 3)" ] || die "distill.gradients, train.shard_optimizer: other bits on $place"
    rm -r "$work"/pcgrad_more "$work"/pcgrad_sharded
done
train sum 1 1 resnet18 --set method=single_head
[ "$(sum_of sum 3)" != "$(sum_of pcgrad 3)" ] || die "distill.gradients: pcgrad changes nothing"
pass "distill.gradients: pcgrad: the same bits on 3 and 4 ranks and on 2 of 2 threads, with train.shard_optimizer, too"

# With more threads than microbatches a rank shares a microbatch among threads, unless it may not.
for threads in 1 2; do
    train one$threads 5 $threads resnet18 --set train.shards=8 --set compute.microbatch_threads=1
    train two$threads $threads $((2 * threads)) resnet18 --set compute.microbatch_threads=2
done
[ "$(sum_of one1 3)" = "$(sum_of one2 3)" ] || die "compute.microbatch_threads: 1 has other bits with 2 threads"
[ "$(sum_of two1 3)" = "$(sum_of two2 3)" ] || die "compute.microbatch_threads: 2 has other bits with 4 threads"
pass "compute.microbatch_threads: 1 and 2: the same bits with more threads"
finish
