#!/usr/bin/env bash
# What do two ranks lose by training together? Two ranks of one thread each, beside two runs of one rank, side by
# side, which share nothing: the images a second of the first over those of the two others together. All compute in turns of
# some seconds, the others stopped meanwhile (turns.py): what disturbs the machine disturbs all of them.
# "at most": what two ranks could reach if they lost nothing but the wait for the slower one in each step, from the steps of the two
# runs side by side, which the machine disturbs as much.
# With Python's torch and torchvision, the same of PyTorch's DistributedDataParallel over gloo, in the same turns.
#   tests/bench/scaling.sh DHO [ROUNDS [SECONDS]]     (default: 4 rounds, in which each job computes 40 s)
# DHO_SCALING  models and images a rank: "MODEL:IMAGES ..."      DHO_PYTHON  a Python with torch; without one, dho alone
# DHO_TURN     seconds of a turn (default: 5)
# DHO_DTYPE    fp32 (default) or bf16, of dho and of autocast
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dho=$(realpath "$1") rounds=${2:-4} seconds=${3:-40}
models=${DHO_SCALING:-resnet18:32 mobilenet_v2:32 resnet50:16 clip_vit_b16:8}
dtype=${DHO_DTYPE:-fp32}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 DHO_THREADS_PER_RANK=1

echo "method: ce" >"$work/run.yaml"
"$dho" synth --out "$work/data" --train 100 --val 1 --test 1 >"$work/log" 2>&1

dho_run() { # OUT RANKS MODEL IMAGES-A-RANK: a command's arguments
    echo "$dho train $work/run.yaml --out $work/$1 --set data.root=$work/data/train --set data.labels=all" \
        "--set data.image_size=224 --set data.loader_threads=1 --set student.model=$3 --set train.shards=$2" \
        "--set train.batch_labelled=$(($2 * $4)) --set train.steps=100000 --set train.log_every=1" \
        "--set compute.dtype=$dtype --set train.tensorboard=false --set train.checkpoint_every=0 --set train.watchdog=0"
}
peer_run() { # OUT RANKS MODEL IMAGES-A-RANK
    echo "$DHO_PYTHON $here/ddp_step.py --model $3 --images $4 --steps 100000 --dtype $dtype --ranks $2 --log $work/$1"
}

round_of() { # MODEL IMAGES: steps a second of two alone (added up; in lockstep) and of both together; behind them PyTorch's
    local jobs
    rm -rf "$work"/{a,b,both,pa,pb,peer}
    jobs=("$work/a/metrics.jsonl,$work/b/metrics.jsonl"
        "taskset -c 0 $(dho_run a 1 "$1" "$2") & taskset -c 1 $(dho_run b 1 "$1" "$2"); wait"
        "$work/both/metrics.jsonl" "$here/../../launch/mpirun.sh 2 $(dho_run both 2 "$1" "$2")")
    [ -z "${DHO_PYTHON:-}" ] || jobs+=("$work/pa,$work/pb"
        "taskset -c 0 $(peer_run pa 1 "$1" "$2") & taskset -c 1 $(peer_run pb 1 "$1" "$2"); wait"
        "$work/peer" "$(peer_run peer 2 "$1" "$2")")
    "${DHO_PYTHON:-python3}" "$here/turns.py" --lockstep "$seconds" "${DHO_TURN:-5}" "${jobs[@]}" 2>"$work/log" ||
        { tail -n 3 "$work/log" >&2; exit 1; }
}

summary() { # NAME IMAGES FIRST: of the lines in $work/rounds, from this column on
    awk -v n="$2" -v c="$3" '{ print 2 * $(c + 2) / $c, n * $c, 2 * n * $(c + 2), $(c + 1) / $c }' "$work/rounds" | sort -g |
        awk -v name="$1" '{ r[NR] = $1; a[NR] = $2; t[NR] = $3; l[NR] = $4 }
        END { m = int((NR + 1) / 2)
              printf "%-24s %.3f  (%.3f to %.3f, %d rounds; %.1f of %.1f images/s; at most %.3f)\n", name, r[m], r[1], r[NR], NR, t[m],
                     a[m], l[m] }'
}

grep -m 1 'model name' /proc/cpuinfo
echo "two ranks together / two runs side by side, $dtype"
for pair in $models; do
    IFS=: read -r model images <<<"$pair"
    : >"$work/rounds"
    for ((round = 0; round < rounds; round++)); do
        round_of "$model" "$images" >>"$work/rounds"
    done
    summary "dho $model" "$images" 1
    [ -z "${DHO_PYTHON:-}" ] || summary "PyTorch DDP $model" "$images" 5
done
