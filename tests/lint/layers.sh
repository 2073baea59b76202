#!/usr/bin/env bash
# A layer of src/ and tools/ includes only itself and the layers in front of it in this list, and a third-party
# library is included by the one layer that wraps it. In src/compute a backend's folder includes only core/ and itself.
# A header outside of include/ says in its first
# comment who may include it, as one of these:
#   Private to src/ROOM.         files of that folder (tools/ROOM likewise)
#   Private to src.              the library
#   Private to src and tools.    the library, what stands above it in tools/, and src/cli
#   For src/cli.                 of a tool: the program calls it
# Run from the repository's root.
set -euo pipefail

# Headers that are included against their mark, as "HEADER FILE". The list only shrinks.
exceptions="
"

layers=(base config comm image data compute onnx nn models weights infer heads clip teacher distill optim checkpoint eval
    select train synth init report table watch predict bench plan cli)

# The layer that implements each public header.
declare -A module=(
    [status]=base [log]=base [alloc]=base [rng]=base [file]=base [float_sum]=base [processor]=base [version]=base [dho]=cli
    [config]=config [config_words]=config [layout_rows]=config [model_rows]=config [comm]=comm [bucket_sum]=comm [image]=image [augment]=image
    [dataset]=data [loader]=data [run_setup]=data [tar]=data [data_check]=data
    [compute]=compute [compute_shapes]=compute [tuning]=compute [graph]=nn [student]=models [text_tower]=models
    [safetensors]=weights [state_dict]=weights [torch_file]=weights [weights]=weights
    [infer]=infer
    [teacher_head]=heads [tip_adapter]=heads [head_file]=heads [prototypes]=heads
    [tokenizer]=clip [clip]=clip [zero_shot]=clip
    [teacher]=teacher [teacher_cache]=teacher [cache_builder]=teacher [cache_import]=teacher
    [distill]=distill [optim]=optim [trainer]=train [checkpoint]=checkpoint [evaluate]=eval
    [metrics]=train [metric_rows]=config [microbatch]=train [session]=train [conflict]=distill [evaluation]=eval [plateau]=eval [calibration]=eval [paired]=eval [export]=weights
    [classifier]=eval [select]=select
)

# The files that may include a library's header, as a pattern.
declare -A library=(
    [yaml.h]='src/config/*' [mpi.h]='src/comm/*|src/cli/version.c'
    [unzip.h]='src/weights/torch/*' [jpeglib.h]='src/image/*' [png.h]='src/image/*'
    [gif_lib.h]='src/image/*' [tiffio.h]='src/image/*' [unistr.h]='src/base/*|src/clip/*' [uniwidth.h]='src/base/*'
    [event_file.pb-c.h]='src/base/event_file.c'
    [archive.h]='src/data/*' [archive_entry.h]='src/data/*'
    [unicase.h]='src/clip/*' [unictype.h]='src/clip/*' [uninorm.h]='src/clip/*'
    [onnx_file.pb-c.h]='src/onnx/*'
    [blis.h]='src/compute/blis/*' [dnnl.h]='src/compute/onednn/*'
)

declare -A rank
for i in "${!layers[@]}"; do rank[${layers[i]}]=$i; done

failures=0
fail() {
    echo "$1"
    failures=$((failures + 1))
}

# The mark of each header. Tests may include all.
declare -A mark
while IFS=: read -r file text; do
    mark[$file]=$text
    home=$(cut -d/ -f1,2 <<<"$file")
    case $text in
    "$home" | src | "src and tools") ;;
    "for src/cli") [[ $file == tools/* ]] || fail "$file: says \"For src/cli\", which is for tools" ;;
    *) fail "$file: the first comment must say one of \"Private to $home.\", \"Private to src.\", \"Private to src and tools.\"${text:+, not \"$text\"}" ;;
    esac
done < <(find src tools -name '*.h' -exec awk '
    FNR == 1 { if (name != "") report(); name = FILENAME; text = ""; in_it = 0; done = 0 }
    !done {
        if (index($0, "/*")) in_it = 1
        if (in_it) { line = $0; sub(/^ \*/, "", line); text = text " " line }
        if (index($0, "*/")) done = 1
    }
    END { report() }
    function report(    found) {
        gsub(/ +/, " ", text); found = ""
        if (match(text, /Private to [a-z\/_ ]+[.:;,]/)) {
            found = substr(text, RSTART + 11, RLENGTH - 12); sub(/\/$/, "", found)
        } else if (match(text, /For src\/cli[.:;,]/)) found = "for src/cli"
        print name ":" found
    }' {} + | sort)

# Whether a file may include a header of another room.
may_include() { # FILE HEADER
    local header=$2 file=$1
    case ${mark[$header]:-} in
    src) [[ $file == src/* && $file != src/cli/* ]] ;;
    "src and tools") true ;;
    "for src/cli") [[ $file == src/cli/* ]] ;;
    *) false ;;
    esac
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
        for top in src tools; do
            [[ $to != "$from" && -f $top/$header ]] || continue
            if may_include "$file" "$top/$header"; then continue; fi
            if [[ $exceptions == *$'\n'"$header $file"$'\n'* ]]; then
                exceptions=${exceptions/$'\n'"$header $file"$'\n'/$'\n'}
            else
                fail "$file:$line: $header is private to ${mark[$top/$header]}"
            fi
        done
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

for header in include/dho/*.h; do
    case $header in */dho.h | *_rows.h) continue ;; esac # rows of a table, which another header includes
    grep -qx "#include \"${header#include/}\"" include/dho/dho.h || fail "include/dho/dho.h: $header is missing"
done

[[ -z ${exceptions//$'\n'/} ]] || fail "take off the list of exceptions: $exceptions"

if ((failures > 0)); then
    echo "$failures wrong includes"
    exit 1
fi
echo "layers: all includes are in order"
