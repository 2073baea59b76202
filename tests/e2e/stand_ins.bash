# Stand-ins for everything that configs/ and its tables read: data sets in their layouts, narrow weights. Of
# bits.sh and plans.sh; both work in a folder that has a copy of configs/ and data/quickstart.
small=(--set train.steps=3 --set train.log_every=1 --set train.checkpoint_every=0 --set eval.batch=8)
dho() { # RANKS ARGUMENT ...
    local ranks=$1
    shift
    if [ "$ranks" = 1 ]; then set -- "$DHO" "$@"; else set -- run "$ranks" "$@"; fi
    "$@" </dev/null >log 2>&1 || die "$*"
}

# --- stand-ins for data sets, where the configurations look for them ---
value() { # KEY CONFIG: a key of its data, teacher or student
    sed -n "s/^  $1: *//p" "configs/$2.yaml"
}
list_images() { # FOLDER: path, label and class of its images
    (cd data/quickstart && ls -d "$1"/*/* | awk -F/ '!($2 in label) { label[$2] = n++ } { print $0, label[$2], $2 }')
}
split_file() { # PART FOLDER ...
    local separator="{"
    while [ $# -gt 0 ]; do
        printf '%s"%s": [' "$separator" "$1"
        list_images "$2" | awk '{ printf "%s[\"%s\", %d, \"%s\"]", n++ ? ", " : "", $1, $2, $3 }'
        printf ']'
        separator=", "
        shift 2
    done
    echo "}"
}
coop_set() { # CONFIG
    local root split
    root=$(value root "$1") split=$(value split_file "$1")
    mkdir -p "$(dirname "$split")"
    if [ "${split%.txt}" != "$split" ]; then
        variants "$(dirname "$split")"
    else
        mkdir -p "$root"
        cp -rl data/quickstart/{train,val,test_v2} "$root"
        split_file train train val val test test_v2 >"$split"
    fi
}
variants() { # FOLDER: FGVC-Aircraft's lists
    local part folder path label class
    mkdir -p "$1/images"
    ls data/quickstart/train >"$1/variants.txt"
    for part in train val test_v2; do
        folder=${part%_v2}
        while read -r path label class; do
            ln "data/quickstart/$path" "$1/images/$part-$(basename "$path")"
            echo "$part-$(basename "$path" .jpg) $class"
        done < <(list_images "$part") >"$1/images_variant_$folder.txt"
    done
}
wnid_folders() { # FROM TO NAME ...: classes under other names
    local from=$1 to=$2 class
    shift 2
    mkdir -p "$to"
    for class in $(ls "$from"); do
        [ $# -gt 0 ] || break
        cp -rl "$from/$class" "$to/$1"
        shift
    done
}
imagenet_sets() { # as many classes as there are
    local wnids some
    for list in wnids classnames; do
        grep -v '^#' "configs/imagenet/$list.txt" >all
        head -n 20 all >configs/imagenet/$list.txt
    done
    wnids=$(cat configs/imagenet/wnids.txt)
    some=$(head -n 8 configs/imagenet/wnids.txt)
    cp configs/imagenet/wnids.txt all
    head -n 8 all | tee configs/imagenet/wnids_r.txt >configs/imagenet/wnids_a.txt
    # shellcheck disable=SC2086
    {
        wnid_folders data/quickstart/train data/imagenet/train $wnids
        wnid_folders data/quickstart/val data/imagenet/val $wnids
        wnid_folders data/quickstart/test_sketch data/sketch $wnids
        wnid_folders data/quickstart/test_v2 data/imagenetv2-matched-frequency-format-val $(seq 0 19)
        wnid_folders data/quickstart/test_r data/imagenet-r $some
        wnid_folders data/quickstart/test_a data/imagenet-a $some
    }
}

# --- weights to start from ---
narrow() { # FILE MODEL ARGUMENT ...: what a student of a moment's training exports
    local file=$1 model=$2
    shift 2
    dho 1 train -c configs/quickstart.yaml --out "runs/narrow/$model" --set method=ce --set data.image_size=32 \
        --set student.model="$model" "${small[@]}" --set compute.backend=blis "$@"
    dho 1 export "runs/narrow/$model" --head none --out weights/x.safetensors
    mv weights/x.safetensors "weights/$file"
}
tensor_names() { # FILE: of a safetensors file
    head -c $((8 + $(od -An -tu8 -N8 "$1"))) "$1" | tail -c +9 | grep -oE '"[^"]*":\{"dtype"' | cut -d'"' -f2
}
raw_tensors() { # HEADER of a safetensors file; standard input: its tensors
    printf "\\x$(printf %02x $((${#1} % 256)))\\x$(printf %02x $((${#1} / 256)))\\0\\0\\0\\0\\0\\0%s" "$1"
    cat
}
# A narrow CLIP: the image tower is a student's, the text tower that of the golden model with a projection to
# the image tower's width.
narrow_clip() { # FILE MODEL EMBEDDING ARGUMENT ...
    local file=$1 model=$2 embed=$3 header name
    shift 3
    narrow image.safetensors "$model" "$@"
    # Two files of one model may not have the same tensor: what is not taken has another name of that length.
    LC_ALL=C sed -e '1s/"visual\./"unused./g' -e '1s/"text_projection"/"other_dimension"/' \
        "$here/tests/golden/clip_small/model.safetensors" >weights/text.safetensors
    header=$(printf '{"text_projection":{"dtype":"F32","shape":[16,%d],"data_offsets":[0,%d]}}' "$embed" $((64 * embed)))
    # its numbers: bytes of other weights
    tail -c $((64 * embed)) weights/text.safetensors | raw_tensors "$header" >weights/projection.safetensors
    {
        echo '{"weight_map": {"text_projection": "projection.safetensors"'
        for name in $(tensor_names weights/image.safetensors); do echo ", \"$name\": \"image.safetensors\""; done
        for name in $(tensor_names weights/text.safetensors); do
            case $name in unused.* | other_dimension) ;; *) echo ", \"$name\": \"text.safetensors\"" ;; esac
        done
        echo '}}'
    } >weights/model.safetensors.index.json
    dho 1 weights convert weights/model.safetensors.index.json "weights/$file.safetensors"
    mv "weights/$file.safetensors" "weights/$file"
}
