# Odd image files: those that Pillow opens give Pillow's and torchvision's pixels.
# One process of one thread.
. "$(dirname "$0")/../e2e/lib.bash"
needs_python PIL torchvision
corpus=$here/../shared/data/jpeg/jpeg_corpus.tar
[ -r "$corpus" ] || skip "$corpus is not there"
tar -xf "$corpus" -C "$work"
"$python" "$here/tests/golden/compare_corpus.py" "$DHO_TOOLS/dump_image" "$work/ok" >"$work/log" 2>&1 ||
    die "other pixels"
pass "$(tail -n 1 "$work/log")"
finish
