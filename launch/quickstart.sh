#!/usr/bin/env bash
# From a bare Debian to a distilled student: installs what is missing, builds, makes the built-in
# data, trains a teacher for a few steps (a weak one: that is what two heads are for), caches what it
# says of every image, trains students with 6 % of the labels by three methods on 2 ranks, evaluates
# all test sets, prints one table. A few minutes on 2 cores. Interrupted and run again, it goes on
# where it was; once all is there, it only prints the table.
#   launch/quickstart.sh [RANKS [fp32|bf16]]       (default: 2 fp32)
# What each stage printed is in runs/quickstart/STAGE.log.
set -eu
cd "$(dirname "$0")/.."
ranks=${1:-2}
dtype=${2:-fp32}
if ! [ "$ranks" -gt 0 ] 2>/dev/null || { [ "$dtype" != fp32 ] && [ "$dtype" != bf16 ]; } || [ $# -gt 2 ]; then
    echo "usage: $0 [RANKS [fp32|bf16]]" >&2
    exit 2
fi
launch/build.sh
dho=build/release/dho
config=configs/quickstart.yaml
runs=runs/quickstart
[ "$dtype" = fp32 ] || runs=runs/quickstart-$dtype
methods=(ce single_head dho)
start=$SECONDS

say() { printf '== %s (%d s)\n' "$*" $((SECONDS - start)); }
stage() { # NAME COMMAND ...: its output goes to a log; the last step, warnings and errors are shown
    local log=$runs/$1.log status=0
    shift
    "$@" >"$log" 2>&1 || status=$?
    grep -aE '^(dho|mpirun\.sh): .*warning' "$log" || true
    if [ $status != 0 ]; then
        grep -aE '^(dho|mpirun\.sh): .*error' "$log" >&2 || tail -n 5 "$log" >&2
        echo "quickstart: stopped with exit code $status: see $log; the same command goes on from here" >&2
        exit $status
    fi
    grep -aE '^step [0-9]' "$log" | tail -n 1 || true
}
run() { # COMMAND ARGUMENT ...
    launch/mpirun.sh "$ranks" "$dho" "$@" --set compute.dtype="$dtype" \
        --set teacher.cache=$runs/teacher-cache
}
evaluate() { # NAME ARGUMENT ...: keeps what it prints
    local name=$1
    shift
    run eval -c $config --out "$runs/$name" "$@" >"$runs/$name/eval.txt"
}

# All runs of this configuration were evaluated: only the table is wanted.
mark="$(cksum <$config) $dtype"
if [ "$(cat $runs/complete 2>/dev/null)" != "$mark" ] ||
    ! "$dho" compare $runs/teacher "${methods[@]/#/$runs/}" >/dev/null 2>&1; then
    mkdir -p $runs
    rm -f $runs/complete
    say "data: 20 classes of drawn images"
    stage data "$dho" synth --out data/quickstart
    say "teacher: all labels, but few steps: a weak one"
    teacher=(--set method=ce --set data.labels=all --set train.batch_labelled=64 --set train.steps=40)
    stage teacher run train -c $config --out $runs/teacher "${teacher[@]}"
    say "teacher cache: two views an image, by all ranks"
    [ -f $runs/teacher-cache/cache.json ] || stage cache run cache build -c $config --views 2 \
        --teacher "$(ls -d $runs/teacher/checkpoints/step-* | tail -n 1)"
    for method in "${methods[@]}"; do
        say "student: $method, 6 % of the labels"
        stage "$method" run train -c $config --out "$runs/$method" --set method="$method"
    done
    say "evaluation: five test sets"
    stage teacher-eval evaluate teacher "${teacher[@]}"
    for method in "${methods[@]}"; do
        stage "$method-eval" evaluate "$method" --set method="$method"
    done
    stage report "$dho" report "${methods[@]/#/$runs/}" $runs/teacher --out $runs/report.html
    say "top-1 % with 95 % intervals; curves and more: $runs/report.html"
    echo "$mark" >$runs/complete
fi
"$dho" compare $runs/teacher "${methods[@]/#/$runs/}"
