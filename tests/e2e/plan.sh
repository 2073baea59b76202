# dho plan: the run's sizes are those of the trainer; rates go through a file; what cannot be is said.
. "$(dirname "$0")/lib.bash"
small_data
plan() { # ARGUMENT ...: of base.yaml, by rates that were measured once
    "$DHO" plan -c "$work/base.yaml" --rates "$work/rates.json" "$@" 2>"$work/log"
}
number() { # FILE KEY: the first of that name
    sed -n "s/^ *\"$2\": \([-0-9.e+]*\),\{0,1\}$/\1/p" "$1" | head -n 1
}
near() { # A B PERCENT
    awk -v a="$1" -v b="$2" -v p="$3" 'BEGIN { exit !(a > 0 && b > 0 && a / b < 1 + p / 100 && b / a < 1 + p / 100) }'
}

"$DHO" bench rates "$work/base.yaml" --seconds 0 --json >"$work/rates.json" 2>"$work/log" || die "bench rates"
plan --nodes 1,2,3,4,8 --json >"$work/plan.json" || die "plan --json"
plan --nodes 1,2,3,4,8 >"$work/plan" || die "plan"
grep -q '^      8  more ranks than train.shards (4)$' "$work/plan" || die "8 ranks for 4 shards"
grep -q '^pays up to ' "$work/plan" || die "where does it stop to pay?"
pass "$(tail -n 1 "$work/plan")"

# What follows from the configuration is what the trainer says.
run 1 train -c "$work/base.yaml" --dry-run >"$work/dry" 2>"$work/log" || die "train --dry-run"
[ "$(grep '^length ' "$work/plan")" = "$(grep '^length ' "$work/dry")" ] || die "another length"
gib=$(sed -n 's/^memory *\([0-9.]*\) \([MG]\)iB a rank.*/\1 \2/p' "$work/dry" |
    awk '{ print $1 * ($2 == "G" ? 2 ^ 30 : 2 ^ 20) }')
near "$(number "$work/plan.json" rank_bytes)" "$gib" 25 || die "memory: not the dry run's $gib"
near "$(number "$work/plan.json" cache_bytes)" "$(cat "$work"/cache/shard-* | wc -c)" 10 || die "the cache's bytes"
run 1 train -c "$work/base.yaml" --set train.steps=1 --out "$work/one" >"$work/log" 2>&1 || die "train"
near "$(number "$work/plan.json" checkpoint_bytes)" "$(cat "$work"/one/checkpoints/step-*/* | wc -c)" 5 ||
    die "the checkpoint's bytes"
pass "length, memory, cache and checkpoint are the trainer's"

# Arithmetic on the same rates: a faster network is never slower, 2 nodes need half of the computing.
awk '$1 == 1 { a = $4 } $1 == 2 { b = $4 } END { exit !(b > 0.3 * a && b < 0.7 * a) }' "$work/plan" || die "2 nodes"
slow=$(plan --nodes 4 --bandwidth 0.001 --latency 1000 --json | sed -n 's/^ *"exposed_seconds": \(.*\),/\1/p')
fast=$(plan --nodes 4 --json | sed -n 's/^ *"exposed_seconds": \(.*\),/\1/p')
awk -v a="$slow" -v b="$fast" 'BEGIN { exit !(a > 10 * b) }' || die "a slow network: $slow, a fast one: $fast"
plan --nodes 1,4 --bandwidth 0.000001 | grep -q '^pays up to 1 node: with 4 the efficiency is' || die "nothing pays"
pass "a slow network exposes the sum"

# Without the images and the cache; measured on the spot.
"$DHO" plan -c "$work/base.yaml" --set data.root="$work/none" --set teacher.cache="$work/none" --images 1000 \
    --labelled 100 --classes 20 --dim 64 --views 3 --seconds 0 --nodes 1,2 >"$work/plan" 2>"$work/log" ||
    die "without images"
grep -q '^cache    0.000414 GB, to be built: 1000 images x 3 views x 138 bytes$' "$work/plan" || die "the cache's size"
grep -q 'drawn for it' "$work/plan" || die "whose images were decoded?"
[ ! -e "$work/run" ] && [ -z "$(find "$work" -name '.dho-plan*')" ] || die "something was left"
pass "without images and cache"

refuse 2 "no such folder.*to plan without the images: --images" plan "$work/base.yaml" --set data.root="$work/none"
refuse 2 "labelled: 20 of 10 images" plan "$work/base.yaml" --images 10 --labelled 20 --classes 20
refuse 2 "images: needs --labelled" plan "$work/base.yaml" --images 10
for nodes in 0 4,2 1,,2 1,x 1,; do
    refuse 2 "nodes: expected .* rising numbers" plan "$work/base.yaml" --nodes $nodes
done
refuse 2 "bandwidth: expected a number above 0" plan "$work/base.yaml" --bandwidth 0
refuse 2 "8 ranks but train.shards is 4" plan "$work/base.yaml" --nodes 8 --rates "$work/rates.json"
refuse 2 "measured with image_size 32, the configuration has 48" plan "$work/base.yaml" --rates "$work/rates.json" \
    --set data.image_size=48
echo '{"of": 1}' >"$work/wrong.json"
refuse 2 "wrong.json: was measured with" plan "$work/base.yaml" --rates "$work/wrong.json"
sed 's/"cores": [0-9]*/"cores": 0/' "$work/rates.json" >"$work/wrong.json"
refuse 2 "is not what dho bench rates --json writes" plan "$work/base.yaml" --rates "$work/wrong.json"
refuse 2 "nowhere.json: " plan "$work/base.yaml" --rates "$work/nowhere.json"
finish
