#!/usr/bin/env bash
# The two tables of real images that one machine can make: six methods x 1, 4, 16 labels a class x
# three seeds, measured with intervals; and how far the two losses' gradients conflict, with four
# labels a class (data/TABLE/report.html, figures/conflict.svg). Run again, it goes on where it was,
# or only prints the table.
#   launch/results.sh caltech101 SOURCE [RANKS]    teacher: CLIP ViT-B/32 features
#   launch/results.sh eurosat SOURCE [RANKS]       teacher: trained here with all labels
#
# SOURCE holds, for caltech101: caltech101_val_test.tar, split_zhou_Caltech101.json,
# caltech101_test_clip_vitb32.safetensors and caltech101_fewshot16_clip_vitb32.safetensors; for
# eurosat: eurosat_subset.tar and split_subset_EuroSAT.json.
set -eu
if [ $# -lt 2 ] || [ ! -d "$2" ] || { [ "$1" != caltech101 ] && [ "$1" != eurosat ]; }; then
    sed -n '6,7p' "$0" | cut -c3- >&2
    exit 2
fi
table=$1
source=$(cd "$2" && pwd)
ranks=${3:-2}
cd "$(dirname "$0")/.."
[ -n "${DHO:-}" ] || launch/build.sh
dho=${DHO:-build/release/dho}
data=data/$table
run() { launch/mpirun.sh "$ranks" "$dho" "$@"; }
# A folder appears whole or not at all, so that an interrupted unpacking is not taken for done.
unpack() { # TAR FOLDER
    [ ! -d "$data/$2" ] || return 0
    rm -rf "$data/unpacking"
    mkdir -p "$data/unpacking"
    tar -xf "$source/$1" -C "$data/unpacking"
    mv "$data/unpacking/$2" "$data/$2"
    rmdir "$data/unpacking"
}

mkdir -p "$data"
case $table in
caltech101)
    config=configs/caltech101_real.yaml
    unpack caltech101_val_test.tar 101_ObjectCategories
    cp -u "$source/split_zhou_Caltech101.json" "$data/"
    [ -f "$data/teacher-cache/cache.json" ] || "$dho" cache import -c $config \
        --features "$source/caltech101_test_clip_vitb32.safetensors" \
        --head "$source/caltech101_fewshot16_clip_vitb32.safetensors"
    ;;
eurosat)
    config=configs/eurosat.yaml
    unpack eurosat_subset.tar 2750
    cp -u "$source/split_subset_EuroSAT.json" "$data/"
    if [ ! -f "$data/teacher-cache/cache.json" ]; then
        run train -c configs/eurosat_teacher.yaml
        run eval -c configs/eurosat_teacher.yaml
        run cache build -c $config --views 4 \
            --teacher "$(ls -d "$data"/teacher/checkpoints/step-* | tail -n 1)"
    fi
    ;;
esac
"$dho" table "$table" --missing >"$data/missing.sh"
status=0
RANKS=$ranks DHO=$dho sh "$data/missing.sh" || status=$?
# The conflict of the two losses' gradients over time, one head beside two: a figure and a report.
if [ ! -f "$data/report.html" ] && [ $status = 0 ]; then
    for method in dho single_head; do
        arguments=(-c "$config" --out "runs/$table-conflict/$method" --set method=$method --set data.shots=4)
        run train "${arguments[@]}" --set train.conflict_every=20
        run eval "${arguments[@]}" >"runs/$table-conflict/$method/eval.txt"
    done
    "$dho" report "runs/$table-conflict/"{dho,single_head} --out "$data/report.html" --svg "$data/figures"
fi
"$dho" table "$table" --markdown >"$data/table.md"
"$dho" table "$table"
exit $status
