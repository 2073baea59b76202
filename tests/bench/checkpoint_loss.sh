#!/usr/bin/env bash
# What checkpoints cost the step loop: the same run with train.checkpoint_every: 10 and without, in turns of seconds on one
# core, the other stopped meanwhile (turns.py); the same at the same time on a second core. One thread each: no
# core is free for the thread that writes, so this is the most that it can cost.
#   tests/bench/checkpoint_loss.sh DHO [MODEL [IMAGES [SECONDS [SET ...]]]]   (clip_vit_b16, 8 a step, 300 s each)
# Prints for each core the time of a step with checkpoints over that of one without, over whole periods of 10 steps,
# each with one checkpoint; and for both together. SECONDS must hold 12 steps; each job computes so long.
# DHO_CORES    the cores (default: "0 1", or "0" where there is one)        DHO_TURN  seconds of a turn (default: 5)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dho=$(realpath "$1") model=${2:-clip_vit_b16} images=${3:-8} seconds=${4:-300}
shift $(($# < 4 ? $# : 4))
cores=${DHO_CORES:-$([ "$(nproc)" -gt 1 ] && echo 0 1 || echo 0)}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1
"$dho" synth --out "$work/data" --train 12 --val 1 --test 1 >/dev/null 2>&1
cat >"$work/c.yaml" <<END
method: ce
data: {root: $work/data/train, labels: all, loader_threads: 1}
student: {model: $model}
train: {shards: 1, batch_labelled: $images, batch_unlabelled: 0, steps: 100000, log_every: 1, tensorboard: false}
END

job() { # CORE EVERY: sets $files and $command
    files=$work/$1-$2/metrics.jsonl
    command="taskset -c $1 $dho train -c $work/c.yaml --out $work/$1-$2 --set train.watchdog=0 --set train.checkpoint_every=$2"
    [ -z "$sets" ] || command+=" $sets"
}

sets=${*/#/--set=}
grep -m 1 'model name' /proc/cpuinfo
for core in $cores; do
    jobs=()
    for every in 10 0; do
        job "$core" $every
        jobs+=("$files" "$command")
    done
    python3 "$here/turns.py" --period 10 "$seconds" "${DHO_TURN:-5}" "${jobs[@]}" >"$work/rates.$core" 2>"$work/log.$core" &
done
for job in $(jobs -p); do wait "$job" || { tail -n 3 "$work"/log.* >&2; exit 1; }; done
cat "$work"/rates.* | awk -v model="$model" -v images="$images" '
    { printf "%.2f s a step with, %.2f s without: %.3f\n", 1 / $1, 1 / $2, $2 / $1; a += 1 / $1; b += 1 / $2 }
    END { printf "%s, %d images a step: with / without %.3f\n", model, images, a / b }'
