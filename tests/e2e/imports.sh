# A teacher of another size than the student's; a broken image in a cache build; wrong arguments of the
# importers of soft labels.
. "$(dirname "$0")/lib.bash"
small_data
base="$work/base.yaml"
ranks=2

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
finish
