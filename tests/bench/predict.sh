#!/usr/bin/env bash
# dho predict against timm and onnxruntime: the same student, images and cores, decoding included, in
# turns; prints the medians, their ratios, and how many images get the same class.
#   predict.sh IMAGES [ROUNDS]      IMAGES: a folder of class folders
# The peers compute in fp32, and each in the way that is its fastest of those that predict_peers.py tries
# first; dho in fp32 and bf16, as `dho predict` does by default. Nobody's start counts: neither loading the
# program and the model nor compiling. DHO (default build/release/dho) is the program, DHO_PYTHON a Python
# with timm, onnx and onnxruntime, DHO_CORES the cores (default 0,1), MODELS the students as MODEL:IMAGES,
# of so many images each. WAYS="TIMMS ONNXRUNTIMES" are known fastest ways: nothing is tried then.
set -euo pipefail
cd "$(dirname "$0")/../.."

images=$(realpath "${1:?usage: predict.sh IMAGES [ROUNDS]}")
rounds=${2:-3}
dho=$(realpath "${DHO:-build/release/dho}")
python=${DHO_PYTHON:-python3}
cores=${DHO_CORES:-0,1}
read -ra models <<<"${MODELS:-resnet18:1024 mobilenet_v2:2048 resnet50:512 clip_vit_b16:128}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

. tests/bench/figures.bash

run_dho() { # RUN DTYPE
    taskset -c "$cores" "$dho" predict "$1" --list "$work/list" --top 1 --set compute.dtype="$2" 2>"$work/log" >"$work/lines"
    sed -n 's|.* s: \([0-9.]*\) images/s|\1|p' "$work/log" >>"$work/$2"
    sed 's/.*"index":\([0-9]*\).*/\1/' "$work/lines" >"$work/$2.classes"
}

run_peer() { # ENGINE RUN WAY ARGUMENT ...: its fastest way of "tune", or images a second
    taskset -c "$cores" "$python" tests/bench/predict_peers.py "$1" "$2/student" "$work/list" "${@:3}" 2>>"$work/peers.log"
}

same() { # NAME NAME: images with the same class
    paste "$work/$1.classes" "$work/$2.classes" | awk -v a="$1" -v b="$2" '
        { same += $1 == $2 } END { printf "  the same class by %s and %s: %d of %d\n", a, b, same, NR }'
}

compare() { # MODEL IMAGES
    local run=$work/$1 i engine d dtype
    local -A way
    some_of "$images" "$2" >"$work/list"
    rm -f "$work"/{fp32,bf16,timm,onnxruntime}
    cat >"$work/config.yaml" <<END
{method: ce, data: {root: "$images"}, student: {model: $1},
 train: {batch_labelled: 8, batch_unlabelled: 0, shards: 2, steps: 2}}
END
    "$dho" train -c "$work/config.yaml" --out "$run" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
    "$dho" export "$run" --out "$run/student" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
    tr '\n' '\0' <"$work/list" | xargs -0 cat >/dev/null
    [ -z "${WAYS:-}" ] || read -r "way[timm]" "way[onnxruntime]" <<<"$WAYS"
    for engine in timm onnxruntime; do
        [ -z "${way[$engine]:-}" ] || continue
        : >"$work/peers.log"
        read -r "way[$engine]" _ < <(run_peer $engine "$run" tune) && grep '^  ' "$work/peers.log" || { cat "$work/peers.log"; exit 1; }
    done
    for ((i = 0; i < rounds; i++)); do
        run_dho "$run" bf16
        run_dho "$run" fp32
        for engine in timm onnxruntime; do
            run_peer $engine "$run" "${way[$engine]}" --out "$work/$engine.classes" | cut -d' ' -f2 >>"$work/$engine"
        done
    done
    local t o
    t=$(median "$work/timm") && o=$(median "$work/onnxruntime")
    echo "$1: timm (${way[timm]}) $t images/s, onnxruntime (${way[onnxruntime]}) $o"
    for dtype in fp32 bf16; do
        d=$(median "$work/$dtype")
        awk -v n="dho $dtype" -v d="$d" -v t="$t" -v o="$o" 'BEGIN {
            printf "  %s %.1f images/s: x %.2f, x %.2f\n", n, d, d / t, d / o }'
    done
    same fp32 timm
    same fp32 onnxruntime
    same fp32 bf16
}

for model in "${models[@]}"; do compare "${model%:*}" "${model#*:}"; done
