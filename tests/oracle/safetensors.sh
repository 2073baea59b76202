# safetensors files against the reference implementation, in both directions.
# One process of one thread.
. "$(dirname "$0")/../e2e/lib.bash"
needs_python numpy safetensors
tool=$(dirname "$DHO")/tests/test_safetensors
exchange() { "$python" "$here/tests/golden/safetensors_exchange.py" "$@" || die "the reference: $*"; }

"$tool" --write "$work/c.safetensors" >"$work/log" 2>&1 || die "writing"
exchange read "$work/c.safetensors"
exchange write "$work/python.safetensors"
"$tool" --check "$work/python.safetensors" >"$work/log" 2>&1 || die "reading the reference's file"
pass "both directions agree"
exchange broken "$work" >"$work/list"
while read -r path; do
    "$tool" --check "$path" >"$work/log" 2>&1 && die "accepted: $path"
    grep -q "$(basename "$path"): " "$work/log" || die "$path is not named"
done <"$work/list"
pass "$(wc -l <"$work/list") broken files, which the reference refuses, are refused"
finish
