#!/usr/bin/env bash
# x = fmax(x, ...) in a loop makes gcc 12 for aarch64 end with an internal error: base/compare.h has
# what to write. Run from the repository's root.
set -euo pipefail
if grep -rnE '([][A-Za-z0-9_.>*-]+) = f(max|min)f?\(\1, ' --include='*.[ch]' src tests; then
    echo "reductions: write these with dho_larger, dho_smaller or dho_larger_or_nan (base/compare.h)"
    exit 1
fi
echo "reductions: none by fmax or fmin"
