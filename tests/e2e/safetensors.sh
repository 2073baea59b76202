#!/usr/bin/env bash
# safetensors files against the reference implementation, in both directions.
set -euo pipefail
python=${DHO_PYTHON:-python3}
if ! "$python" -c 'import numpy, safetensors' 2>/dev/null; then
    echo "skipped: $python has no numpy and safetensors (set DHO_PYTHON)"
    exit 0
fi
root=${DHO_SOURCE_DIR:-$(pwd)}
tool=$(dirname "$DHO")/tests/test_safetensors
exchange=$root/tests/golden/safetensors_exchange.py
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$tool" --write "$folder/c.safetensors"
"$python" "$exchange" read "$folder/c.safetensors"
"$python" "$exchange" write "$folder/python.safetensors"
"$tool" --check "$folder/python.safetensors"
# What the reference refuses is refused here too.
"$python" "$exchange" broken "$folder" >"$folder/list"
while read -r path; do
    if "$tool" --check "$path" >"$folder/log" 2>&1; then
        echo "accepted: $path"
        exit 1
    fi
    grep -q "$(basename "$path"): " "$folder/log" || { cat "$folder/log"; exit 1; }
done <"$folder/list"
echo "safetensors: both directions agree, $(wc -l <"$folder/list") broken files refused"
