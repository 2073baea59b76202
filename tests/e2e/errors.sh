# Wrong inputs, one by one, on two ranks: one line that says what and where, the right exit code,
# no hang.
. "$(dirname "$0")/lib.bash"
small_data
ranks=2

train=(train -c "$work/base.yaml" --out "$work/run")

refuse 2 "unknown command" fly
refuse 2 "unknown argument" train --fly
refuse 2 "needs a value" train -c
refuse 2 "missing.yaml" train -c "$work/missing.yaml"
sed 's/labels: shots/labls: shots/' "$work/base.yaml" >"$work/typo.yaml"
refuse 2 "typo.yaml:3:.*data.labels" train -c "$work/typo.yaml"
refuse 2 "train.lr" "${train[@]}" --set train.lr=fast
refuse 2 "train.shards" "${train[@]}" --set train.shards=0
refuse 2 "batch_labelled" "${train[@]}" --set train.batch_labelled=3
refuse 2 "$work/nowhere" "${train[@]}" --set data.root="$work/nowhere"
refuse 2 "nowhere" "${train[@]}" --set teacher.cache="$work/nowhere"
refuse 2 "teacher.cache" "${train[@]}" --set teacher.cache='""'
refuse 2 "data.shots" "${train[@]}" --set data.shots=0
refuse 2 "data.label_file: .*nowhere.txt: no such file" "${train[@]}" --set data.labels=file --set data.label_file="$work/nowhere.txt"
refuse 2 "student.model: expected one of" "${train[@]}" --set student.model=resnet19
refuse 2 "the warm-up has 99 steps, the whole run" "${train[@]}" --set train.steps=0 --set train.epochs=1 \
    --set train.warmup_steps=99
refuse 2 "expected fewer than train.steps" "${train[@]}" --set train.steps=6 --set train.warmup_steps=6
refuse 2 "divisor" "${train[@]}" --set train.shards=16
ranks=3 refuse 2 "3 ranks but train.shards is 2" "${train[@]}" --set train.shards=2

# One value a channel under batch normalisation, in each forward, as PyTorch refuses it.
lone="Expected more than 1 value per channel when training, got 1 image of 1 x 1"
lone() { # WHERE DHO_ARGUMENT ...
    local where=$1
    shift
    refuse 2 "$where: $lone: fewer train.shards (4), a larger train.batch_labelled (.*data.image_size (" \
        "${train[@]}" --out "$work/lone" "$@"
}
lone layer4.0.bn1 --set method=ce --set train.batch_labelled=4
lone layer4.0.bn1 --set method=ce --set train.batch_labelled=4 --set train.forward=separate
lone "the labelled images' forward: layer4.0.bn1" --set train.forward=separate --set train.batch_labelled=4
lone "the unlabelled images' forward: layer4.0.bn1" --set train.forward=separate --set train.batch_unlabelled=4
lone layer4.0.bn1 --set method=kd --set train.batch_labelled=0 --set train.batch_unlabelled=4
lone features.14.conv.1.1 --set method=ce --set train.batch_labelled=4 --set student.model=mobilenet_v2
lone layer4.0.bn2 --set method=ce --set train.batch_labelled=4 --set student.model=resnet50
lone visual.layer4.0.downsample.1 --set method=ce --set train.batch_labelled=4 \
    --set student.model=clip_rn50 --set student.width=16
ranks=1 refuse 2 "layer4.0.bn1: $lone" bench step --labelled 1 --unlabelled 1 --separate --image-size 32
run 2 "${train[@]}" --out "$work/paired" --set train.steps=1 --set train.batch_labelled=4 \
    --set train.batch_unlabelled=4 >"$work/log" 2>&1 || die "one labelled and one unlabelled image"
run 2 "${train[@]}" --out "$work/larger" --set train.steps=1 --set method=ce --set train.batch_labelled=4 \
    --set data.image_size=64 >"$work/log" 2>&1 || die "one image of 2 x 2 at the end"
pass "one image a microbatch trains where its channels have more than one value"

cp -r "$work/data/train" "$work/holed"
mkdir "$work/holed/zebra_empty"
refuse 2 "zebra_empty" "${train[@]}" --set data.root="$work/holed"
rmdir "$work/holed/zebra_empty"
rm "$work/holed/$(ls "$work/holed" | head -n 1)"/*0.jpg
refuse 2 "fingerprint" "${train[@]}" --set data.root="$work/holed"

echo '{"train": [["a.jpg", 0, "x"], ["b.jpg", -1, "y"]], "val": [], "test": []}' >"$work/split.json"
refuse 2 "split.json" "${train[@]}" --set data.format=coop --set data.split_file="$work/split.json" \
    --set eval.sets=[] --set eval.select_on='""'

run 2 "${train[@]}" --set train.steps=2 >"$work/log" 2>&1 || die "a short run"
refuse 2 "holds a run already" "${train[@]}" --resume never
refuse 2 'differs in "seed: 0", now "seed: 9"' "${train[@]}" --set seed=9
refuse 2 'differs in "data.shots: 2", now "data.shots: 3"' "${train[@]}" --set data.shots=3
refuse 2 'differs in .*lambda_kd' "${train[@]}" --set distill.lambda_kd=0.5
refuse 2 "drawn with crop_scale .* which data.\* does not say" "${train[@]}" --out "$work/crops" --set data.crop_scale=[0.1,0.2]
refuse 2 "bf16" "${train[@]}" --set compute.dtype=bf16 --set compute.backend=ref
# One job writes into a folder at a time; what is killed may hold its lock for a moment.
flock "$work/run/.lock" sleep 60 &
holder=$!
sleep 0.5
refuse 2 "run: another run is writing there" "${train[@]}"
pkill -P $holder
wait $holder 2>/dev/null || true
flock "$work/cache/.lock" sleep 2.5 &
again=(cache build -c "$work/base.yaml" --teacher "$work/teacher/checkpoints/step-00000004" --views 2
    --shards 8)
run 2 "${again[@]}" >"$work/log" 2>&1 || die "a build does not wait for the end of another"
grep -q "cache: another cache build is writing there; waiting" "$work/log" &&
    grep -q "complete, nothing to do" "$work/log" || die "a build that waits says so"
pass "a build waits for another to end"
rm "$work/cache/.lock" && ln -s ../base.yaml "$work/cache/.lock"
refuse 1 "cache/.lock: cannot create: is a link" "${again[@]}"
rm "$work/cache/.lock" && mkfifo "$work/cache/.lock"
run 2 "${again[@]}" >"$work/log" 2>&1 || die "a pipe as the lock"
rm "$work/cache/.lock" && mkdir "$work/cache/.lock"
refuse 1 "cache/.lock: cannot create: Is a directory" "${again[@]}"
rmdir "$work/cache/.lock"
if unshare --mount true 2>/dev/null; then
    unshare --mount bash -c 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"' bash \
        "$work/cache" "$DHO" "${again[@]}" >"$work/log" 2>&1 || die "a whole cache that is read-only"
    grep -q "complete, nothing to do" "$work/log" || die "a read-only cache is not found whole"
    pass "a whole cache on a read-only disk"
else
    skip_part "a read-only cache (no mounts of one's own here)"
fi
refuse 1 "not finite" "${train[@]}" --out "$work/nan" --set train.lr=1e30 --set train.on_nonfinite=skip
cp -r "$work/run/checkpoints/step-00000002" "$work/truncated"
truncate -s 1000 "$work/truncated/model.safetensors"
refuse 2 "truncated" "${train[@]}" --resume "$work/truncated"
refuse 2 "truncated" eval -c "$work/base.yaml" --checkpoint "$work/truncated"
cp -r "$work/run/checkpoints/step-00000002" "$work/flipped"
printf 'X' | dd of="$work/flipped/optimizer.safetensors" bs=1 seek=9000 conv=notrunc 2>/dev/null
refuse 2 "damaged" "${train[@]}" --resume "$work/flipped"
cp -r "$work/run/checkpoints/step-00000002" "$work/edited"
sed -i 's/"step": 2/"step": 1/' "$work/edited/state.json"
refuse 2 "changed by hand" "${train[@]}" --resume "$work/edited"
refuse 2 "no such checkpoint" "${train[@]}" --resume "$work/nowhere"
refuse 2 "eval.sets" eval -c "$work/base.yaml" --set eval.sets=[] --set eval.select_on='""' \
    --checkpoint "$work/run/checkpoints/step-00000002"

cp -r "$work/cache" "$work/badcache"
shard=$(ls "$work"/badcache/shard-* | head -n 1)
printf 'X' | dd of="$shard" bs=1 seek=200 conv=notrunc 2>/dev/null
refuse 1 "$(basename "$shard")" cache verify "$work/badcache"
refuse 1 "$(basename "$shard")" "${train[@]}" --out "$work/bad" --set teacher.cache="$work/badcache"
rm "$work/badcache/cache.json"
refuse 2 "badcache" "${train[@]}" --set teacher.cache="$work/badcache"

# A broken image: with fail the run ends and names it, with skip it goes on and names it.
cp -r "$work/data/train" "$work/broken"
victim=$(find "$work/broken" -name '*.jpg' | sort | sed -n 7p)
head -c 500 "$victim" >"$work/head" && cp "$work/head" "$victim"
refuse 1 "$(basename "$victim")" "${train[@]}" --out "$work/broken1" --set data.root="$work/broken" \
    --set data.on_error=fail
run 2 "${train[@]}" --out "$work/broken2" --set data.root="$work/broken" \
    --set data.on_error=skip >"$work/log" 2>&1 || die "on_error: skip"
grep -q "warning.*$(basename "$victim")" "$work/log" || die "the skipped file is not named"
pass "data.on_error: skip goes on and names the file"

# A test set that ranks list differently, and one whose classes are others, cannot be evaluated.
echo '{"train": [["a.jpg", 0, "x"], ["b.jpg", 1, "y"]], "val": [["a.jpg", 0, "x"]], "test": []}' >"$work/two.json"
refuse 2 "has 2 classes, the student 20" eval -c "$work/base.yaml" --checkpoint "$work/run/checkpoints/step-00000002" \
    --set 'eval.sets=[{name: two, format: coop, split_file: '"$work"'/two.json, split: val, root: '"$work"'}]' \
    --set eval.select_on='""'
refuse 2 "no such file: evaluate without" eval -c "$work/base.yaml" --out "$work/empty" --stored

# Two processes of a launcher that this MPI does not know, or of another Open MPI's mpirun, would each
# be rank 0 of 1.
for alien in "OMPI_COMM_WORLD_SIZE=2" "PMI_SIZE=2" "SLURM_STEP_NUM_TASKS=2" "MV2_COMM_WORLD_SIZE=2" "FLUX_JOB_SIZE=2" "RANK=0 WORLD_SIZE=2"; do
    # shellcheck disable=SC2086 # two words
    env $alien "$DHO" "${train[@]}" --out "$work/alien" >"$work/log" 2>&1 && die "not refused: $alien"
    name=${alien##* }
    grep -q "error: 2 processes were started (${name%=2})" "$work/log" || die "no word of $alien"
done
pass "an alien launcher is refused"

# One rank needs no MPI at all: here MPI cannot start, neither 4.1 nor 5.0.
broken=(env OMPI_MCA_pml=nothing "$DHO")
OMPI_COMM_WORLD_SIZE=1 "${broken[@]}" synth --out "$work/alone" --train 1 --val 1 --test 1 \
    >"$work/log" 2>&1 && die "MPI starts without a way to send"
"${broken[@]}" version >"$work/log" 2>&1 || die "version without MPI"
"${broken[@]}" synth --out "$work/alone" --train 1 --val 1 --test 1 >"$work/log" 2>&1 || die "synth without MPI"
"${broken[@]}" data check -c "$work/base.yaml" >"$work/log" 2>&1 || die "data check without MPI"
"${broken[@]}" weights inspect "$work/run/checkpoints/step-00000002/model.safetensors" >"$work/log" 2>&1 || die "weights without MPI"
"${broken[@]}" eval -c "$work/base.yaml" --checkpoint "$work/run" --out "$work/alone_run" >"$work/log" 2>&1 ||
    die "eval without MPI"
"${broken[@]}" compare "$work/alone_run" >"$work/log" 2>&1 || die "compare without MPI"
"${broken[@]}" cache verify "$work/cache" >"$work/log" 2>&1 || die "cache verify without MPI"
"${broken[@]}" "${train[@]}" --out "$work/alone_run" --set train.steps=1 >"$work/log" 2>&1 ||
    die "train without MPI"
pass "one rank works where MPI cannot start"

# A full disk: 1 MiB is less than a checkpoint. The older state stays whole.
if [ "$(id -u)" = 0 ] && mkdir "$work/small" && mount -t tmpfs -o size=1m tmpfs "$work/small" 2>/dev/null; then
    trap 'umount "$work/small"; rm -rf "$work"' EXIT
    refuse 1 "No space left" "${train[@]}" --out "$work/small/run"
    [ -z "$(ls "$work/small/run/checkpoints" 2>/dev/null)" ] || die "half a checkpoint was left"
    pass "no half checkpoint on a full disk"
else
    skip_part "full disk (needs root to mount a small tmpfs)"
fi
if [ "$(id -u)" != 0 ]; then
    mkdir "$work/locked" && chmod 500 "$work/locked"
    refuse 1 "locked" "${train[@]}" --out "$work/locked/run"
else
    refuse 1 "base.yaml/run: cannot create folder: Not a directory" "${train[@]}" --out "$work/base.yaml/run"
fi

# Files that the command line or the configuration names: missing, or not what they should be.
safe=$work/run/checkpoints/step-00000002/optimizer.safetensors
ranks=1
refuse 2 "nowhere" weights inspect "$work/nowhere"
refuse 2 "base.yaml" weights convert "$work/base.yaml" "$work/x.safetensors"
refuse 2 "nowhere" cache import -c "$work/base.yaml" --out "$work/imported" \
    --features "$work/nowhere" --head "$safe"
refuse 2 'no tensor "features"' cache import -c "$work/base.yaml" --out "$work/imported" \
    --features "$safe" --head "$safe"
clip=(--model clip_vit_b16 --weights "$work/nowhere" --merges "$work/nowhere")
echo '{}' >"$work/templates"
refuse 2 "nowhere" teacher zero-shot "${clip[@]}" --templates "$work/templates" \
    --classes "$work/base.yaml" --out "$work/x"
refuse 2 "nowhere" teacher embed "${clip[@]}" --texts "$work/nowhere" --out "$work/x"
refuse 2 "nowhere" teacher tip-adapter --shots "$work/nowhere" --head "$work/nowhere" --out "$work/x"
ranks=2
refuse 2 "student.init: .*base.yaml" "${train[@]}" --out "$work/x" --set student.init="$work/base.yaml"
refuse 2 "holds no checkpoint" eval -c "$work/base.yaml" --checkpoint "$work/data"
refuse 2 "holds no checkpoint" "${train[@]}" --out "$work/x" --resume "$work/data"

# The folder of a run stands for its newest whole checkpoint.
cp -r "$work/run" "$work/named"
cp -r "$work/truncated" "$work/named/checkpoints/step-00000003"
newest="its newest checkpoint is .*named/checkpoints/step-00000002"
run 2 eval -c "$work/base.yaml" --checkpoint "$work/named" --out "$work/named_eval" \
    >"$work/log" 2>&1 || die "eval of a run's folder"
grep -q "$newest" "$work/log" || die "eval does not say which checkpoint"
run 1 export --checkpoint "$work/named" --out "$work/named.safetensors" >"$work/log" 2>&1 ||
    die "export of a run's folder"
grep -q "$newest" "$work/log" || die "export does not say which checkpoint"
run 2 "${train[@]}" --out "$work/named_on" --resume "$work/named" --set train.steps=3 \
    >"$work/log" 2>&1 || die "resuming from a run's folder"
grep -q "resumed from .*named/checkpoints/step-00000002" "$work/log" || die "resumed from elsewhere"
pass "the folder of a run is its newest whole checkpoint: eval, export, train --resume"

# Where nothing can be written, no work is done first.
refuse 1 "base.yaml" eval -c "$work/base.yaml" --checkpoint "$work/run" --out "$work/base.yaml/x"
grep -q "evaluating" "$work/log" && die "eval works before it looks at --out"
ranks=1 refuse 1 "nowhere/x.* cannot create" teacher tip-adapter -c "$work/base.yaml" --out "$work/nowhere/x" \
    --fine-tune --epochs 1
grep -q "epoch 1" "$work/log" && die "tip-adapter works before it looks at --out"
pass "--out is looked at before the work"

# Messages that name what to do.
ranks=1
refuse 2 "base.yaml: is a file, not a folder" "${train[@]}" --out "$work/x" --set data.root="$work/base.yaml"
refuse 2 '^dho: error: --dtype: expected one of fp32, bf16, got .*"fp16"' bench step --dtype fp16
refuse 2 "is the input: write to another file" weights convert "$safe" "$work/run/../run/checkpoints/step-00000002/optimizer.safetensors"
refuse 2 "needs --store logits" cache build -c "$work/base.yaml" --teacher "$work/teacher" --top 5 --out "$work/x"
refuse 2 "has two heads" cache build -c "$work/base.yaml" --teacher "$work/run" --out "$work/x"
refuse 2 "alone" pack --index "$work/data" --out "$work/x"
run 1 "${train[@]}" --set train.steps=1 >"$work/log" 2>&1 || die "fewer steps than are done"
grep -q "already at step 2, beyond the 1 asked for" "$work/log" || die "fewer steps: not said"
run 1 "${train[@]}" --set train.steps=1 --out "$work/short" >"$work/log" 2>&1 || die "one step"
grep -q "^  data.shots: 2" "$work/log" || die "a key that is not the default is not in the log"
grep -q "^  train.momentum" "$work/log" && die "a default is in the log"
pass "fewer steps than are done; the log's configuration"
finish
