#!/usr/bin/env bash
# Is a step as fast as it was? Two programs, say of two commits, side by side on a core each, one thread
# each; then with the cores exchanged. What disturbs the machine disturbs both.
#   tests/bench/step_pairs.sh OLD NEW [ROUNDS [ARGUMENT of dho bench step ...]]     (default: 4 rounds)
# Prints for each model the median of NEW's time over OLD's, and the smallest and largest.
# DHO_PAIRS  the models and images: "MODEL:LABELLED:UNLABELLED ..."
set -eu
old=$1 new=$2 rounds=${3:-4}
shift $(($# < 3 ? $# : 3))
pairs=${DHO_PAIRS:-resnet18:8:8 mobilenet_v2:8:8 resnet50:4:4 clip_rn50:4:4 clip_vit_b16:2:2}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1
cd /

step() { # CORE PROGRAM OUT ARGUMENT ...: its median, in ms
    local core=$1 program=$2 out=$3
    shift 3
    taskset -c "$core" "$program" bench step "$@" 2>"$out.log" | sed -n 's/^step *\([0-9.]*\) ms.*/\1/p' >"$out"
    [ -s "$out" ] || { cat "$out.log" >&2; return 1; }
}

grep -m 1 'model name' /proc/cpuinfo
for pair in $pairs; do
    IFS=: read -r model labelled unlabelled <<<"$pair"
    for ((round = 0; round < rounds; round++)); do
        core=$((round % 2))
        step $core "$old" "$work/old" --model "$model" --labelled "$labelled" --unlabelled "$unlabelled" "$@" &
        step $((1 - core)) "$new" "$work/new" --model "$model" --labelled "$labelled" --unlabelled "$unlabelled" "$@"
        wait $!
        paste "$work/old" "$work/new"
    done | awk '{ print $2 / $1 }' | sort -n |
        awk -v model="$model" '{ a[NR] = $1 } END { m = NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2
            printf "%-14s new / old %.3f  (%.3f to %.3f, %d rounds)\n", model, m, a[1], a[NR], NR }'
done
