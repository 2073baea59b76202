#!/usr/bin/env bash
# Loading from tar shards against loading from a folder of the same images, in turns; prints the
# medians and the median of the ratios of each round: bytes only (one thread, the sampler's order,
# page cache warm), and decoded to 224 px (two threads).
#   compare_shards.sh IMAGES SHARDS [ROUNDS [SECONDS]]    IMAGES: a folder of class folders;
# SHARDS: what `dho pack` made of it. DHO_TESTS (default build/release/tests) has bench_loader.
set -euo pipefail
cd "$(dirname "$0")/../.."
images=${1:?usage: compare_shards.sh IMAGES SHARDS [ROUNDS [SECONDS]]}
shards=${2:?usage: compare_shards.sh IMAGES SHARDS [ROUNDS [SECONDS]]}
rounds=${3:-9}
seconds=${4:-1}
bench=${DHO_TESTS:-build/release/tests}/bench_loader

once() { # FORMAT ROOT WORD MORE ...: images a second of the line that begins with WORD
    local format=$1 root=$2 word=$3
    shift 3
    "$bench" "$format" "$root" 2 "$seconds" "$@" | awk -v word="$word:" '$1 == word { print $2 }'
}
. tests/bench/figures.bash
compare() { # WHAT WORD MORE ...
    local what=$1 word=$2 a b i folder=() tars=() ratio=()
    shift 2
    for ((i = 0; i < rounds; i++)); do
        if ((i % 2 == 0)); then # neither is always the first
            a=$(once folder "$images" "$word" "$@")
            b=$(once shards "$shards" "$word" "$@")
        else
            b=$(once shards "$shards" "$word" "$@")
            a=$(once folder "$images" "$word" "$@")
        fi
        folder+=("$a") tars+=("$b")
        ratio+=("$(awk -v a="$a" -v b="$b" 'BEGIN { print b / a }')")
    done
    echo "$what: folder $(printf '%s\n' "${folder[@]}" | median) images/s, shards" \
        "$(printf '%s\n' "${tars[@]}" | median), ratio $(printf '%s\n' "${ratio[@]}" | median)" \
        "($(printf '%s\n' "${ratio[@]}" | sort -g | sed -n '1p;$p' | paste -sd ' ' | sed 's/ / to /'))"
}
once folder "$images" read read >/dev/null # the files come into the page cache
once shards "$shards" read read >/dev/null
compare "bytes only" read read
compare "decoded" load
