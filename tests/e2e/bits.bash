# Of bits.sh: what bits depend on, and rows of hashes.
about=$("$DHO" version)
onednn=$(sed -n 's/.*oneDNN \([0-9.]*\).*/\1/p' <<<"$about")

# --- what the bits depend on ---
processor() { # vendor, family and model; vector units and caches, which decide how kernels cut their work
    local units
    units=$(lscpu | grep -E '^(Flags|L1d|L2|L3)' | tr -s ' ' '\n' |
        grep -E '^(sse|ssse|avx|fma|f16c|amx|asimd|sve|fphp|bf16|[0-9.]+$|[KMG]iB)' | sort -u | sha256sum | cut -c1-6)
    lscpu | sed -n 's/^\(Vendor ID\|CPU family\|Model\): *//p' | tr 'A-Z \n' 'a-z_-'
    echo "$units"
}
compiler() {
    local clang
    clang=$(grep -ao -m 1 'clang version [0-9]*' "$DHO" | head -n 1) || true
    if [ -n "$clang" ]; then
        echo "clang${clang##* }"
    else
        grep -ao -m 1 'GCC: ([^)]*) [0-9]*' "$DHO" | head -n 1 | sed 's/.* /gcc/'
    fi
}
machine_key() {
    local blis for=native build
    build=$(dirname "$DHO")/CMakeCache.txt
    grep -qs '^DHO_NATIVE:BOOL=OFF' "$build" && for=portable
    grep -qs '^DHO_\(SANITIZE\|TSAN\):BOOL=ON' "$build" && for=$for-sanitized # sums are taken in another order
    blis=$(sed -n 's/.*BLIS \([0-9.]*\) (\([^),]*\).*/\1\2/p' <<<"$about")
    echo "$(uname -m)-$(processor)-$for-$(compiler)-glibc$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)-blis$blis-onednn${onednn:-none}"
}

# --- rows ---
add_row() { # LIST NAME: standard input is what counts
    local sum
    sum=$(sha256sum | cut -d' ' -f1)
    [ "$sum" != "$(printf '' | sha256sum | cut -d' ' -f1)" ] || die "$2: nothing to hash"
    echo "$sum  $2" >>"$work/$1"
}
row() { add_row rows "$1"; }    # floating point
row_any() { add_row any "$1"; } # integers
tensors() { # FILE: names, types, shapes and bytes of a safetensors file's tensors, without its texts
    local length
    length=$(od -An -tu8 -N8 "$1" | tr -d ' ')
    tail -c +9 "$1" | head -c "$length" | grep -oE '"[^"]*":\{"dtype":[^}]*\}'
    tail -c +$((9 + length)) "$1"
}
tensor_row() { # NAME FILE
    [ -s "$2" ] || die "no file $2"
    tensors "$2" | row "$1"
}
losses() { # FILE: metrics without times, and without the teacher's score, which came later
    sed -E '/"event":"teacher"/d; s/,"[a-z_]*(_seconds?|per_second|_hidden)":[^,}]*//g' "$1"
}
evaluation() { # RUN: its eval.json without the checkpoint's name and the scores that came later
    sed -z 's/,\n *"\(entropy\|fixed\)": {[^}]*}//g' "$1/eval.json" | grep -v '"checkpoint"'
}
accuracies() { # RUN: and without what an eval.json of 2025 did not have
    evaluation "$1" | sed -e '/"macro_top1"/d' -e '/"calibration.*": {/,/}/d' -e '/"temperature": {/,/}/d' |
        grep '' # ends with a line break
}

# What a configuration gives: weights, state, losses, which images are labelled, evaluation, export.
rows_of() { # NAME CONFIG RANKS ARGUMENT ...
    local name=$1 config=configs/$2.yaml ranks=$3 out=runs/$1 last file
    shift 3
    dho "$ranks" train -c "$config" --out "$out" "${small[@]}" "$@"
    last=$out/checkpoints/step-00000003
    tensor_row "$name weights" "$last/model.safetensors"
    tensor_row "$name optimizer" "$last/optimizer.safetensors"
    losses "$out/metrics.jsonl" | row "$name losses"
    grep -oE '"(labelled_crc32|dataset_fingerprint)": [^,]*' "$last/state.json" | row_any "$name labels"
    dho "$ranks" eval -c "$config" --out "$out" "${small[@]}" "$@"
    accuracies "$out" | row "$name eval"
    evaluation "$out" | row "$name calibration"
    for file in "$out"/eval/*.safetensors; do
        tensor_row "$name eval/$(basename "$file" .safetensors)" "$file"
    done
    dho 1 export "$out" --out "$out/export.safetensors"
    tensor_row "$name export" "$out/export.safetensors"
}
cache_rows() { # FOLDER
    cat "$1"/shard-*.bin | row "$1"
    [ ! -f "$1/head.safetensors" ] || tensor_row "$1/head" "$1/head.safetensors"
}
