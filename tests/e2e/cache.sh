# A cache build that is killed at ten random moments ends in the same bytes; a flipped byte anywhere
# is found by verify and by training. DHO_TEST_SEED repeats the moments and the places.
. "$(dirname "$0")/lib.bash"
seed=${DHO_TEST_SEED:-$((RANDOM * 32768 + RANDOM))}
RANDOM=$seed
echo "DHO_TEST_SEED=$seed"
small_data
teacher=$(echo "$work"/teacher/checkpoints/step-*)

build=(cache build -c "$work/base.yaml" --teacher "$teacher" --views 6 --shards 12
    --store logits --top 8)
run 2 "${build[@]}" --out "$work/whole" >"$work/log" 2>&1 || die "a build without a kill"
grep -q "240 images x 6 views, 50 bytes a view, 0.1 MiB in all" "$work/log" ||
    die "the size is not announced"

# Everything in the build's session dies at once, as when a node is lost: most times a few
# milliseconds after so many shards were there, else at any moment before the first.
shards() { compgen -G "$work/killed/shard-*.bin" | wc -l; }
kills=0 partial=0
for ((try = 1; kills < 10; try++)); do
    [ $try -le 40 ] || die "only $kills kills in $((try - 1)) builds"
    wanted=$(($(shards) + RANDOM % 5))
    setsid "$here/launch/mpirun.sh" 2 "$DHO" "${build[@]}" --out "$work/killed" >"$work/log" 2>&1 &
    leader=$!
    while kill -0 $leader 2>/dev/null && [ "$(shards)" -lt $wanted ]; do sleep 0.002; done
    sleep "0.0$((RANDOM % 90 + 10))"
    if kill -0 $leader 2>/dev/null; then
        # shellcheck disable=SC2046
        kill -9 $leader $(ps -o pid= -s $leader) 2>/dev/null || true
        kills=$((kills + 1))
    fi
    wait $leader 2>/dev/null || true
    if [ -f "$work/killed/cache.json" ]; then
        rm -r "$work/killed" # it was done: the next one starts again
    elif [ "$(shards)" -gt 0 ]; then
        partial=$((partial + 1))
    fi
done
[ $partial -ge 1 ] || die "no kill left a part of a cache: the test shows nothing"
run 2 "${build[@]}" --out "$work/killed" >"$work/log" 2>&1 || die "the build after ten kills"
diff -r "$work/whole" "$work/killed" >"$work/log" || die "ten kills changed the cache"
pass "ten kills in $((try - 1)) builds ($partial left a part), the same bytes in the end"

flip() { # FILE OFFSET
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "\\x$(printf %x $((byte ^ (1 << RANDOM % 8))))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
found() { # FILE: the log's one line of error names it and the place
    [ "$(grep -c '^dho: error: ' "$work/log")" = 1 ] || die "not one line of error"
    grep '^dho: error: ' "$work/log" | grep "$(basename "$1")" |
        grep -Eq 'block [0-9]+ at offset|header at offset|CRC table at offset|offset [0-9]+' ||
        die "$(basename "$1"): the error does not name file and place"
}
flips=0
damage() { # CACHE FLIPS TRAINED: for each file so many flips, of which so many are trained with
    local cache=$1 file offset status i
    for file in "$cache"/*; do
        cp "$file" "$work/good"
        for ((i = 0; i < $2; i++)); do
            offset=$(((RANDOM * 32768 + RANDOM) % $(stat -c %s "$file")))
            flip "$file" "$offset"
            status=0
            "$DHO" cache verify "$cache" >"$work/log" 2>&1 || status=$?
            [ $status = 1 ] || die "verify: exit code $status: $file, offset $offset"
            found "$file"
            if [ "$i" -lt "$3" ]; then
                status=0
                rm -rf "$work/damaged"
                timeout 60 "$here/launch/mpirun.sh" 2 "$DHO" train -c "$work/base.yaml" \
                    --out "$work/damaged" --set teacher.cache="$cache" >"$work/log" 2>&1 || status=$?
                [ $status = 1 ] || die "training: exit code $status: $file, offset $offset"
                found "$file"
            fi
            cp "$work/good" "$file"
            flips=$((flips + 1))
        done
    done
    "$DHO" cache verify "$cache" >"$work/log" 2>&1 || die "the mended cache"
}
run 2 cache build -c "$work/base.yaml" --teacher "$teacher" --out "$work/few" --shards 4 --views 2 \
    --encoding int8 >"$work/log" 2>&1 || die "a cache of int8 embeddings"
damage "$work/whole" 2 0
damage "$work/few" 2 1
pass "$flips flipped bytes, each found by verify; one of each file of a cache also by training"
run 2 train -c "$work/base.yaml" --out "$work/top" --set teacher.cache="$work/whole" \
    --set train.steps=3 >"$work/log" 2>&1 || die "training on top-k logits"
pass "training on top-k logits"

refused() { refuse 2 "$@" --out "$work/refused"; } # TEXT ARGUMENT ...
# What an interrupted build has left is only taken over with the very same settings.
cp -r "$work/whole" "$work/refused" && rm "$work/refused"/{cache.json,shard-00001-of-*}
refused 'interpolation is "bicubic", expected "bilinear"' "${build[@]}" \
    --set data.interpolation=bilinear
refused "shards is 12, expected 3" "${build[@]}" --shards 3
compute=$(grep -o '"compute": *"[^"]*"' "$work/whole/cache.json" | cut -d '"' -f 4)
refused "compute is \"$compute\", expected \"ref fp32\"" \
    "${build[@]}" --set compute.backend=ref
diff "$work"/{whole,refused}/shard-00002-of-00012.bin || die "a refused build changed a shard"
rm -r "$work/refused"
center=("${build[@]:0:6}" --center --shards 4 --set eval.resize=40)
"$DHO" "${center[@]}" --out "$work/refused" >"$work/log" 2>&1 || die "a cache of centre crops"
rm "$work"/refused/{cache.json,shard-00001-of-*}
refused "short_side is 40, expected 64" "${center[@]}" --set eval.resize=64
rm -r "$work/refused"
"$DHO" train -c "$work/base.yaml" --out "$work/bilinear" --set train.steps=1 \
    --set data.interpolation=bilinear >"$work/log" 2>&1 || die "a student of another filter"
grep -q "warning: .*saw its crops resized with bicubic .* sees them with bilinear" "$work/log" ||
    die "no warning about the filters"
pass "$(grep -o 'the teacher saw its crops.*' "$work/log")"

run 2 cache build -c "$work/base.yaml" --teacher "$teacher" --out "$work/others" --shards 4 \
    --views 2 --encoding int8 --set data.interpolation=bilinear >"$work/log" 2>&1 ||
    die "a cache of another filter"
goes_on() { # STEPS CACHE
    run 2 train -c "$work/base.yaml" --out "$work/on" --set teacher.cache="$2" \
        --set train.steps="$1" >"$work/log" 2>&1
}
goes_on 2 "$work/few" || die "a run to go on from"
goes_on 4 "$work/others" && die "a run goes on with what another filter's teacher said"
grep '^dho: error: ' "$work/log" | grep -q "crop 0 bilinear" || die "the filter is not named"
pass "$(grep '^dho: error: ' "$work/log" | sed "s|$work/||g")"

# --- what the teacher says now ---
again() { # RANKS CACHE TEACHER ARGUMENT ...
    local ranks=$1 cache=$2 of=$3
    shift 3
    run "$ranks" cache verify "$cache" -c "$work/base.yaml" --teacher "$of" "$@" >"$work/log" 2>&1
}
for ranks in 1 2; do
    again $ranks "$work/whole" "$teacher" --sample 20 --seed 5 || die "a right cache, $ranks ranks"
    grep "computed again" "$work/log" >"$work/again.$ranks"
done
cmp -s "$work"/again.[12] || die "1 and 2 ranks compare other records"
grep -q "largest difference 0 " "$work/again.1" || die "computed again, but not the same bits"
pass "$(sed "s|$work/||" "$work/again.1")"
run 1 train -c "$work/base.yaml" --set method=ce --set data.labels=all --set train.steps=8 \
    --out "$work/other" >"$work/log" 2>&1 || die "another teacher"
found_again() { # TEXT ARGUMENT ...
    local text=$1 status=0
    shift
    again 2 "$@" || status=$?
    [ $status = 1 ] || die "verify: exit code $status"
    grep '^dho: error: ' "$work/log" | grep -q "$text" || die "the error does not say $text"
    pass "$(grep '^dho: error: ' "$work/log" | sed "s|$work/||g" | cut -c 1-150)"
}
found_again "image .*jpg, view [0-5]: what the teacher says" "$work/few" \
    "$(echo "$work"/other/checkpoints/step-*)"
mapfile -t images < <(find "$work/data/train" -name '*.jpg' | sort)
mv "${images[7]}" "$work/image" && cp "${images[100]}" "${images[7]}"
found_again "image ${images[7]#"$work/data/train/"}" "$work/few" "$teacher" --sample 240
mv "$work/image" "${images[7]}"

refused "--top: keeps the largest logits: needs --store logits" "${build[@]:0:6}" --top 8
refused "top is 21, expected 1 to 20" "${build[@]:0:6}" --store logits --top 21
refused "leave one out" "${build[@]:0:6}" --store logits --top 8 --encoding int8
refused "expected a whole number from 1 to 65536" "${build[@]}" --shards 65537
finish
