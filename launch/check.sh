#!/usr/bin/env bash
# All the set-up and all the tests, from a bare Debian 12 or 13:
#   launch/check.sh [MODE [ARGUMENT ...]]      (default: full)
#
#   fast      builds with warnings as errors; unit, MPI and layer tests
#   sanitize  the same tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   full      everything: fast, the end-to-end tests (reproducibility on 1, 2 and 4 ranks, kill and
#             resume, wrong inputs, SLURM), a build without oneDNN, sanitize, ThreadSanitizer on what has
#             threads, 20 s of fuzzing of each reader. An end-to-end test runs once: under the sanitizers
#             or, where it is about numbers, time, launchers or other builds, without them
#   bare [fast|full] [RELEASE ...]
#             README's two commands on fresh machines: launch/bare.sh
#   arm64     cross build for aarch64; all unit tests under QEMU's emulation
# After each run of CTest: how many tests could not run here, and each reason with its count. A test of
# which only a part could not run counts as passed; its reasons are listed, too.
set -eu
cd "$(dirname "$0")/.."
mode=${1:-full}
case $mode in
fast | full | sanitize | arm64) ;;
bare)
    shift
    exec launch/bare.sh "$@"
    ;;
*)
    echo "usage: $0 [fast|full|sanitize|bare|arm64]" >&2
    exit 2
    ;;
esac
if [ "$mode" = arm64 ]; then
    launch/dependencies.sh arm64
    launch/sysroot.sh arm64 build/aarch64-sysroot
else
    launch/dependencies.sh test
fi
jobs=$(nproc)
start=$SECONDS
say() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - start)); }

build() { # PRESET [--target TARGET ...]
    local preset=$1
    shift
    say "build: $preset $*"
    cmake --preset "$preset" >/dev/null
    cmake --build --preset "$preset" -j "$jobs" "$@"
}

test_preset() { # PRESET CTEST_ARGUMENT ...
    local preset=$1
    shift
    say "tests: $preset $*"
    ctest --preset "$preset" -j "$jobs" --output-junit tests.xml "$@"
    local count
    count=$(grep -c '<skipped' "build/$preset/tests.xml" || true)
    skips+="${skips:+, }$preset $count"
    say "tests of $preset that could not run here: $count; all that was skipped, and how often:"
    grep '^skipped' "build/$preset/Testing/Temporary/LastTest.log" | sort | uniq -c || echo nothing
}
skips=
# The end-to-end tests that the sanitizers would only make slow, or that need a build without them.
plain='^e2e\.(any_ranks|bits|chaos|tutorials|epochs|extending|faults|help|install|launch|options|plans|reproducible|resources|signals|slurm|sweep|watchdog)$'

fuzz() { # FUZZER: for a while, from its seeds
    local name seeds=()
    name=$(basename "$1")
    mkdir -p "build/fuzz/corpus/$name"
    for folder in "tests/fuzz/seeds/${name#fuzz_}"; do [ -d "$folder" ] && seeds+=("$folder"); done
    [ "$name" != fuzz_image ] || seeds+=(tests/golden/image)
    "$1" "build/fuzz/corpus/$name" "${seeds[@]}" -max_total_time="${DHO_FUZZ_SECONDS:-20}" -timeout=60 \
        -rss_limit_mb=4096 -verbosity=0 -print_final_stats=1 2>&1 |
        grep -E 'executed_units|ERROR|SUMMARY|crash' | sed "s/^/$name: /"
    [ "${PIPESTATUS[0]}" = 0 ]
}
export -f fuzz

if [ "$mode" = arm64 ]; then
    build arm64 --target unit
    test_preset arm64 -R '^unit'
    say "done: $mode; tests skipped: $skips"
    exit
fi
if [ "$mode" != sanitize ]; then
    build dev
    test_preset dev -E '^(e2e|oracle)'
    if [ "$mode" = full ]; then
        test_preset dev -R "$plain|^oracle"
        build blis --target unit_compute unit_nn unit_models unit_checkpoint unit_train
        test_preset blis -L '^(compute|nn|models|checkpoint|train)$'
    fi
fi
if [ "$mode" != fast ]; then
    build asan-ubsan
    test_preset asan-ubsan -E "$plain|^oracle|^lint"
fi
if [ "$mode" = full ]; then
    # The ring of decoding threads, packing, caches, signals, the ranks' sums, loops of OpenMP.
    threaded=(test_loader test_shards test_cache test_stop_signal test_comm test_bucket_sum test_microbatch test_accuracy
        test_plateau test_teacher_head test_tip_adapter test_kernels_elementwise)
    build tsan --target "${threaded[@]}"
    test_preset tsan -R "^(unit|mpi)\\.($(IFS='|' && echo "${threaded[*]}"))(\\.[1-4])?\$"

    build fuzz --target fuzzers
    say "fuzzers: ${DHO_FUZZ_SECONDS:-20} s each"
    export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    find build/fuzz/tests -maxdepth 1 -type f -name 'fuzz_*' -executable | sort |
        xargs -P "$jobs" -I FUZZER bash -c 'fuzz FUZZER'
fi
say "done: $mode; tests skipped: $skips"
