#!/usr/bin/env bash
# A layer of src/ and tools/ includes only itself and the layers in front of it in this list, and a third-party
# library is included by the one layer that wraps it. In src/compute a backend's folder includes only core/ and itself.
# Run from the repository's root.
set -euo pipefail

layers=(base config comm image data compute nn models weights infer heads clip teacher distill optim train eval
    synth table report bench cli)

# The layer that implements each public header.
declare -A module=(
    [status]=base [log]=base [alloc]=base [rng]=base [file]=base [processor]=base
    [config]=config [layout_rows]=config [comm]=comm [image]=image
    [dataset]=data [loader]=data [run_setup]=data [shards]=data [data_check]=data
    [compute]=compute [graph]=nn [student]=models [text_tower]=models
    [safetensors]=weights [state_dict]=weights [torch_file]=weights [weights]=weights
    [infer]=infer
    [teacher_head]=heads [tip_adapter]=heads [head_file]=heads
    [tokenizer]=clip [clip]=clip [zero_shot]=clip
    [teacher]=teacher [teacher_cache]=teacher [cache_builder]=teacher [cache_import]=teacher
    [distill]=distill [optim]=optim [trainer]=train [checkpoint]=train [evaluate]=eval
    [metrics]=train [metric_rows]=train [microbatch]=train [session]=train [conflict]=distill [evaluation]=eval [plateau]=eval [export]=weights
)

# The files that may include a library's header, as a pattern.
declare -A library=(
    [yaml.h]='src/config/*' [mpi.h]='src/comm/*|src/cli/main.c'
    [unzip.h]='src/weights/torch/*' [jpeglib.h]='src/image/*' [png.h]='src/image/*'
    [gif_lib.h]='src/image/*' [tiffio.h]='src/image/*' [unistr.h]='src/base/*|src/clip/*'
    [archive.h]='src/data/*' [archive_entry.h]='src/data/*'
    [unicase.h]='src/clip/*' [unictype.h]='src/clip/*' [uninorm.h]='src/clip/*'
    [blis.h]='src/compute/blis/*' [dnnl.h]='src/compute/onednn/*'
)

declare -A rank
for i in "${!layers[@]}"; do rank[${layers[i]}]=$i; done

failures=0
fail() {
    echo "$1"
    failures=$((failures + 1))
}

while IFS=: read -r file line include; do
    [[ $include =~ [\<\"]([^\>\"]+) ]] || { fail "$file:$line: not understood: $include"; continue; }
    header=${BASH_REMATCH[1]}
    name=${header##*/}
    if [[ $file == include/* ]]; then
        public=${file##*/}
        from=${module[${public%.h}]:-}
        [[ -n $from ]] || { fail "$file: in no layer: add it to tests/lint/layers.sh"; continue; }
    else
        from=${file#src/}
        from=${from#tools/}
        from=${from%%/*}
    fi
    [[ -n ${rank[$from]:-} ]] || { fail "$file: unknown layer $from"; continue; }

    allowed=${library[$name]:-}
    if [[ -n $allowed && $header != dho/* ]]; then
        matched=no
        IFS='|' read -ra patterns <<<"$allowed"
        # shellcheck disable=SC2053 # a pattern
        for pattern in "${patterns[@]}"; do [[ $file == $pattern ]] && matched=yes; done
        [[ $matched == yes ]] || fail "$file:$line: only $allowed may include $header"
    fi

    to=
    if [[ $header == dho/* ]]; then
        to=${module[${name%.h}]:-}
        [[ -n $to ]] || { fail "$file:$line: $header is in no layer"; continue; }
    elif [[ $header == */* && -n ${rank[${header%%/*}]:-} ]]; then
        to=${header%%/*}
    elif [[ $include == *'"'* ]]; then
        fail "$file:$line: write \"layer/$header\""
    fi
    if [[ $file =~ ^src/compute/([a-z]+)/ && $header =~ ^compute/([a-z]+)/ ]]; then
        room=${BASH_REMATCH[1]} # of the header; the file's is checked against it
        [[ $room == core || $file == src/compute/$room/* ]] ||
            fail "$file:$line: a folder of src/compute includes only core/ and itself, not $header"
    fi
    if [[ -n $to ]] && ((rank[$to] > rank[$from])); then
        fail "$file:$line: layer $from includes $header of the later layer $to"
    fi
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include' src tools include --include='*.[ch]')

if ((failures > 0)); then
    echo "$failures wrong includes"
    exit 1
fi
echo "layers: all includes are in order"
