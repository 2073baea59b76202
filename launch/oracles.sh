#!/usr/bin/env bash
# The tests against Python's libraries (PyTorch, torchvision, timm, open_clip, transformers, safetensors,
# Pillow, webdataset), none of which may be skipped:
#   launch/oracles.sh [FOLDER]
# FOLDER is the virtual environment, made and filled where it is not there (default: $DHO_ORACLES, else
# ~/.cache/dho-oracles). Takes 6 GB of disk, 10 GB of memory.
#
# DHO_PYTHON  a Python that has all of tests/golden/requirements.txt: nothing is installed
set -eu
cd "$(dirname "$0")/.."
folder=${1:-${DHO_ORACLES:-$HOME/.cache/dho-oracles}}
preset=dev

if [ -z "${DHO_PYTHON:-}" ]; then
    [ -x "$folder/bin/python" ] || python3 -m venv "$folder" ||
        { echo "oracles: error: python3 -m venv failed: apt-get install python3-venv" >&2; exit 2; }
    export DHO_PYTHON=$folder/bin/python
    "$DHO_PYTHON" -m pip install --quiet --requirement tests/golden/requirements.txt
fi
"$DHO_PYTHON" -c 'import sys, importlib.metadata as m
print("Python " + sys.version.split()[0], *(f"{p} {m.version(p)}" for p in sys.argv[1:]), sep=", ")' \
    $(sed 's/#.*//; s/[<>=].*//' tests/golden/requirements.txt)

launch/dependencies.sh test
cmake --preset $preset >/dev/null
cmake --build --preset $preset -j "$(nproc)"
DHO_GOLDEN_FULL=$(mktemp -d)
trap 'rm -rf "$DHO_GOLDEN_FULL"' EXIT
export DHO_GOLDEN_FULL
"$DHO_PYTHON" tests/golden/make_student_golden.py --full "$DHO_GOLDEN_FULL"
ctest --preset $preset -R '^oracle|^unit.test_golden.full'
if grep '^skipped' build/$preset/Testing/Temporary/LastTest.log; then
    echo "oracles: error: tests were skipped" >&2
    exit 1
fi
