#!/usr/bin/env bash
# dho predict against timm and onnxruntime: the same student, images and cores, decoding included, in
# turns; prints the medians, their ratios, and how many images get the same class.
#   predict.sh IMAGES [ROUNDS]      IMAGES: a folder of class folders
# DHO (default build/release/dho) is the program, DHO_PYTHON a Python with timm, onnx and onnxruntime,
# DHO_CORES the cores (default 0,1). Each peer is given the numbers of worker processes and threads
# that PEERS lists as WORKERS:THREADS, and its best one counts.
set -euo pipefail
cd "$(dirname "$0")/../.."

images=$(realpath "${1:?usage: predict.sh IMAGES [ROUNDS]}")
rounds=${2:-3}
dho=$(realpath "${DHO:-build/release/dho}")
python=${DHO_PYTHON:-python3}
cores=${DHO_CORES:-0,1}
read -ra peers <<<"${PEERS:-1:2 2:2 2:1}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

median() { sort -g | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2 }'; }
best() { sort -g | tail -n 1; }

compare() { # DHO_MODEL TIMM_MODEL NAMES
    local run=$work/$1 weights=$work/$1.safetensors i peer engine
    "$dho" train --set method=ce --set data.root="$images" --set student.model="$1" --set train.batch_labelled=8 \
        --set train.batch_unlabelled=0 --set train.shards=2 --set train.steps=2 --out "$run" >"$work/log" 2>&1 ||
        { cat "$work/log"; exit 1; }
    "$dho" export "$run" --out "$weights" "${@:3}" >"$work/log" 2>&1
    local classes
    classes=$(find "$images" -mindepth 1 -maxdepth 1 -type d | wc -l)
    : >"$work/dho" && : >"$work/timm" && : >"$work/onnxruntime"
    for ((i = 0; i < rounds; i++)); do
        taskset -c "$cores" "$dho" predict "$run" "$images" --top 1 2>"$work/log" >"$work/lines"
        sed -n 's|.* s: \([0-9]*\) images/s|\1|p' "$work/log" >>"$work/dho"
        for engine in timm onnxruntime; do
            for peer in "${peers[@]}"; do
                taskset -c "$cores" "$python" tests/bench/predict_peers.py $engine "$images" "$2" "$weights" \
                    --classes "$classes" --workers "${peer%:*}" --threads "${peer#*:}" --out "$work/$engine.classes" \
                    2>"$work/log" | sed -n 's|^images/s ||p'
            done | best >>"$work/$engine"
        done
    done
    sed 's/.*"path":"\([^"]*\)".*"index":\([0-9]*\).*/\1 \2/' "$work/lines" | LC_ALL=C sort | sed 's/.* //' >"$work/dho.classes"
    local d t o
    d=$(median <"$work/dho") && t=$(median <"$work/timm") && o=$(median <"$work/onnxruntime")
    awk -v m="$1" -v d="$d" -v t="$t" -v o="$o" 'BEGIN {
        printf "%-14s images/s: dho %.1f, timm %.1f (x %.2f), onnxruntime %.1f (x %.2f)\n", m, d, t, d / t, o, d / o }'
    for engine in timm onnxruntime; do
        paste "$work/dho.classes" "$work/$engine.classes" | awk -v e=$engine '{ same += $1 == $2 } END {
            printf "%14s the same class as %s: %d of %d\n", "", e, same, NR }'
    done
}

find "$images" -type f -exec cat {} + >/dev/null
compare resnet18 resnet18
compare mobilenet_v2 mobilenetv2_100 --names timm
