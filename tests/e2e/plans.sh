# Every plan of configs/tables to its end on stand-ins: the script that dho table --missing prints, from heads and
# caches over training to the last evaluation; for what is made on one machine launch/results.sh does the rest.
#   DHO=build/dev/dho tests/e2e/plans.sh          each configuration, combination of settings and preparation once
#   DHO=build/dev/dho tests/e2e/plans.sh all      every run (hours)
#   PLANS="ablations fine_grained" ...            these plans alone, and those that they start from
# One process of one thread.
. "$(dirname "$0")/lib.bash"
. "$(dirname "$0")/stand_ins.bash"
form=${1:-kinds}
ran=
export OMP_NUM_THREADS=1 LAUNCH=env # one rank needs no mpirun
cd "$work"
cp -r "$here/configs" configs
dho 1 synth --out data/quickstart --train 18 --val 2 --test 2 --threads 2
imagenet_sets
for config in $(basename -s .yaml configs/fine_grained/*.yaml); do coop_set fine_grained/$config; done

# --- what is downloaded: weights, a vocabulary (its folder in the place of the file) ---
mkdir weights
cp -r "$here/tests/golden/clip_small" weights/bpe_simple_vocab_16e6.txt.gz
cnn=(--set data.image_size=32 --set student.width=8)
vit14=(--set data.image_size=42 --set student.layers=1)
narrow resnet18.pth resnet18 "${cnn[@]}"
narrow dino_resnet50.pth resnet50 "${cnn[@]}"
narrow mobilenet_v2.pth mobilenet_v2 "${cnn[@]}"
cp "$here/tests/golden/clip_small/model.safetensors" weights/vit_b16.safetensors
narrow_clip clip_rn50.safetensors clip_rn50 128 "${cnn[@]}"
narrow_clip vit_l14_336.safetensors clip_vit_l14_336 48 "${vit14[@]}" --set student.width=64
narrow_clip dfn5b_h14_378.bin clip_vit_h14_378 64 "${vit14[@]}" --set student.width=80
pass "stand-ins of six published weights"

# The first run of each configuration, and of each combination of settings; the first preparation of each path. Seeds,
# numbers of labels and a data set's name make no other kind: a plan's first runs have the first of each.
kinds() {
    awk '
        function kind(text) {
            gsub(/[0-9]+shot_seed[0-9]+/, "", text)
            return text
        }
        $1 == "prepare" && NF > 3 { if (!(kind($2) in seen)) print; seen[kind($2)]; next }
        $1 == "make" && NF > 4 {
            settings = config = ""
            for (i = 5; i <= NF; i++) {
                if ($(i - 1) == "-c") { config = name = $i; sub(/.*\//, "", name); sub(/\.yaml/, "", name) }
                if ($(i - 1) != "--set" || $i ~ /^(seed|data.label_seed|data.shots)=/) continue
                text = kind($i)
                sub("/" name "_", "/", text)
                settings = settings " " text
            }
            heads = settings ~ /teacher.head/ ? " and its heads" : ""
            if (((config heads) in seen) && (settings in seen)) next
            seen[config heads]; seen[settings]
        }
        { print }'
}
to_its_end() { # PLAN ARGUMENT ...: of dho table
    local plan=$1 start=$SECONDS
    shift
    [[ " ${PLANS:-$plan} " == *" $plan "* ]] || return 0
    ran="$ran $plan "
    "$DHO" table "$plan" --missing "$@" >missing.sh 2>log || die "$plan: --missing"
    if [ $form = all ]; then cp missing.sh some.sh; else kinds <missing.sh >some.sh; fi
    grep -q '^make ' some.sh || { pass "$plan: nothing that is not there" && return; }
    sh some.sh >log 2>&1 || { grep -B 3 -A 1 "^dho: error\|: failed with" log >errors; mv errors log; die "$plan"; }
    # The table counts what the script has made: none of it is of another configuration.
    "$DHO" table "$plan" --missing "$@" >rest.sh 2>log || die "$plan: the table of what is there"
    made=$(grep -c '^make ' some.sh)
    [ $(($(grep -c '^make ' missing.sh) - made)) = "$(grep -c '^make ' rest.sh)" ] || die "$plan: not all runs count"
    pass "$plan: $made of $(grep -c '^make ' missing.sh) runs, $(grep -c '^prepare [^(]' some.sh) preparations, $((SECONDS - start)) s"
}
one=(--set train.steps=1 --set eval.batch=8)
step=("${one[@]}" --set train.batch_labelled=20 --set train.batch_unlabelled=20)
few=("${cnn[@]}" "${step[@]}")
as_planned=("${cnn[@]}" "${one[@]}") # where methods of a plan have batches of their own
percent=("${step[@]}" --set train.steps=2 --set train.shards=4 --set data.percent=20 --set train.warmup_steps=1)
vit=("${percent[@]}" --set data.image_size=32 --set student.width=16 --set student.layers=1)
l14=("${percent[@]}" "${vit14[@]}" --set student.width=64)
to_its_end fine_grained "${few[@]}"
to_its_end imagenet_fewshot "${few[@]}"
to_its_end imagenet_fewshot_heads "${few[@]}"
to_its_end imagenet_fewshot_heads_alone "${few[@]}"
to_its_end ablations "${few[@]}"
for plan in imagenet_semi imagenet_semi_alpha imagenet_variants; do
    to_its_end $plan --only student=vit_l14_336 "${l14[@]}"
done
for plan in imagenet_semi imagenet_semi_alpha imagenet_semi_tome imagenet_variants; do
    to_its_end $plan --only student=vit_b16 "${vit[@]}"
done
to_its_end imagenet_variants --only student=vit_b16_teacher_l14 "${vit[@]}"
to_its_end imagenet_semi_heads "${vit[@]}"
to_its_end imagenet_adaptation "${vit[@]}" --set train.epochs=0 # it says how many, here are steps
# The probe starts from what the fewshot plan has made with 16 labels.
for method in zs_feature zs_single_head zs_dho; do
    to_its_end imagenet_fewshot --only student=resnet50,shots=16,method=$method "${few[@]}"
done
to_its_end imagenet_linear_probe "${as_planned[@]}"

# --- what launch/results.sh makes, with one label a class and one seed; then plans that need its teachers ---
cp -r "$here/launch" launch
mkdir source
cp weights/mobilenet_v2.pth source/mobilenet_v2_imagenet.safetensors
in_source() { # CONFIG TAR FOLDER: images and split as they are downloaded
    local split
    coop_set "$1"
    split=$(value split_file "$1")
    tar -cf "source/$2" -C "$(dirname "$split")" "$3"
    mv "$split" source/
    rm -r "$(dirname "$split")"
}
coop_set caltech101_real
dho 1 teacher embed --model ViT-B-16 --weights weights/vit_b16.safetensors -c configs/caltech101_real.yaml \
    --out source/caltech101_test_clip_vitb32.safetensors
{ # class means and 40 labelled embeddings: bytes of other weights, labels 0 to 19 twice
    tail -c 2400 weights/vit_b16.safetensors
    for label in {0..19} {0..19}; do printf "\\x$(printf %02x $label)\\0\\0\\0\\0\\0\\0\\0"; done
} | raw_tensors '{"prototypes":{"dtype":"F32","shape":[20,10],"data_offsets":[0,800]},"cache_keys":{"dtype":"F32","shape":[40,10],"data_offsets":[800,2400]},"labels":{"dtype":"I64","shape":[40],"data_offsets":[2400,2720]}}' \
    >source/caltech101_fewshot16_clip_vitb32.safetensors
rm -r data/caltech101
in_source caltech101_real caltech101_val_test.tar 101_ObjectCategories
in_source eurosat eurosat_subset.tar 2750
results() { # TABLE AXIS=VALUE,...
    local start=$SECONDS
    [[ " ${PLANS:-$1} " == *" $1 "* ]] || return 0
    ran="$ran $1 "
    launch/results.sh "$1" source 1 --only "$2" "${as_planned[@]}" >log 2>&1 || die "launch/results.sh $1"
    grep -q "not counted" log && die "launch/results.sh $1: not all runs count"
    pass "launch/results.sh $1 $2: $(grep -c '^make ' "data/${1%_*}/missing.sh") runs, $((SECONDS - start)) s"
}
results caltech101 shots=1,seed=1
results caltech101_pretrained shots=1,seed=1
results eurosat shots=1,seed=1
results eurosat_map shots=1,seed=1
to_its_end caltech101_ablations --only shots=1,seed=1 "${as_planned[@]}"
to_its_end eurosat_choice --only seed=1,lr=2e-4 "${as_planned[@]}"
weak=("${as_planned[@]}" --set teacher.cache=data/eurosat/teacher-cache --set student.init=data/weights/mobilenet_v2_imagenet.safetensors)
to_its_end eurosat_select --only way=first,seed=1 "${weak[@]}"
mkdir -p data/eurosat/lists
for method in dho ce; do # as launch/select_study.sh does it
    [ -d runs/eurosat_select ] || continue
    dho 1 select "runs/eurosat_select/$method-first/seed-1" --budget 20 --by random --out "data/eurosat/lists/$method-random-1.tsv"
done
to_its_end eurosat_select --only way=random,seed=1 "${weak[@]}"
for plan in ${PLANS:-$(basename -s .yaml configs/tables/*.yaml)}; do
    [[ $ran == *" $plan "* ]] || die "$plan: is not among the plans that were run"
done
finish
