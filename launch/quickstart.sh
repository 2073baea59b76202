#!/usr/bin/env bash
# From a bare Debian 12 to a distilled student: installs what is missing, builds, makes the
# built-in data, trains a teacher with all labels, caches what it says of every image, trains
# students with 1 % of the labels by three methods on 2 ranks, evaluates all test sets, prints one
# table. A few minutes on 2 cores. Run again, it goes on where it was, or only prints the table.
#   launch/quickstart.sh [RANKS [fp32|bf16]]       (default: 2 fp32)
set -eu
cd "$(dirname "$0")/.."
ranks=${1:-2}
dtype=${2:-fp32}
launch/dependencies.sh
cmake --preset release >/dev/null
cmake --build --preset release
dho=build/release/dho
config=configs/quickstart.yaml
runs=runs/quickstart
[ "$dtype" = fp32 ] || runs=runs/quickstart-$dtype
start=$SECONDS

say() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - start)); }
run() { # COMMAND ARGUMENT ...
    launch/mpirun.sh "$ranks" "$dho" "$@" --set compute.dtype="$dtype" \
        --set teacher.cache=$runs/teacher-cache
}

say "data"
"$dho" synth --out data/quickstart
say "teacher: all labels"
teacher=(--out $runs/teacher --set method=ce --set data.labels=all --set train.batch_labelled=64)
run train -c $config "${teacher[@]}"
say "teacher cache: two views an image, by all ranks"
[ -f $runs/teacher-cache/cache.json ] || run cache build -c $config --views 2 \
    --teacher "$(ls -d $runs/teacher/checkpoints/step-* | tail -n 1)"
for method in ce single_head dho; do
    say "student: $method, 1 % of the labels"
    run train -c $config --out $runs/$method --set method=$method
done
run eval -c $config "${teacher[@]}" >$runs/teacher/eval.txt
for method in ce single_head dho; do
    run eval -c $config --out $runs/$method --set method=$method >$runs/$method/eval.txt
done
say "top-1 % with 95 % intervals"
"$dho" compare $runs/teacher $runs/ce $runs/single_head $runs/dho
"$dho" report $runs/dho $runs/single_head $runs/ce $runs/teacher --out $runs/report.html
