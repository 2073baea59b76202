#!/usr/bin/env bash
# What do two ranks lose by training together? Two ranks of one thread each, beside two runs of one rank, side by
# side, which share nothing: the images a second of the first over those of the two others together, in turns.
# Beside it what these two would give if each step lasted as long as the slower one of its two: nobody who adds up
# gradients in each step can do better on such cores. With Python's torch and torchvision, the same of PyTorch's DistributedDataParallel over gloo.
#   tests/bench/scaling.sh DHO [ROUNDS [SECONDS]]     (default: 4 rounds of runs of about 20 s)
# DHO_SCALING  models and images a rank: "MODEL:IMAGES ..."      DHO_PYTHON  an interpreter with torch
# DHO_DTYPE    fp32 (default) or bf16, of dho and of autocast
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dho=$1 rounds=${2:-4} seconds=${3:-20}
models=${DHO_SCALING:-resnet18:32 mobilenet_v2:32 resnet50:16 clip_vit_b16:8}
dtype=${DHO_DTYPE:-fp32}
. "$here/figures.bash"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 DHO_THREADS_PER_RANK=1

echo "method: ce" >"$work/run.yaml"
"$dho" synth --out "$work/data" --train 100 --val 1 --test 1 >"$work/log" 2>&1

train() { # OUT RANKS MODEL IMAGES-A-RANK STEPS [LAUNCHER ...]
    local out=$1 ranks=$2 model=$3 images=$4 steps=$5
    shift 5
    "$@" "$dho" train "$work/run.yaml" --out "$work/$out" --set method=ce --set data.root="$work/data/train" --set data.labels=all \
        --set data.image_size=224 --set data.loader_threads=1 --set student.model="$model" --set train.shards="$ranks" \
        --set train.batch_labelled=$((ranks * images)) --set train.steps="$steps" --set train.log_every=1 \
        --set compute.dtype="$dtype" --set train.tensorboard=false >"$work/$out.log" 2>&1 ||
        { tail -n 3 "$work/$out.log" >&2; exit 1; }
}

rate_of() { # OUT: images a second, the median of the steps after the second
    images_per_second "$work/$1/metrics.jsonl" 2
}

# Of two runs side by side, if in each step both waited for the slower one.
in_lockstep() {
    paste <(rates_of_steps "$work/a/metrics.jsonl" 2) <(rates_of_steps "$work/b/metrics.jsonl" 2) |
        awk '{ print 2 * ($1 < $2 ? $1 : $2) }' | median
}

ours() { # MODEL IMAGES STEPS: the rates of two alone, of both together, of two in lockstep
    rm -rf "$work"/{a,b,both}
    train a 1 "$1" "$2" "$3" taskset -c 0 &
    train b 1 "$1" "$2" "$3" taskset -c 1
    wait $!
    train both 2 "$1" "$2" "$3" "$here/../../launch/mpirun.sh" 2
    echo "$(rate_of a) $(rate_of b) $(rate_of both) $(in_lockstep)"
}

theirs() { # MODEL IMAGES STEPS
    local model=$1
    local together run=("$DHO_PYTHON" "$here/ddp_step.py" --model "$model" --images "$2" --steps "$3" --dtype "$dtype")
    taskset -c 0 "${run[@]}" >"$work/pa" &
    taskset -c 1 "${run[@]}" >"$work/pb"
    wait $!
    together=$("${run[@]}" --ranks 2)
    echo "$(cut -d' ' -f1 "$work/pa") $(cut -d' ' -f1 "$work/pb") ${together%% *}"
}

summary() { # NAME: lines "ALONE ALONE TOGETHER [IN-LOCKSTEP]"
    awk '{ print $3 / ($1 + $2), $1 + $2, $3, $4 / ($1 + $2) }' | sort -g |
        awk -v name="$1" '{ r[NR] = $1; a[NR] = $2; t[NR] = $3; l[NR] = $4 }
        END { m = int((NR + 1) / 2)
              printf "%-24s %.3f  (%.3f to %.3f, %d rounds; %.1f of %.1f images/s", name, r[m], r[1], r[NR], NR, t[m], a[m]
              print (l[m] > 0 ? sprintf("; in lockstep %.3f)", l[m]) : ")") }'
}

grep -m 1 'model name' /proc/cpuinfo
echo "two ranks together / two runs side by side, $dtype"
for pair in $models; do
    IFS=: read -r model images <<<"$pair"
    rm -rf "$work/a"
    train a 1 "$model" "$images" 4
    steps=$(awk -v rate="$(rate_of a)" -v n="$images" -v s="$seconds" 'BEGIN { k = int(s * rate / n); print k < 6 ? 6 : k }')
    : >"$work/ours"
    : >"$work/theirs"
    for ((round = 0; round < rounds; round++)); do
        ours "$model" "$images" "$steps" >>"$work/ours"
        [ -z "${DHO_PYTHON:-}" ] || theirs "$model" "$images" "$steps" >>"$work/theirs"
    done
    summary "dho $model" <"$work/ours"
    [ -z "${DHO_PYTHON:-}" ] || summary "PyTorch DDP $model" <"$work/theirs"
done
