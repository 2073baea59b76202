# CLIP's towers, zero-shot heads and caches against open_clip and transformers, with random weights:
# every architecture at small depth; DHO_FULL=1 adds ViT-B/16 and RN50 at full size.
# One process of one thread.
. "$(dirname "$0")/../e2e/lib.bash"
needs_python open_clip transformers safetensors torchvision PIL
merges=$(clip_vocabulary)
oracle() { "$python" "$here/tests/golden/clip_oracle.py" "$@" >"$work/log" 2>&1 || die "oracle: $*"; }
dho() { # RANKS ARGUMENT ...
    local ranks=$1
    shift
    if [ "$ranks" = 1 ]; then set -- "$DHO" "$@"; else set -- run "$ranks" "$@"; fi
    "$@" >"$work/log" 2>&1 || die "$*"
}
cat >"$work/c.yaml" <<EOF
data: {root: $work/images, crop_ratio: [0.8, 1.2]}
eval: {batch: 3}
EOF
# Everything that has to be checked is written first, and the oracle's checks run as one process.
checks=()
embed() { # FORM MODEL FILE
    dho 1 teacher embed --model "$2" --weights "$3" -c "$work/c.yaml" --out "$work/$1.images"
    dho 1 teacher embed --model "$2" --weights "$3" --texts "$work/texts.txt" --merges "$merges" \
        --out "$work/$1.texts"
    grep -q "text 8 is longer" "$work/log" || die "the text that is cut is not named"
    checks+=(compare "$work" "$1" images "$work/$1.images" --)
    checks+=(compare "$work" "$1" texts "$work/$1.texts" --)
}
teach() { # FORM MODEL FILE: a head, and caches of embeddings
    dho 2 teacher zero-shot --model "$2" --weights "$3" --merges "$merges" -c "$work/c.yaml" \
        --templates "$work/templates.txt" --out "$work/$1.head"
    checks+=(head "$work" "$1" "$work/$1.head" --)
    dho 2 cache build -c "$work/c.yaml" --clip "$2" --weights "$3" --head "$work/$1.head" --shards 3 \
        --views 2 --out "$work/$1.cache"
    dho 1 cache build -c "$work/c.yaml" --clip "$2" --weights "$3" --head "$work/$1.head" --shards 3 \
        --center --out "$work/$1.center"
    for kind in cache center; do
        "$DHO_TOOLS/dump_cache" "$work/$1.$kind" >"$work/$1.$kind.bin" 2>"$work/log" || die "$1.$kind"
        checks+=(cache "$work" "$1" "$work/$1.$kind.bin" "$kind" --)
    done
}
if [ "${DHO_FULL:-0}" = 1 ]; then oracle make "$work" full; else oracle make "$work"; fi
for pair in $(tail -n 1 "$work/log"); do
    form=${pair%%:*} model=${pair##*:} file=$work/${pair%%:*}.safetensors
    [ -f "$work/$form.pt" ] && file=$work/$form.pt
    embed "$form" "$model" "$file"
    case $form in vit_h14 | rn50) teach "$form" "$model" "$file" ;; esac
done
oracle "${checks[@]}"
while read -r line; do pass "$line"; done < <(grep : "$work/log")

if [ "${DHO_FULL:-0}" != 1 ]; then
    build=(cache build -c "$work/c.yaml" --clip clip_rn50 --weights "$work/rn50.safetensors"
        --head "$work/rn50.head" --shards 3 --views 2)
    cp -r "$work/rn50.cache" "$work/again"
    rm "$work/again/cache.json" "$work/again/shard-00001-of-00003.bin"
    dho 2 "${build[@]}" --out "$work/again"
    diff -r "$work/rn50.cache" "$work/again" >"$work/log" || die "the rest of a build is another"
    pass "a build that was cut short goes on to the same bytes"
    refused() { # CODE TEXT ARGUMENT ...
        local code=$1 text=$2 status=0
        shift 2
        "$DHO" "$@" >"$work/log" 2>&1 || status=$?
        [ $status = "$code" ] || die "exit code $status, not $code: $*"
        grep '^dho: error: ' "$work/log" | grep -q -- "$text" || die "does not say \"$text\": $*"
        pass "$(grep '^dho: error' "$work/log" | sed "s|$work/||g")"
    }
    build[5]=ViT-B-16
    refused 2 'no tensor' "${build[@]}" --out "$work/no"
    build[5]=clip_rn50
    mv "$work/images/tench" "$work/images/tenches"
    refused 2 'class [0-9] is "' "${build[@]}" --out "$work/no"
    refused 2 "the head is for 56" "${build[@]}" --head "$work/vit_h14.head" --out "$work/no"
    refused 2 'no tensor "token_embedding.weight"' teacher zero-shot --model RN50 --merges "$merges" \
        --weights "$work/rn50.head" -c "$work/c.yaml" --templates "$work/templates.txt" --out "$work/no"
fi
finish
