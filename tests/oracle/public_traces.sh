# The traces of the method's public training scripts are what the libraries at hand make of these scripts.
# One process of one thread.
. "$(dirname "$0")/../e2e/lib.bash"
needs_python torch torchvision transformers numpy
traces=$here/tests/golden/public_traces
"$python" "$here/tests/golden/make_public_traces.py" "$work/new" >"$work/log" 2>&1 || die "writing the traces"
for file in "$traces"/*.json; do
    cmp -s "$file" "$work/new/${file##*/}" || die "${file##*/} is another one now"
done
pass "the traces of $(ls "$traces"/*.json | wc -l) files are written again, byte for byte"
finish
