#!/usr/bin/env bash
# The tables of real images that one machine can make, measured with intervals. Run again, it goes on where it was,
# or only prints the table.
#   launch/results.sh caltech101 SOURCE [RANKS]    teacher: CLIP ViT-B/32 features
#   launch/results.sh eurosat SOURCE [RANKS]       teacher: trained here with all labels
#   launch/results.sh eurosat_map SOURCE [RANKS]   a pretrained student, teachers of five strengths
#   launch/results.sh caltech101_pretrained SOURCE [RANKS]   a pretrained student, CLIP with three heads
# With JOBS=2 in the environment two runs of one rank are made side by side, which is faster than one of two ranks.
# Behind RANKS: --only AXIS=VALUE,... makes a part of the table; --set key=value ... goes to every command, so that
# other runs are made and asked for. --pack writes what the runs have shown into docs/results/TABLE.tar.xz: their
# configurations, metrics and evaluations, and the caches of the teachers that were trained here.
# Where the repository has such a file, a first call unpacks it and runs only what it lacks; with --fresh it does not.
#
# caltech101 and eurosat: six methods x 1, 4, 16 labels a class x three seeds; and how far the two losses' gradients
# conflict, with four labels a class (data/TABLE/report.html, figures/conflict.svg). eurosat_map: four methods x 1, 4,
# 16, 64 labels a class x five seeds, 245 runs; its map is data/eurosat/map.svg. caltech101_pretrained: six methods x 1, 2,
# 4, 8, 16 labels a class x five seeds, 290 runs; its map is data/caltech101/map.svg.
# SOURCE holds, for caltech101 and caltech101_pretrained: caltech101_val_test.tar, split_zhou_Caltech101.json,
# caltech101_test_clip_vitb32.safetensors and caltech101_fewshot16_clip_vitb32.safetensors; for
# eurosat and eurosat_map: eurosat_subset.tar and split_subset_EuroSAT.json; for eurosat_map and
# caltech101_pretrained also mobilenet_v2_imagenet.safetensors (torchvision's names; trained with a mean and a
# deviation of 0.5).
set -eu
usage() {
    sed -n '4,12p' "$0" | cut -c3- >&2
    exit 2
}
[ $# -ge 2 ] && [ -d "$2" ] && [[ $1 =~ ^(caltech101|caltech101_pretrained|eurosat|eurosat_map)$ ]] || usage
table=$1
source=$(cd "$2" && pwd)
shift 2
ranks=2 only=() settings=() pack= fresh=
if [[ ${1:-} =~ ^[0-9]+$ ]]; then ranks=$1 && shift; fi
while [ $# -gt 0 ]; do
    case $1 in
    --pack | --fresh) declare "${1#--}=1" && shift && continue ;;
    --set) settings+=("$1" "${2:?}") ;;
    --only) only+=("$1" "${2:?}") ;;
    *) usage ;;
    esac
    shift 2
done
cd "$(dirname "$0")/.."
[ -n "${DHO:-}" ] || launch/build.sh
dho=${DHO:-build/release/dho}
data=data/${table%_*}
run() { ${LAUNCH:-launch/mpirun.sh $ranks} "$dho" "$@" "${settings[@]}"; }
# A folder appears whole or not at all, so that an interrupted unpacking is not taken for done.
unpack() { # TAR FOLDER
    [ ! -d "$data/$2" ] || return 0
    rm -rf "$data/unpacking"
    mkdir -p "$data/unpacking"
    tar -xf "$source/$1" -C "$data/unpacking"
    mv "$data/unpacking/$2" "$data/$2"
    rmdir "$data/unpacking"
}

prepare_eurosat() {
    unpack eurosat_subset.tar 2750
    cp -u "$source/split_subset_EuroSAT.json" "$data/"
}
prepare_caltech101() {
    unpack caltech101_val_test.tar 101_ObjectCategories
    cp -u "$source/split_zhou_Caltech101.json" "$data/"
    [ -f "$data/teacher-cache/cache.json" ] || "$dho" cache import -c configs/caltech101_real.yaml \
        --features "$source/caltech101_test_clip_vitb32.safetensors" \
        --head "$source/caltech101_fewshot16_clip_vitb32.safetensors" "${settings[@]}"
}
prepare_student() {
    mkdir -p data/weights
    cp -u "$source/mobilenet_v2_imagenet.safetensors" data/weights/
}
# A teacher of eurosat_map and its cache of two views an image.
weak_teacher() { # NAME STEPS KEY=VALUE ...
    local folder=$data/teachers/$1 own=(-c $config --set compute.dtype=fp32)
    local arguments=("${own[@]}" --set method=ce --set train.steps="$2" --set train.batch_unlabelled=0)
    [ ! -f "$folder/cache/cache.json" ] || return 0
    shift 2
    arguments+=(--out "$folder" "${@/#/--set=}")
    run train "${arguments[@]}"
    run eval "${arguments[@]}"
    run cache build "${own[@]}" --views 2 --store logits --shards 2 --out "$folder/cache" \
        --teacher "$(ls -d "$folder"/checkpoints/step-* | tail -n 1)"
}

mkdir -p "$data"
archive=docs/results/$table.tar.xz
if [ -z "$fresh" ] && [ -f "$archive" ] && [ ! -e "runs/$table" ] && [ ! -e "$data/teachers" ]; then
    rm -rf "$data/unpacking"
    mkdir -p "$data/unpacking" runs
    tar -xf "$archive" -C "$data/unpacking"
    [ ! -d "$data/unpacking/$data/teachers" ] || mv "$data/unpacking/$data/teachers" "$data/"
    mv "$data/unpacking/runs/$table" runs/
    rm -r "$data/unpacking"
fi
case $table in
caltech101)
    config=configs/caltech101_real.yaml
    prepare_caltech101
    ;;
caltech101_pretrained)
    prepare_caltech101
    prepare_student
    cp -u "$source/caltech101_fewshot16_clip_vitb32.safetensors" "$data/train_features.safetensors"
    ;;
eurosat)
    config=configs/eurosat.yaml
    prepare_eurosat
    if [ ! -f "$data/teacher-cache/cache.json" ]; then
        run train -c configs/eurosat_teacher.yaml
        run eval -c configs/eurosat_teacher.yaml
        run cache build -c $config --views 4 \
            --teacher "$(ls -d "$data"/teacher/checkpoints/step-* | tail -n 1)"
    fi
    ;;
eurosat_map)
    config=configs/eurosat_pretrained.yaml
    prepare_eurosat
    prepare_student
    scratch=(student.model=resnet18 student.width=32 'student.init=""' data.image_size=64 eval.resize=64 train.lr=1e-3)
    weak_teacher shots3 60 "${scratch[@]}" data.split=val data.shots=3
    weak_teacher shots8 60 "${scratch[@]}" data.split=val data.shots=8
    weak_teacher val600 300 "${scratch[@]}" data.split=val data.labels=all data.shots=0
    weak_teacher pretrained 150 data.split=val data.labels=all data.shots=0
    weak_teacher train3000 600 data.labels=all data.shots=0
    ;;
esac
asked=("$table" "${only[@]}" "${settings[@]}")
"$dho" table "${asked[@]}" --missing >"$data/missing.sh"
status=0
RANKS=$ranks DHO=$dho sh "$data/missing.sh" || status=$?
if [[ $table =~ _ ]]; then
    "$dho" table "${asked[@]}" --svg >"$data/map.svg"
# The conflict of the two losses' gradients over time, one head beside two: a figure and a report.
elif [ ! -f "$data/report.html" ] && [ $status = 0 ]; then
    for method in dho single_head; do
        arguments=(-c "$config" --out "runs/$table-conflict/$method" --set method=$method --set data.shots=4)
        run train "${arguments[@]}" --set train.conflict_every=20
        run eval "${arguments[@]}" >"runs/$table-conflict/$method/eval.txt"
    done
    "$dho" report "runs/$table-conflict/"{dho,single_head} --out "$data/report.html" --svg "$data/figures"
fi
"$dho" table "${asked[@]}" --markdown >"$data/$table.md"
if [ -n "$pack" ]; then
    mkdir -p docs/results
    {
        find "runs/$table" "$data/teachers" -name eval.json 2>/dev/null | while read -r file; do
            printf '%s\n' "${file%eval.json}"{config.yaml,metrics.jsonl,eval.json,eval/config.yaml}
        done
        find "$data/teachers" -path '*/cache/*' ! -name .lock 2>/dev/null
    } | sort | tar --owner=0 --group=0 --mtime=@0 -cJf "$archive" --files-from=-
fi
"$dho" table "${asked[@]}"
exit $status
