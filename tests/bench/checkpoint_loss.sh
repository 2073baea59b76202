#!/usr/bin/env bash
# What checkpoints cost the step loop: the same run with train.checkpoint_every: 10 and without, side by side
# on a core each, one thread each; then with the cores exchanged. What disturbs the machine disturbs both. No
# core is free for the thread that writes: the most that it can cost.
#   tests/bench/checkpoint_loss.sh DHO [MODEL [ROUNDS [IMAGES [SET ...]]]]   (clip_vit_b16, 2 rounds, 8 a step)
# Prints the median over the rounds of the time of steps 11 to 20, in which the checkpoint of step 10 is
# copied and written, over that of the same steps without; and the smallest and the largest.
set -eu
dho=$1 model=${2:-clip_vit_b16} rounds=${3:-2} images=${4:-8}
shift $(($# < 4 ? $# : 4))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1
"$dho" synth --out "$work/data" --train 12 --val 1 --test 1 >/dev/null 2>&1
cat >"$work/c.yaml" <<EOF2
method: ce
data: {root: $work/data/train, labels: all, loader_threads: 1}
student: {model: $model}
train: {shards: 1, batch_labelled: $images, batch_unlabelled: 0, steps: 20, log_every: 1}
EOF2

seconds() { # CORE EVERY OUT SET ...: of steps 11 to 20
    local core=$1 every=$2 out=$3 line start=0
    shift 3
    taskset -c "$core" "$dho" train -c "$work/c.yaml" --set "train.checkpoint_every=$every" --set train.tensorboard=false \
        --out "$out.run" "${@/#/--set=}" 2>&1 |
        while read -r line; do
            case $line in
            "step 10/"*) start=$EPOCHREALTIME ;;
            "step 20/"*) echo "$start $EPOCHREALTIME" ;;
            "dho: error"*) echo "$line" >&2 ;;
            esac
        done | awk '{ print $2 - $1 }' >"$out"
    rm -rf "$out.run"
    [ -s "$out" ]
}

grep -m 1 'model name' /proc/cpuinfo
for ((round = 0; round < rounds; round++)); do
    core=$((round % 2))
    seconds $core 10 "$work/with" "$@" &
    seconds $((1 - core)) 0 "$work/without" "$@"
    wait $!
    paste "$work/with" "$work/without" | tee -a "$work/all" | awk '{ printf "%.2f s with, %.2f s without\n", $1, $2 }' >&2
done
awk '{ print $1 / $2 }' "$work/all" | sort -n | awk -v model="$model" -v images="$images" '{ a[NR] = $1 }
    END { m = NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2
    printf "%s, %d images a step: with / without %.3f  (%.3f to %.3f, %d rounds)\n", model, images, m, a[1], a[NR], NR }'
