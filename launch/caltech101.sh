#!/usr/bin/env bash
# Real images, real teacher: Caltech-101 JPEGs with CLIP ViT-B/32 features.
#   launch/caltech101.sh SOURCE [RANKS]
#
# SOURCE holds caltech101_val_test.tar, split_zhou_Caltech101.json,
# caltech101_test_clip_vitb32.safetensors and caltech101_fewshot16_clip_vitb32.safetensors.
# The features exist for the test and val images only, so the roles are swapped: students are
# trained on the 2,465 test images (k labelled a class, all with the teacher's features) and
# evaluated on the 1,649 val images. Prints the table of methods x shots; running it again goes on.
set -eu
if [ $# -lt 1 ]; then
    sed -n '2,4p' "$0" | cut -c3- >&2
    exit 2
fi
source=$(cd "$1" && pwd)
ranks=${2:-2}
cd "$(dirname "$0")/.."
dho=build/release/dho
config=configs/caltech101_real.yaml
data=data/caltech101
runs=runs/caltech101
if [ ! -x $dho ]; then
    launch/dependencies.sh
    cmake --preset release >/dev/null
    cmake --build --preset release
fi
run() { launch/mpirun.sh "$ranks" "$dho" "$@"; }

mkdir -p $data $runs
[ -d $data/101_ObjectCategories ] || tar -xf "$source/caltech101_val_test.tar" -C $data
cp -u "$source/split_zhou_Caltech101.json" $data/
[ -f $data/teacher-cache/cache.json ] || "$dho" cache import -c $config \
    --features "$source/caltech101_test_clip_vitb32.safetensors" \
    --head "$source/caltech101_fewshot16_clip_vitb32.safetensors"
list=()
for shots in 1 16; do
    for method in ce single_head dho; do
        name=$runs/$method-${shots}shot
        run train -c $config --out "$name" --set method=$method --set data.shots=$shots
        run eval -c $config --out "$name" --set method=$method >"$name/eval.txt"
        list+=("$name")
    done
done
"$dho" compare "${list[@]}"
