# Soft labels that others have saved, written by torch and numpy as FKD and TinyViT write them, become
# caches that train.
. "$(dirname "$0")/../e2e/lib.bash"
needs_python numpy PIL torch
small_data
base="$work/base.yaml"
"$python" "$here/tests/golden/foreign_labels.py" write "$work/data/train" "$work" >"$work/log" 2>&1 ||
    die "writing the labels"
own=(-c "$base" --set 'data.crop_scale=[0.08, 1]')
for kind in fkd tinyvit tinyvit_names; do
    from=(--fkd "$work/fkd")
    [ $kind = fkd ] || from=(--tinyvit "$work/$kind" --crop-and-flip-only)
    run 2 cache import "${own[@]}" "${from[@]}" --out "$work/$kind.cache" --shards 8 \
        >"$work/$kind.log" 2>&1 || { cp "$work/$kind.log" "$work/log"; die "importing $kind"; }
    grep -q "images x [0-9]* views, [0-9]* bytes a view, .* MiB in all" "$work/$kind.log" ||
        die "importing $kind does not announce the size"
    "$DHO" cache verify "$work/$kind.cache" >"$work/log" 2>&1 || die "verifying $kind"
    run 2 train "${own[@]}" --set teacher.cache="$work/$kind.cache" --set train.steps=2 \
        --out "$work/$kind.run" >"$work/log" 2>&1 || die "training on $kind"
done
"$python" "$here/tests/golden/foreign_labels.py" check "$work/data/train" "$work" fkd tinyvit \
    tinyvit_names >"$work/checked" 2>"$work/log" || die "a cache does not say what was saved"
while read -r line; do pass "$line"; done <"$work/checked"
pass "all three train; $(grep -o 'the image.s label in .*' "$work/fkd.log")"
run 1 cache import "${own[@]}" --fkd "$work/fkd" --out "$work/one.cache" --shards 8 \
    >"$work/log" 2>&1 || die "importing on one rank"
diff -r "$work/fkd.cache" "$work/one.cache" >"$work/log" || die "1 rank and 2 import other caches"
pass "1 rank and 2 import the same cache"
ranks=2 refuse 2 "data.crop_scale is \[0.5, 1\]" cache import -c "$base" --fkd "$work/fkd" --out "$work/denied"
finish
