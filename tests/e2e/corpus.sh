#!/usr/bin/env bash
# Odd and broken image files: none may crash the decoder, and those that Pillow opens must give
# Pillow's and torchvision's pixels. Uses ../shared/data/jpeg/jpeg_corpus.tar (skipped without it) and
# a Python with Pillow and torchvision (${DHO_PYTHON:-python3}; only the comparison is skipped).
set -euo pipefail

corpus=../shared/data/jpeg/jpeg_corpus.tar
dump=${DHO_TOOLS:?}/dump_image
python=${DHO_PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ ! -r "$corpus" ]; then
    echo "skipped: $corpus is not there"
    exit 0
fi
tar -xf "$corpus" -C "$work"

# One process for each file, so that a crash is seen and named.
failed=0 decoded=0 refused=0
while IFS= read -r file; do
    code=0
    printf '%s\n' "$file" | timeout 60 "$dump" eval 256 224 bilinear >"$work/out" 2>"$work/err" ||
        code=$?
    lines=$(wc -l <"$work/err")
    if [ "$code" -ne 0 ] || [ "$lines" -gt 1 ]; then
        echo "FAILED ${file#"$work"/}: exit code $code, $lines lines of messages"
        head -5 "$work/err"
        failed=$((failed + 1))
    elif [ "$lines" -eq 1 ]; then
        refused=$((refused + 1))
        case $(cat "$work/err") in
        "$file: "?*) ;;
        *) echo "FAILED ${file#"$work"/}: the message does not name the file"
           failed=$((failed + 1)) ;;
        esac
    else
        decoded=$((decoded + 1))
    fi
done < <(find "$work/ok" "$work/crash" -type f | sort)
echo "corpus: $decoded files decoded, $refused refused with one line, $failed failed"
[ "$failed" -eq 0 ]

if "$python" -c 'import PIL, torchvision' 2>/dev/null; then
    "$python" tests/golden/compare_corpus.py "$dump" "$work/ok"
else
    echo "skipped: the comparison with Pillow ($python has no PIL and torchvision)"
fi
