#!/usr/bin/env bash
# dho cache build --clip against open_clip: CLIP's image tower over JPEGs, decoding included, the same images and
# cores, in turns; prints the medians of images a second and their ratios.
#   cache_build.sh IMAGES [ROUNDS [COUNT]]      IMAGES: a folder of class folders (default: 3 rounds of 128 images)
# Both keep one embedding an image, of its centre crop. The peer takes the way of WAYS that is its fastest on the
# first images (predict_peers.py tune: workers, threads, compiled or not, batch), for each dtype; WAY_FP32 and WAY_BF16
# are known ones. Nobody's start counts: dho's is the time of a build of 2 images, taken off.
# DHO (default build/release/dho), DHO_PYTHON (with open_clip), DHO_CORES (default 0,1), MODEL (default ViT-B-16)
set -euo pipefail
cd "$(dirname "$0")/../.."

images=$(realpath "${1:?usage: cache_build.sh IMAGES [ROUNDS [COUNT]]}")
rounds=${2:-3} count=${3:-128}
dho=$(realpath "${DHO:-build/release/dho}")
python=${DHO_PYTHON:-python3}
cores=${DHO_CORES:-0,1}
model=${MODEL:-ViT-B-16}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

. tests/bench/figures.bash
peer() { taskset -c "$cores" "$python" tests/bench/predict_peers.py open_clip "$@" 2>>"$work/peers.log"; }

# In two classes, whatever they show.
some_of "$images" "$count" >"$work/list"
count=$(wc -l <"$work/list")
number=0
while read -r path; do
    number=$((number + 1))
    mkdir -p "$work/all/$((number % 2))" "$work/two/$((number % 2))"
    ln -s "$path" "$work/all/$((number % 2))/$number.${path##*.}"
    [ $number -gt 2 ] || ln -s "$path" "$work/two/$((number % 2))/$number.${path##*.}"
done <"$work/list"
xargs -d '\n' cat <"$work/list" >/dev/null
peer "$work/$model" "$work/list" export 2 || { cat "$work/peers.log"; exit 1; } # random weights, and a head of 2 classes

build_seconds() { # FOLDER DTYPE
    local start=$EPOCHREALTIME
    rm -rf "$work/cache"
    taskset -c "$cores" "$dho" cache build --clip "$model" --weights "$work/$model/model.safetensors" --head "$work/$model/head.safetensors" \
        --center --shards 1 --out "$work/cache" -c "$work/run.yaml" --set data.root="$work/$1" --set compute.dtype="$2" >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; return 1; }
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'
}
echo "{method: dho, data: {root: $work/all, labels: all}, student: {model: resnet18}}" >"$work/run.yaml"

for dtype in fp32 bf16; do
    rm -f "$work/ours" "$work/theirs"
    known=WAY_${dtype^^} way=
    way=${!known:-}
    [ -n "$way" ] || read -r way _ < <(peer "$work/$model" "$work/list" tune --dtype $dtype)
    for ((i = 0; i < rounds; i++)); do
        a=$(build_seconds two $dtype) && b=$(build_seconds all $dtype)
        awk -v n=$((count - 2)) -v a="$a" -v b="$b" 'BEGIN { print n / (b - a) }' >>"$work/ours"
        peer "$work/$model" "$work/list" "$way" --dtype $dtype | cut -d' ' -f2 >>"$work/theirs"
    done
    awk -v what="$model $dtype" -v way="$way" -v a="$(median "$work/ours")" -v b="$(median "$work/theirs")" 'BEGIN {
        printf "%s: dho %.1f images/s, open_clip (%s) %.1f: x %.2f\n", what, a, way, b, a / b }'
done
