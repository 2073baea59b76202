# Every configuration in configs/, run small: the SHA-256 of final weights, optimizer states, caches, heads,
# evaluations, losses and exports stay what tests/golden/bits has recorded.
#   DHO=build/dev/dho tests/e2e/bits.sh          compares with the record for this machine
#   DHO=build/dev/dho tests/e2e/bits.sh rows     prints the rows
#   DHO=build/dev/dho tests/e2e/bits.sh record   writes the record
#   DHO_BITS_CONFIGS=FOLDER                      other configurations than those of this tree
# Floating-point numbers depend on processor, compiler and libraries: their rows have a file for each key
# that tells these apart. any.sha256 is of integers alone and holds everywhere. Where there is no record,
# launch/same_bits.sh compares the programs of two commits.
. "$(dirname "$0")/lib.bash"
. "$(dirname "$0")/stand_ins.bash"
. "$(dirname "$0")/bits.bash"
mode=${1:-compare}
golden=$here/tests/golden
clip=$golden/clip_small
export OMP_NUM_THREADS=1

cd "$work"
touch rows any
cp -r "${DHO_BITS_CONFIGS:-$here/configs}" configs
dho 1 synth --out data/quickstart --train 6 --val 2 --test 2 --threads 2
for folder in data/quickstart/*/; do
    find "$folder" -type f | LC_ALL=C sort | xargs cat | row_any "synth $(basename "$folder")"
done
cp configs/imagenet/classnames.txt all_classnames
imagenet_sets
coop_set caltech101_real
coop_set eurosat
fine_grained=$(basename -s .yaml configs/fine_grained/*.yaml)
for config in $fine_grained; do coop_set fine_grained/$config; done

# --- weights to start from, narrow ---
mkdir weights heads caches
narrow_row() { # FILE MODEL ARGUMENT ...
    narrow "$@"
    tensor_row "weights/$1" "weights/$1"
}
cnn=(--set data.image_size=32 --set student.width=8)
vit=(--set data.image_size=32 --set student.width=16 --set student.layers=1)
vit14=(--set data.image_size=42 --set student.width=64 --set student.layers=1)
narrow_row resnet18.pth resnet18 --set student.width=8
narrow_row dino_resnet50.pth resnet50 --set student.width=8
narrow_row mobilenet_v2.pth mobilenet_v2 --set student.width=8
narrow_row vit_l14_336.safetensors clip_vit_l14_336 "${vit14[@]}"
cp "$clip/model.safetensors" weights/vit_b16.safetensors

# --- heads of class names in prompts: every file of configs/templates ---
head_of() { # NAME TEMPLATES ARGUMENT ...
    local name=$1 templates=$2
    shift 2
    dho 1 teacher zero-shot --model ViT-B-16 --weights weights/vit_b16.safetensors --merges "$clip" \
        --templates "configs/templates/$templates.txt" --out "heads/$name" "$@"
    tensor_row "heads/$name by $templates" "heads/$name"
}
for config in $fine_grained; do head_of $config $config -c configs/fine_grained/$config.yaml; done
head_of caltech101_real caltech101 -c configs/caltech101_real.yaml
names=(--classes configs/imagenet/classnames.txt)
head_of imagenet imagenet "${names[@]}" --keep-mean-norms
head_of imagenet_vit_b16.safetensors imagenet7 "${names[@]}"
grep -hv '^#' all_classnames configs/templates/*.txt >texts # each class name and each template
dho 1 teacher embed --model ViT-B-16 --weights weights/vit_b16.safetensors --merges "$clip" --texts texts --out texts.embedded
tensor_row "texts embedded" texts.embedded

# --- caches: built by CLIP and by a student, at several encodings ---
build=(cache build --clip ViT-B-16 --weights weights/vit_b16.safetensors --shards 4)
clip_cache() { # FOLDER RANKS CONFIG HEAD ARGUMENT ...
    local folder=$1 ranks=$2 config=$3 head=$4
    shift 4
    dho "$ranks" "${build[@]}" -c "configs/$config.yaml" --head "heads/$head" --out "caches/$folder" "$@"
    cache_rows "caches/$folder"
}
for config in $fine_grained; do
    clip_cache ${config}_clip_rn50 1 fine_grained/$config $config --views 2 "${cnn[@]}"
done
clip_cache imagenet_clip_rn50 2 imagenet/fewshot_resnet50 imagenet --views 2 "${cnn[@]}"
clip_cache imagenet_clip_vit_l14_336 1 imagenet/vit_b16_1percent imagenet_vit_b16.safetensors --views 2 \
    --encoding int8 "${vit[@]}"
clip_cache imagenet_dfn5b_h14_378 1 imagenet/vit_b16_10percent imagenet --views 3 --store logits --top 6 "${vit[@]}"
clip_cache imagenet_42px 1 imagenet/vit_l14_336_1percent imagenet --views 2 --store logits "${vit14[@]}"
clip_cache imagenet_center 1 imagenet/fewshot_resnet50 imagenet --center "${cnn[@]}"
dho 1 teacher embed --model ViT-B-16 --weights weights/vit_b16.safetensors -c configs/caltech101_real.yaml --out features
tensor_row features features
dho 1 cache import -c configs/caltech101_real.yaml --features features --head heads/caltech101_real --shards 2
cache_rows data/caltech101/teacher-cache

# --- teachers that are trained here ---
shallow=("${cnn[@]}" --set train.batch_labelled=8 --set train.batch_unlabelled=8)
rows_of quickstart/teacher quickstart 2 "${shallow[@]}" --set method=ce --set data.labels=all
dho 2 cache build -c configs/quickstart.yaml "${cnn[@]}" --views 2 --teacher runs/quickstart/teacher --shards 2
cache_rows runs/quickstart/teacher-cache
rows_of eurosat_teacher eurosat_teacher 1 "${cnn[@]}" --set train.batch_labelled=16 --set compute.backend=blis
dho 1 cache build -c configs/eurosat.yaml "${cnn[@]}" --views 4 --teacher runs/eurosat_teacher --shards 2 \
    --encoding int8 --set compute.backend=ref
cache_rows data/eurosat/teacher-cache

# --- heads of few labelled images ---
tip_head() { # FILE RANKS ARGUMENT ...
    local file=$1 ranks=$2
    shift 2
    dho "$ranks" teacher tip-adapter --out "heads/$file" "$@"
    tensor_row "heads/$file" "heads/$file"
}
tip_head sun397_tip 1 -c configs/fine_grained/sun397.yaml "${cnn[@]}" --set data.shots=2 --alpha 2 --beta 3
tip_head imagenet_tip 2 -c configs/imagenet/fewshot_resnet50.yaml "${cnn[@]}" --set data.shots=3 --fine-tune \
    --epochs 3 --batch 16 --hold-out 1 --search-steps 20,10

# --- students: name, configuration, ranks, settings ---
students() {
    local name config ranks settings
    while read -r name config ranks settings; do
        case $name in '#'* | '') continue ;; esac
        # A program without oneDNN does the same by BLIS.
        [ -n "$onednn" ] || settings=${settings//$on_onednn/$on_blis}
        # shellcheck disable=SC2086
        rows_of "$name" "$config" "$ranks" $(printf -- '--set %s ' $settings)
    done
}
few="train.batch_labelled=8 train.batch_unlabelled=8 data.shots=2"
cnn="data.image_size=32 student.width=8 $few"
percent="train.batch_labelled=8 train.batch_unlabelled=16 train.shards=4 data.percent=50 train.warmup_steps=1"
vit="data.image_size=32 student.width=16 student.layers=1 $percent"
vit14="data.image_size=42 student.width=64 student.layers=1 $percent teacher.cache=caches/imagenet_42px student.head_init=\"\""
quick="data.image_size=32 train.batch_labelled=8 train.batch_unlabelled=8"
unequal="data.labels=file data.label_file=unequal"
(cd data/quickstart/train && ls -d */* | awk -F/ '{ n[$1]++ } n[$1] <= 1 + length($1) % 4') >unequal
on_blis=compute.backend=blis on_ref=compute.backend=ref on_onednn=compute.backend=onednn in_bf16=compute.dtype=bf16
students <<END
quickstart/one_rank quickstart 1 $quick student.width=8 $on_onednn
quickstart/two_ranks quickstart 2 $quick student.width=8 $on_onednn
quickstart/wide quickstart 2 $quick student.width=64 $on_onednn
quickstart/wide_blis quickstart 1 $quick student.width=64 $on_blis
quickstart/wide_bf16 quickstart 1 $quick student.width=64 $in_bf16
quickstart/mobilenet_v2 quickstart 1 $quick student.model=mobilenet_v2 student.width=32 $on_onednn
quickstart/mobilenet_v2_bf16 quickstart 1 $quick student.model=mobilenet_v2 student.width=32 $in_bf16
quickstart/convnext_tiny quickstart 2 $quick student.model=convnext_tiny student.width=16 $on_onednn
quickstart/convnext_tiny_bf16 quickstart 1 $quick student.model=convnext_tiny student.width=16 $in_bf16
quickstart/vit_s16 quickstart 2 $quick student.model=vit_s16 student.width=64 student.layers=2 $on_blis
quickstart/clip_rn50 quickstart 1 $quick student.model=clip_rn50 student.width=16 $on_blis
quickstart/clip_rn50_bf16 quickstart 2 $quick student.model=clip_rn50 student.width=16 $in_bf16
quickstart/clip_vit_l14 quickstart 1 $quick student.model=clip_vit_l14 student.width=64 student.layers=1 $on_onednn
quickstart/clip_vit_h14_378 quickstart 1 $quick student.model=clip_vit_h14_378 student.width=80 student.layers=2 $on_ref
quickstart/recompute quickstart 1 $quick student.width=8 compute.recompute=block
quickstart/separate quickstart 2 $quick student.width=8 train.forward=separate train.conflict_every=2
quickstart/sgd quickstart 1 $quick student.width=8 train.optimizer=sgd $on_blis
quickstart/class_weights quickstart 2 $quick student.width=8 $unequal distill.class_weights=effective $on_blis
quickstart/logit_adjust quickstart 1 $quick student.width=8 $unequal distill.logit_adjust=1 $on_blis
caltech101_real caltech101_real 1 $cnn method=single_head $on_ref
caltech101_pretrained caltech101_pretrained 1 $cnn student.init=weights/mobilenet_v2.pth compute.dtype=fp32 $on_blis
eurosat eurosat 2 $cnn method=dho $on_onednn
eurosat_pretrained eurosat_pretrained 2 $cnn student.init=weights/mobilenet_v2.pth teacher.cache=data/eurosat/teacher-cache $on_onednn
fine_grained/caltech101 fine_grained/caltech101 1 $cnn $on_onednn
fine_grained/dtd fine_grained/dtd 1 $cnn student.model=mobilenet_v2 student.init=weights/mobilenet_v2.pth $on_onednn
fine_grained/eurosat fine_grained/eurosat 1 $cnn $on_blis
fine_grained/fgvc fine_grained/fgvc 1 $cnn $on_ref
fine_grained/food101 fine_grained/food101 1 $cnn $in_bf16
fine_grained/oxford_flowers fine_grained/oxford_flowers 1 $cnn student.model=mobilenet_v2 student.init=weights/mobilenet_v2.pth $on_blis
fine_grained/oxford_pets fine_grained/oxford_pets 1 $cnn method=feature $on_onednn
fine_grained/stanford_cars fine_grained/stanford_cars 1 $cnn method=logit_feature $on_blis
fine_grained/sun397 fine_grained/sun397 2 $cnn teacher.head=heads/sun397_tip train.shards=2 $on_onednn
fine_grained/ucf101 fine_grained/ucf101 2 $cnn method=kd train.shards=2 $on_onednn
imagenet/fewshot_resnet50 imagenet/fewshot_resnet50 2 $cnn $on_onednn
imagenet/fewshot_resnet50_tip imagenet/fewshot_resnet50 1 $cnn teacher.head=heads/imagenet_tip eval.select_on=val $on_blis
imagenet/fewshot_resnet50_center imagenet/fewshot_resnet50 1 $cnn teacher.cache=caches/imagenet_center $in_bf16
imagenet/fewshot_ablations imagenet/fewshot_ablations 1 $cnn student.head_ce=cosine student.head_kd=cosine $on_onednn
imagenet/fewshot_ablations_features imagenet/fewshot_ablations 1 $cnn method=logit_feature distill.feature_loss=cosine train.forward=separate $on_blis
imagenet/vit_b16_10percent imagenet/vit_b16_10percent 1 $vit $on_onednn
imagenet/vit_b16_1percent imagenet/vit_b16_1percent 2 $vit $on_blis
imagenet/vit_b16_heads imagenet/vit_b16_heads 1 $vit student.head_kd=linear $on_ref
imagenet/vit_b16_teacher_l14_10percent imagenet/vit_b16_teacher_l14_10percent 1 $vit $in_bf16
imagenet/vit_b16_teacher_l14_1percent imagenet/vit_b16_teacher_l14_1percent 2 $vit method=single_head $on_onednn
imagenet/vit_l14_336_10percent imagenet/vit_l14_336_10percent 1 $vit14 $on_onednn
imagenet/vit_l14_336_1percent imagenet/vit_l14_336_1percent 2 $vit14 $in_bf16
END

dho 2 pack -c configs/quickstart.yaml --out packed --shards 3

# --- other ways to the same numbers, names of other programs, files of PyTorch ---
dho 1 eval runs/quickstart/one_rank --stored
accuracies runs/quickstart/one_rank | row "quickstart/one_rank eval stored"
for names in openai bare huggingface timm; do
    dho 1 export runs/imagenet/vit_b16_10percent --head none --names $names --out named.safetensors
    tensor_row "imagenet/vit_b16_10percent export of $names" named.safetensors
done
dho 1 eval -c configs/quickstart.yaml --checkpoint runs/quickstart/one_rank "${small[@]}" --set data.image_size=32 \
    --out runs/packed --set data.format=shards --set 'eval.sets=[{name: v2, root: packed}]' --set 'eval.select_on=""'
tensor_row "quickstart/one_rank eval packed" runs/packed/eval/v2.safetensors

# --- integers: packed images, imported logits, published numbers ---
cat packed/* | row_any packed
for file in plain legacy_plain nested strided; do
    dho 1 weights convert "$golden/torch/$file.pt" converted.safetensors
    tensors converted.safetensors | row_any "converted $file"
done
{ # a file of logits: bytes of weights
    printf '\x50\0\0\0\0\0\0\0%-80s' '{"logits":{"dtype":"F32","shape":[120,20],"data_offsets":[0,9600]}}'
    tail -c 9600 "$clip/model.safetensors"
} >logits
for encoding in fp16 int8; do
    dho 1 cache import -c configs/quickstart.yaml --logits logits --out imported_$encoding --encoding $encoding --shards 2
    cat imported_$encoding/shard-*.bin | row_any imported_$encoding
done
for file in configs/tables/*.yaml; do
    name=$(basename "$file" .yaml)
    dho 1 table "$name" --json
    grep -q '"published": [0-9]' log || continue
    grep '"published": [0-9]' log | row_any "published/$name"
done

# --- the record ---
has_row() { # WHAT PATTERN: one of the rows is of it
    grep -qE "^[0-9a-f]*  $2" rows any || die "no row of $1"
}
for file in $(cd configs && ls ./*.yaml fine_grained/*.yaml imagenet/*.yaml); do
    file=${file#./}
    has_row "configs/$file" "${file%.yaml}[ /]"
done
for file in $(basename -s .txt configs/templates/*.txt); do has_row "configs/templates/$file.txt" "heads/.* by $file$"; done
records=$golden/bits
file=$records/$(machine_key).sha256
for list in rows any; do LC_ALL=C sort -k 2 -o $list $list; done
head_of_record() { # of the machine and the program
    echo "# $(lscpu | sed -n 's/^Model name: *//p'), $("$DHO" version)"
    echo "# commit $(git -C "$(dirname "$DHO")" describe --always --dirty 2>/dev/null)"
}
same_rows() { # RECORD ROWS WHAT: the rows are those of the record
    # A row that is younger than the record is named, no more: only that machine can record it.
    awk 'FNR == NR { old[substr($0, 67)]; next } !(substr($0, 67) in old) { print "not recorded: " substr($0, 67) }' \
        "$1" "$2"
    awk 'FNR == NR { old[substr($0, 67)]; next } substr($0, 67) in old' "$1" "$2" >recorded_rows
    grep -v '^#' "$1" | diff - recorded_rows >differences || {
        sed -n 's/^\([<>]\) [0-9a-f]*  /\1 /p' differences | sort -k 2 >&2
        : >log
        die "$3: the rows above (< recorded, > now) are not those of ${1#"$here/"}"
    }
    pass "$3: $(wc -l <recorded_rows) rows are those of ${1#"$here/"}"
}
case $mode in
rows) cat any rows && exit ;;
record)
    mkdir -p "$records"
    { echo "# Integers: the same on every machine." && cat any; } >"$records/any.sha256"
    { head_of_record && cat rows; } >"$file"
    echo "$file"
    exit
    ;;
esac
same_rows "$records/any.sha256" any integers
if [ -f "$file" ]; then
    same_rows "$file" rows "floating point"
else
    echo "skipped: no record of floating-point bits for $(basename "$file" .sha256): launch/same_bits.sh COMMIT compares"
    finish
    exit 77
fi
finish
