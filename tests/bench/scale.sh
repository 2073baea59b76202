#!/usr/bin/env bash
# The tables of docs/scale.md: dho plan of the paper's runs on ImageNet, 1 to 512 nodes, from the speeds
# of this machine. Writes them into the page, between its two marks.
#   scale.sh [DTYPE]     default fp32; minutes on a machine that does nothing else
# DHO (default build/release/dho) is the program; RATES (default a temporary folder): where speeds are kept,
# and taken from where they are there already.
set -euo pipefail
cd "$(dirname "$0")/../.."
dtype=${1:-fp32}
dho=${DHO:-build/release/dho}
page=docs/scale.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rates=${RATES:-$work}
node=(--cores 64 --latency 2 --bandwidth 12.5)
images=(--images 1281167 --labelled 13000 --classes 1000 --dim 1024)
ten=(--images 1281167 --labelled 128286 --classes 1000 --dim 1024)
# 256 microbatches of 1 labelled and 1 unlabelled image: as many ranks as the batch allows
set_all=(--set train.shards=256 --set compute.dtype="$dtype" --set out="$work/run")

plan() { # CONFIG ARGUMENT ...
    local config=$1
    shift
    "$dho" plan -c "configs/imagenet/$config.yaml" "${set_all[@]}" "${node[@]}" "$@"
}
measure() { # CONFIG [SETTING ...]
    local config=$1
    shift
    [ -s "$rates/$config" ] ||
        "$dho" bench rates -c "configs/imagenet/$config.yaml" "${set_all[@]}" "$@" "${images[@]}" --seconds 5 --json \
            >"$rates/$config"
}
section() { # TITLE CONFIG TEN_CONFIG
    measure "$2"
    echo "### $1"
    echo
    echo '```text'
    plan "$2" "${images[@]}" --views 1 --rates "$rates/$2"
    echo '```'
    echo
    by_hand "$2"
    echo
    echo "With 10 % of the labels the steps are the same, and there are fewer of them where labelled images are not"
    echo "drawn as unlabelled ones:"
    echo
    echo '```text'
    plan "$3" "${ten[@]}" --views 1 --rates "$rates/$2" --nodes 1,16,256 |
        grep -E '^length|^ +nodes +ranks|^ +[0-9]+ +[0-9]+ |hours$'
    echo '```'
    echo
}
field() { # FILE KEY [PLACE]: of those with that name
    sed -n "s/^ *\"$2\": \([-0-9.e+]*\),\{0,1\}$/\1/p" "$1" | sed -n "${3:-1}p"
}
by_hand() { # CONFIG: the row of 8 nodes
    local file=$rates/$1
    [ "$(field "$file" cores)" = 2 ] || return 0 # another number of cores needs other words
    plan "$1" "${images[@]}" --rates "$file" --nodes 8 --json >"$work/row"
    awk -v m1="$(field "$file" microbatch_seconds 2)" -v m2="$(field "$file" microbatch_seconds 3)" \
        -v w1="$(field "$file" memory_bytes_per_second 2)" -v w2="$(field "$file" memory_bytes_per_second 3)" -v b="$(field "$work/row" sum_bytes)" \
        -v d="$(field "$file" decode_seconds)" -v e="$(field "$work/row" exposed_seconds)" \
        -v u="$(field "$work/row" update_seconds)" -v t="$(field "$work/row" step_seconds)" 'BEGIN {
        w = 2 * w1 > w2 ? 2 * w1 : w2
        add = 31 * 3 * b / (32 * w); n = int(b / 2 ^ 24) + 1; sum = 2 * 7 / 8 * b / 12.5e9 + n * 6 * 2e-6
        printf "8 nodes by hand: n = 256 / 8 = 32 microbatches a rank, all at one time on k = 64 / 32 = 2 threads each.\n"
        printf "Not faster with threads: s = 2 x %.4g - %.4g = %.3g s; a microbatch %.3g + (%.4g - %.3g) / 2 = %.4g s.\n", m2, m1, 2 * m2 - m1, 2 * m2 - m1, m1, 2 * m2 - m1, m2
        printf "Adding 31 x 3 x %.4g GB at 32 x %.3g GB/s = %.3g s. Decoding 64 images of %.3g ms on 64 busy cores: %.3g s.\n", 1e-9 * b, 1e-9 * w, add, 1e3 * d, d
        printf "The sum: 2 x 7/8 x %.4g GB / 12.5 GB/s and %d x 6 latencies of 2 us = %.3g s; backward hides all but one\n", 1e-9 * b, n, sum
        printf "bucket of 16 MiB, a share of %.3g: %.3g s. The update %.3g s. A step: %.4g s.\n", 2 ^ 24 / b, e, u, m2 + add + d + e + u
        e2 = sum * 2 ^ 24 / b
        exit !(e2 / e < 1.001 && e2 / e > 0.999 && (m2 + add + d + e + u) / t < 1.001 && (m2 + add + d + e + u) / t > 0.999) }'
}
more_images() { # CONFIG: twice the batch
    echo '```text'
    plan "$1" "${images[@]}" --views 1 --rates "$rates/$1" --nodes 1,64,256,512 --set train.shards=512 \
        --set train.batch_labelled=512 --set train.batch_unlabelled=512 |
        grep -E '^(length|step|pays)|^ +nodes +ranks|^ +[0-9]+ +[0-9]+ |hours$'
    echo '```'
}
{
    sed '/^<!-- tables/q' "$page"
    echo
    echo "Made by \`tests/bench/scale.sh $dtype\` on $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)," \
        "$(nproc) cores."
    echo
    section "ViT-B/16, 1 % of the labels" vit_b16_1percent vit_b16_10percent
    section "ViT-L/14 at 336 px, 1 % of the labels" vit_l14_336_1percent vit_l14_336_10percent
    echo "### 512 nodes: twice the batch"
    echo
    echo "512 + 512 images a step are another training than the paper's: half as many steps. ViT-L/14 at 336 px:"
    echo
    more_images vit_l14_336_1percent
    echo
    sed -n '/^<!-- end/,$p' "$page"
} >"$work/page"
cp "$work/page" "$page"
