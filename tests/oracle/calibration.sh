# eval.json's calibration, temperatures, macro accuracy and classes against torchmetrics and PyTorch;
# McNemar's test of dho compare --paired against integers of any length.
. "$(dirname "$0")/../e2e/lib.bash"
needs_python torch torchmetrics safetensors
small_data
oracle=$here/tests/golden/calibration_oracle.py
for method in dho ce; do
    run 2 train -c "$work/base.yaml" --set method=$method --out "$work/$method" >"$work/log" 2>&1 ||
        die "training $method"
    run 2 eval -c "$work/base.yaml" --out "$work/$method" >"$work/log" 2>&1 || die "evaluating $method"
done
"$python" "$oracle" "$work/dho" "$work/ce" >"$work/log" 2>&1 || die "another number than Python's"
pass "$(sed "s|$work/||" "$work/log" | tr '\n' ';')"
"$DHO" compare --paired "$work/dho" "$work/ce" >"$work/table" 2>"$work/log" || die "compare --paired"
for set in val a; do
    found=$(awk -v set=$set '$1 == set && $2 ~ /\/ce$/ { print $4, $5, $NF }' "$work/table")
    # shellcheck disable=SC2086
    "$python" "$oracle" --paired "$work/dho" "$work/ce" $set $found >"$work/log" 2>&1 ||
        die "compare --paired on $set: $found"
    pass "McNemar's exact test on $(cat "$work/log")"
done
finish
