#!/usr/bin/env bash
# The loader against torchvision on the same files, one core each, in turns; prints both medians and
# their ratio, for torchvision's default transform and for the method's.
#   compare_data.sh IMAGES [ROUNDS [SECONDS]]      IMAGES: a folder of class folders
# DHO (default build/release/dho) is the program, DHO_PYTHON a Python with torchvision, DHO_CORE the
# core. Both sides read each file once before anything is measured, so that disks do not count.
set -euo pipefail
cd "$(dirname "$0")/../.."

images=${1:?usage: compare_data.sh IMAGES [ROUNDS [SECONDS]]}
rounds=${2:-5}
seconds=${3:-3}
dho=${DHO:-build/release/dho}
python=${DHO_PYTHON:-python3}
core=${DHO_CORE:-0}
export OMP_NUM_THREADS=1

. tests/bench/figures.bash

compare() { # LOW HIGH FILTER
    local ours=() pillow=() best=() line
    for ((i = 0; i < rounds; i++)); do
        line=$(taskset -c "$core" "$dho" bench data -c tests/bench/data.yaml \
            --set data.root="$images" --set data.loader_threads=1 \
            --set "data.crop_scale=[$1, $2]" --set data.interpolation="$3" --seconds "$seconds")
        ours+=("$(awk '/^images\/s/ { print $3 }' <<<"$line")")
        line=$(taskset -c "$core" "$python" tests/bench/torch_data.py "$images" \
            --seconds "$seconds" --scale "$1" "$2" --interpolation "$3")
        pillow+=("$(sed 's/.*"pillow": \([0-9.]*\).*/\1/' <<<"$line")")
        best+=("$(sed 's/.*"best": \([0-9.]*\).*/\1/' <<<"$line")")
    done
    local a b c
    a=$(printf '%s\n' "${ours[@]}" | median)
    b=$(printf '%s\n' "${pillow[@]}" | median)
    c=$(printf '%s\n' "${best[@]}" | median)
    awk -v a="$a" -v b="$b" -v c="$c" -v what="$3, scale $1 .. $2" 'BEGIN {
        printf "%-26s images/s a core: dho %.0f, torchvision on PIL %.0f (x %.2f), " \
               "its better path %.0f (x %.2f)\n", what, a, b, a / b, c, a / c }'
}

find "$images" -type f -exec cat {} + >/dev/null
compare 0.08 1 bilinear
compare 0.5 1 bicubic
