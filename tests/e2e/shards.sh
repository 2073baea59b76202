# Tar shards in place of folders: the same bits of a training run and of an evaluation, a cache built
# on one is of use for the other; packing on any number of ranks, interrupted;
# dho data check.
. "$(dirname "$0")/lib.bash"
small_data
base="$work/base.yaml"
packed=(--set data.format=shards --set data.root="$work/packed" --set 'eval.sets=[]' --set 'eval.select_on=""')

run 3 pack -c "$base" --out "$work/packed" --shards 8 >"$work/log" 2>&1 || die "packing on 3 ranks"
run 1 pack -c "$base" --out "$work/one" --shards 8 >"$work/log" 2>&1 || die "packing on 1 rank"
diff -r "$work/packed" "$work/one" >"$work/log" || die "3 ranks and 1 rank pack different files"
pass "3 ranks and 1 rank pack the same files"

rm "$work/one/shards.index" "$work/one/shard-00003-of-00008.tar"
run 2 pack -c "$base" --out "$work/one" --shards 8 >"$work/log" 2>&1 || die "resuming a pack"
grep -q "7 tars were there" "$work/log" || die "whole tars were written again"
diff -r "$work/packed" "$work/one" >"$work/log" || die "a resumed pack differs"
run 2 pack --index "$work/one" >"$work/log" 2>&1 || die "pack --index"
cmp "$work/packed/shards.index" "$work/one/shards.index" || die "the rebuilt index differs"
pass "an interrupted pack goes on; its index is rebuilt from the tars, byte for byte"

run 2 train -c "$base" --out "$work/folder" --set train.steps=12 >"$work/log" 2>&1 || die "training"
run 2 train -c "$base" --out "$work/shards" --set train.steps=12 "${packed[@]}" >"$work/log" 2>&1 ||
    die "training from shards"
for file in model optimizer; do
    cmp -s "$work"/{folder,shards}/checkpoints/step-00000012/$file.safetensors ||
        die "$file differs between folder and shards"
done
pass "a run from shards ends with the bits of the run from the folder, with the same teacher cache"
run 1 train -c "$base" --out "$work/folder" --set train.steps=20 "${packed[@]}" >"$work/log" 2>&1 ||
    die "resuming a run of the folder from shards"
grep -q "resumed from" "$work/log" || die "the run did not resume"
pass "a run from the folder goes on from shards"

# A cache built from shards is the cache built from the folder.
run 2 cache build -c "$base" --teacher "$work"/teacher/checkpoints/step-* --views 2 --shards 8 \
    --out "$work/cache2" "${packed[@]}" >"$work/log" 2>&1 || die "building a cache from shards"
diff -r "$work/cache" "$work/cache2" >"$work/log" || die "the caches differ"
pass "a cache built from shards has the same bytes"

run 2 pack -c "$base" --eval a --out "$work/packed_a" --shards 3 >"$work/log" 2>&1 || die "pack --eval"
run 1 eval -c "$base" --out "$work/shards" --checkpoint "$work/folder/checkpoints/step-00000012" \
    >"$work/log" 2>&1 || die "eval"
cp "$work/shards/eval/a.safetensors" "$work/a.safetensors"
run 2 eval -c "$base" --out "$work/shards" --checkpoint "$work/folder/checkpoints/step-00000012" \
    --set 'eval.sets[1].format=shards' --set 'eval.sets[1].root='"$work/packed_a" >"$work/log" 2>&1 ||
    die "eval from shards"
cmp -s "$work/a.safetensors" "$work/shards/eval/a.safetensors" || die "the evaluations differ"
pass "some of the classes, packed: the same masked evaluation"

if [ -n "$(command -v strace)" ]; then
    # The leak checker cannot run under strace.
    ASAN_OPTIONS=detect_leaks=0 strace -f -o "$work/trace" "$DHO" train -c "$base" --out "$work/traced" --set train.steps=2 \
        "${packed[@]}" >"$work/log" 2>&1 || die "strace"
    [ "$(grep -c 'open.*\.jpg' "$work/trace")" = 0 ] || die "single images were opened"
    pass "$(grep -c 'openat.*shard-.*\.tar' "$work/trace") tars opened, no image file"
else
    skip_part "which files are opened (no strace)"
fi

# --- dho data check ---
check() { # EXIT_CODE TEXT ARGUMENT ...
    local code=$1 text=$2 status=0
    shift 2
    run "${ranks:-2}" data check -c "$base" "$@" >"$work/log" 2>&1 || status=$?
    [ $status = "$code" ] || die "data check: exit code $status, not $code: $*"
    grep -q -- "$text" "$work/log" || die "data check does not say $text"
    pass "data check: $(grep -m1 -- "$text" "$work/log" | sed "s|$work/||g")"
}
check 0 "no problems"
check 0 "decoded 240 images: 0 cannot be read" --decode
check 0 "8 of the 20 classes have images: the others are masked"
check 0 "of these images"
check 0 "arrow  *12" --classes
check 0 "read (checksums) 240 images: 0" "${packed[@]}"
cp -r "$work/data/train" "$work/broken"
first=$(ls "$work/broken" | head -n 1)
image="$work/broken/$first/$(ls "$work/broken/$first" | head -n 1)"
head -c 1000 "$image" >"$work/cut" && cp "$work/cut" "$image"
check 0 "of these images" --set data.root="$work/broken" # a look at the first bytes finds nothing
check 1 "$(basename "$image"): .*" --set data.root="$work/broken" --decode
check 1 "1 unreadable image" --set data.root="$work/broken" --decode
: >"$image"
check 1 "is empty" --set data.root="$work/broken"
rm -r "${work:?}/broken/$first"
ls "$work/data/train" >"$work/classes"
check 1 "PROBLEM: .*19 of the 20 classes.*missing: $first" --set data.root="$work/broken" \
    --set data.class_file="$work/classes"
check 1 "PROBLEM: .*fingerprint" --set data.root="$work/broken"
check 1 "PROBLEM: .*none of the 19 classes" --set data.root="$work/broken"
check 1 "PROBLEM: .*nowhere: no such folder" --set 'eval.sets[0].root='"$work/nowhere"
echo "no_such.jpg" >"$work/list"
check 1 "PROBLEM: .*no_such.jpg" --set data.labels=file --set data.label_file="$work/list"
check 2 "labls" --set data.labls=all
check 0 "teacher cache: none named yet" --set teacher.cache='""'
check 0 "teacher cache: not there yet" --set teacher.cache="$work/nowhere"
check 0 "opened 80 images" --set data.root='""'
check 2 "neither data.root nor eval.sets" --set data.root='""' --set eval.sets=[] --set eval.select_on='""'
cp -r "$work/packed" "$work/damaged"
printf X | dd of="$work/damaged/shard-00002-of-00008.tar" bs=1 seek=700 conv=notrunc 2>/dev/null
check 1 "shard-00002-of-00008.tar: offset 512: .*checksum" "${packed[@]}" --set data.root="$work/damaged"
mkdir "$work/avif" && echo 3 >"$work/avif/b.cls" && cp "$work/avif/b.cls" "$work/avif/a.cls"
cp "$work/data/train/arrow/arrow_00000.jpg" "$work/avif/a.jpg"
cp "$work/avif/a.jpg" "$work/avif/b.avif" # what it is called decides
tar -C "$work/avif" -cf "$work/avif/x.tar" a.jpg a.cls b.avif b.cls
lost='"b.cls" has no image that can be read (jpg, png, webp, ...); beside it is "b.avif"'
check 1 "$lost" "${packed[@]}" --set data.root="$work/avif"
"$DHO" pack --index "$work/avif" >"$work/log" 2>&1 && die "pack --index leaves an image out"
grep -q "x.tar: offset [0-9]*: $lost" "$work/log" || die "pack --index does not say what is lost"
ranks=3 check 0 "no problems" --decode
status=0
run 2 train -c "$base" --out "$work/never" --set data.root="$work/broken" \
    --set data.class_file="$work/classes" >"$work/log" 2>&1 || status=$?
[ $status = 2 ] && grep -q "missing: $first" "$work/log" || die "training without a class of class_file"
pass "train refuses a missing class: $(grep -o 'missing: .*' "$work/log" | head -n 1)"
finish
