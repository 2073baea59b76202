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
now() { date +%s%N; }
start=$(now)
run 2 "${build[@]}" --out "$work/whole" >"$work/log" 2>&1 || die "a build without a kill"
span=$(((($(now) - start) / 1000000)))
grep -q "240 images x 6 views, 50 bytes a view, 0.1 MiB in all" "$work/log" || die "the size is not announced"

# Everything in the build's session dies at once, as when a node is lost.
kills=0 tries=0 partial=0
while [ $kills -lt 10 ]; do
    tries=$((tries + 1))
    [ $tries -le 40 ] || die "only $kills kills in $tries builds of $span ms"
    setsid "$here/launch/mpirun.sh" 2 "$DHO" "${build[@]}" --out "$work/killed" >"$work/log" 2>&1 &
    leader=$!
    # The second half of the time is the build's; the first is mpirun's and the libraries'.
    wait_ms=$((span / 3 + RANDOM % (span * 2 / 3 + 1)))
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    if kill -0 $leader 2>/dev/null; then
        # shellcheck disable=SC2046
        kill -9 $leader $(ps -o pid= -s $leader) 2>/dev/null || true
        kills=$((kills + 1))
    fi
    wait $leader 2>/dev/null || true
    if [ -f "$work/killed/cache.json" ]; then
        rm -r "$work/killed" # it was done: the next one starts again
    elif compgen -G "$work/killed/shard-*" >/dev/null; then
        partial=$((partial + 1))
    fi
done
run 2 "${build[@]}" --out "$work/killed" >"$work/log" 2>&1 || die "the build after ten kills"
diff -r "$work/whole" "$work/killed" >"$work/log" || die "ten kills changed the cache"
pass "ten kills in $tries builds ($partial left a part), the same bytes in the end"

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

refuse() { # TEXT ARGUMENT ...
    local text=$1
    shift
    "$DHO" "$@" --out "$work/refused" >"$work/log" 2>&1 && die "not refused: $*"
    grep '^dho: error: ' "$work/log" | grep -q -- "$text" || die "the error does not say $text"
    pass "$(grep '^dho: error: ' "$work/log" | sed "s|$work/||g")"
}
refuse "--top: is for logits" "${build[@]:0:6}" --top 8
refuse "top is 21, expected 1 to 20" "${build[@]:0:6}" --store logits --top 21
refuse "leave one out" "${build[@]:0:6}" --store logits --top 8 --encoding int8
finish
