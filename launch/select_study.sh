#!/usr/bin/env bash
# Does it matter which images are labelled? On EuroSAT: 10 labels, then 100 more chosen by dho select
# in five ways, five seeds, two methods (configs/tables/eurosat_select.yaml). Run again, it goes on
# where it was, or only prints the table.
#   launch/select_study.sh SOURCE WEIGHTS [RANKS]
#
# SOURCE holds eurosat_subset.tar and split_subset_EuroSAT.json; WEIGHTS is a safetensors file of an
# ImageNet MobileNetV2 under torchvision's names. METHODS (default: "dho ce") and WAYS choose a part.
set -eu
if [ $# -lt 2 ] || [ ! -d "$1" ] || [ ! -f "$2" ]; then
    sed -n '5p' "$0" | cut -c3- >&2
    exit 2
fi
source=$(cd "$1" && pwd)
weights=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
ranks=${3:-2}
cd "$(dirname "$0")/.."
[ -n "${DHO:-}" ] || launch/build.sh
dho=${DHO:-build/release/dho}
data=data/eurosat
run() { launch/mpirun.sh "$ranks" "$dho" "$@"; }
missing() { # AXIS=VALUE,...: makes these runs of the table
    "$dho" table eurosat_select --only "$1" --missing >"$data/missing.sh"
    RANKS=$ranks DHO=$dho sh "$data/missing.sh"
}

mkdir -p "$data/lists"
if [ ! -d "$data/2750" ]; then # whole or not at all
    rm -rf "$data/unpacking"
    mkdir "$data/unpacking"
    tar -xf "$source/eurosat_subset.tar" -C "$data/unpacking"
    mv "$data/unpacking/2750" "$data/2750"
    rmdir "$data/unpacking"
fi
cp -u "$source/split_subset_EuroSAT.json" "$data/"
ln -sfn "$weights" "$data/mobilenet_v2_imagenet.safetensors"

# A teacher that knows something, but not all: ResNet-18 with 4 labels a class.
if [ ! -f "$data/weak-teacher-cache/cache.json" ]; then
    teacher=(-c configs/eurosat_teacher.yaml --out "$data/weak-teacher" --set data.labels=shots
        --set data.shots=4 --set data.label_seed=99 --set student.width=32
        --set train.batch_labelled=32 --set train.steps=200)
    run train "${teacher[@]}"
    run eval "${teacher[@]}"
    run cache build -c configs/eurosat.yaml --views 4 --out "$data/weak-teacher-cache" \
        --teacher "$(ls -d "$data"/weak-teacher/checkpoints/step-* | tail -n 1)"
fi
status=0
for method in ${METHODS:-dho ce}; do
    missing "method=$method,way=first" || status=1
    for way in ${WAYS:-random pcoreset coreset entropy margin}; do
        for seed in 1 2 3 4 5; do
            list=$data/lists/$method-$way-$seed.tsv
            [ -f "$list" ] || run select "runs/eurosat_select/$method-first/seed-$seed" --budget 100 \
                --by "$way" --out "$list" >/dev/null
        done
        missing "method=$method,way=$way" || status=1
    done
done
"$dho" table eurosat_select --markdown >"$data/eurosat_select.md"
"$dho" table eurosat_select
exit $status
