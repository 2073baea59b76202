#!/usr/bin/env bash
# From JPEGs to the update: two heads, a teacher cache, decoding included, on 2 ranks of one thread, beside the
# same in PyTorch with DistributedDataParallel over gloo (ddp_method.py), in turns. Prints the medians of images a
# second of both, and their ratio.
#   method_step.sh [IMAGES [ROUNDS]]     IMAGES: a folder of class folders of JPEGs (default: drawn ones), 3 rounds
# The peer takes the fastest of its ways first: 0 or 1 worker a loader, Pillow or tensors (WAY="WORKERS:DECODE" is a known one).
# DHO (default build/release/dho), DHO_PYTHON (with torch, torchvision, open_clip), DTYPES ("fp32 bf16"),
# MODELS  students and images of each kind a rank: "MODEL:IMAGES ..."
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${2:-3}
dho=$(realpath "${DHO:-build/release/dho}")
python=${DHO_PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
images=${1:-}
if [ -n "$images" ]; then images=$(realpath "$images"); else
    images=$work/data/train
    "$dho" synth --out "$work/data" --train 60 --val 1 --test 1 >/dev/null 2>&1
fi
read -ra models <<<"${MODELS:-resnet18:16 mobilenet_v2:16 resnet50:8 clip_vit_b16:4}"
steps=12
export OMP_NUM_THREADS=1 DHO_THREADS_PER_RANK=1

. tests/bench/figures.bash
said() { "$@" >"$work/log" 2>&1 || { tail -n 3 "$work/log" >&2; exit 1; }; }

# Any teacher does: what is measured is reading its outputs.
cat >"$work/run.yaml" <<END
{method: dho, data: {root: "$images", labels: all}, teacher: {cache: $work/cache},
 train: {shards: 2, steps: $steps, log_every: 1, tensorboard: false, checkpoint_every: 0}, eval: {sets: []}}
END
said "$dho" train -c "$work/run.yaml" --out "$work/teacher" --set method=ce --set data.image_size=32 --set student.width=8 \
    --set train.steps=1 --set train.batch_labelled=8 --set train.batch_unlabelled=0
said "$dho" cache build -c "$work/run.yaml" --teacher "$work/teacher" --shards 2 --set data.image_size=32

ours() { # MODEL IMAGES DTYPE
    rm -rf "$work/run"
    said launch/mpirun.sh 2 "$dho" train -c "$work/run.yaml" --out "$work/run" --set student.model="$1" --set compute.dtype="$3" \
        --set train.batch_labelled=$((2 * $2)) --set train.batch_unlabelled=$((2 * $2)) --set data.loader_threads=1
    images_per_second "$work/run/metrics.jsonl" 3
}
theirs() { # MODEL IMAGES DTYPE WAY
    "$python" tests/bench/ddp_method.py "$images" --model "$1" --images "$2" --dtype "$3" --steps $steps --workers "${4%:*}" --decode "${4#*:}" 2>"$work/peer.log" ||
        { tail -n 3 "$work/peer.log" >&2; return 1; }
}

way=${WAY:-}
if [ -z "$way" ]; then
    for one in 0:pillow 1:pillow 0:tensor 1:tensor; do
        echo "$(theirs "${models[0]%:*}" "${models[0]#*:}" fp32 $one) $one"
    done >"$work/ways"
    way=$(sort -g "$work/ways" | tail -n 1 | cut -d' ' -f2)
fi
echo "PyTorch: ${way%:*} workers a loader, ${way#*:}"
for dtype in ${DTYPES:-fp32 bf16}; do
    for pair in "${models[@]}"; do
        rm -f "$work/ours" "$work/theirs"
        for ((i = 0; i < rounds; i++)); do
            ours "${pair%:*}" "${pair#*:}" "$dtype" >>"$work/ours"
            theirs "${pair%:*}" "${pair#*:}" "$dtype" "$way" >>"$work/theirs"
        done
        a=$(median "$work/ours") b=$(median "$work/theirs")
        awk -v what="${pair%:*} $dtype" -v a="$a" -v b="$b" 'BEGIN {
            printf "%-20s dho %.1f images/s, PyTorch DDP %.1f: x %.2f\n", what, a, b, a / b }'
        awk -v a="$a" -v b="$b" 'BEGIN { print log(a / b) }' >>"$work/logs-$dtype"
    done
    awk -v d="$dtype" '{ s += $1 } END { printf "geometric mean %s: x %.2f\n", d, exp(s / NR) }' "$work/logs-$dtype"
done
