# Soft labels that others have saved, written by torch and numpy as FKD and TinyViT write them, become
# caches that train; a teacher of another size than the student's; a broken image in a cache build.
. "$(dirname "$0")/lib.bash"
python=${DHO_PYTHON:-python3}
small_data
base="$work/base.yaml"

refuse() { # CODE TEXT ARGUMENT ...
    local code=$1 text=$2 status=0
    shift 2
    run 2 "$@" >"$work/log" 2>&1 || status=$?
    [ $status = "$code" ] || die "exit code $status, not $code: $*"
    [ "$(grep -c '^dho: error: ' "$work/log")" = 1 ] || die "not one line of error: $*"
    grep '^dho: error: ' "$work/log" | grep -q -- "$text" || die "the error does not say $text"
    pass "$(grep '^dho: error: ' "$work/log" | sed "s|$work/||g" | cut -c 1-150)"
}

# --- a teacher at 48 pixels, a student at 32 ---
run 2 train -c "$base" --set method=ce --set data.labels=all --set train.steps=2 \
    --set data.image_size=48 --out "$work/large" >"$work/log" 2>&1 || die "a teacher at 48 px"
run 2 cache build -c "$base" --teacher "$work"/large/checkpoints/step-* --views 2 --shards 8 \
    --out "$work/cache48" >"$work/log" 2>&1 || die "its cache"
"$DHO" cache info "$work/cache48" >"$work/log" 2>&1
grep -q "teacher size 48 px" "$work/log" || die "the cache does not know the teacher's size"
run 2 train -c "$base" --set teacher.cache="$work/cache48" --set train.steps=3 --out "$work/mixed" \
    >"$work/log" 2>&1 || die "a student at 32 px of a teacher at 48 px"
pass "a student at 32 px learns from a teacher at 48 px"

# --- one broken image ends a build, also with data.on_error: skip ---
cp -r "$work/data/train" "$work/broken"
first=$(ls "$work/broken" | head -n 1)
image="$work/broken/$first/$(ls "$work/broken/$first" | head -n 1)"
head -c 300 "$image" >"$work/cut" && cp "$work/cut" "$image"
refuse 1 "$(basename "$image").*dho data check --decode lists" cache build -c "$base" \
    --teacher "$work"/teacher/checkpoints/step-* --shards 8 --out "$work/never" \
    --set data.root="$work/broken" --set data.on_error=skip

# --- importers ---
refuse 2 "say --crop-and-flip-only" cache import -c "$base" --tinyvit "$work/tiny" --out "$work/never"
refuse 2 "only one" cache import -c "$base" --tinyvit "$work/tiny" --fkd "$work/fkd" --out "$work/never"
refuse 2 "is for --tinyvit" cache import -c "$base" --fkd "$work/fkd" --crop-and-flip-only
refuse 2 "there is no such file" cache import -c "$base" --fkd "$work/fkd" --out "$work/never"
refuse 2 "unknown argument \"--features\"" cache import -c "$base" --fkd "$work/fkd" --features x
if ! "$python" -c 'import numpy, PIL, importlib.util as u; assert u.find_spec("torch")' 2>/dev/null; then
    echo "skipped: files of torch and numpy ($python has none)"
    finish
    exit 0
fi
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
refuse 2 "data.crop_scale is \[0.5, 1\]" cache import -c "$base" --fkd "$work/fkd" --out "$work/denied"
finish
