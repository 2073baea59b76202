#!/usr/bin/env bash
# Builds the program build/release/dho, with what apt must install first; says nothing when it is up
# to date. Every launcher that runs it calls this.
#   launch/build.sh
# What the build printed is in build/release/build.log.
set -eu
cd "$(dirname "$0")/.."
launch/dependencies.sh
folder=build/release
log=$folder/build.log
mkdir -p $folder
start=$SECONDS
[ -x $folder/dho ] || echo "building $folder/dho (log: $log)"
# The first wrong line, wherever the compiler's or CMake's other words are.
if ! cmake --preset release >$log 2>&1 || ! cmake --build --preset release --target dho_program >>$log 2>&1; then
    grep -m 1 -A 3 -E ' error: |CMake Error|undefined reference' $log >&2 || tail -n 3 $log >&2
    echo "build: error: the build failed: see $log" >&2
    exit 1
fi
grep -q '^ninja: no work to do' $log && exit 0
grep '^oneDNN: ' $log || true # where it is missing, what that costs
echo "$folder/dho: built in $((SECONDS - start)) s"
