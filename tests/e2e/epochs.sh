# How long a run is and what fills its batches: epochs are the same steps for every method, batches as
# PyTorch's loaders make them, unlabelled images without the labelled ones; the same bits on any ranks.
. "$(dirname "$0")/lib.bash"
small_data # 240 images, 40 of them labelled

refused() { ranks=2 refuse 2 "$1" train "${@:2}" --out "$work/refused"; } # TEXT ARGUMENT ...

# An epoch of the unlabelled images: 15 steps for each method.
for method in ce kd single_head dho; do
    train 1 "epochs_$method" --set method=$method --set train.epochs=1
    says "^15 steps: 1 epoch of 15 steps (train.epoch_of: unlabelled); 6 passes over 40 labelled images"
done
says "; 1 pass over 240 unlabelled images"
train 1 ce_labelled --set method=ce --set train.epochs=3 --set train.epoch_of=labelled
says "^6 steps: 3 epochs of 2 steps (train.epoch_of: labelled); 2.4 passes over 40 labelled images"
train 1 excluded --set train.epochs=1 --set data.exclude_labelled=true
says "^12 steps: .*; 0.96 passes over 200 unlabelled images"

# PyTorch's loaders: each shard has 10 labelled and 50 unlabelled images, batches of 4 and of what is
# left; 13 steps an epoch, the second begins anew.
loader=(--set train.batches=loader --set data.exclude_labelled=true)
for forward in stacked separate; do
    args=("${loader[@]}" --set train.steps=30 --set train.forward=$forward --set train.log_every=1)
    train 1 "$forward" "${args[@]}"
    says "^30 steps: 2.308 epochs of 13 steps .*; 10.2 passes over 40 labelled images; 2.32 passes over 200"
    for ranks in 2 4; do
        train $ranks "$forward$ranks" "${args[@]}"
        same "$forward" "$forward$ranks" "loader, $forward: the same bits on 1 and $ranks ranks"
    done
done
train 1 whole "${loader[@]}" --set train.steps=30
cmp -s "$work"/{whole,stacked}/checkpoints/step-00000030/model.safetensors || die "log_every changes bits"
# The schedule of 15 steps is another; with a constant one a resumed run is the whole one.
constant=("${loader[@]}" --set train.schedule=constant)
train 2 resumed "${constant[@]}" --set train.steps=15
train 4 resumed "${constant[@]}" --set train.steps=30
train 1 straight "${constant[@]}" --set train.steps=30
same straight resumed "loader: resumed in the second epoch on other ranks: the same bits"
train 1 conflict "${constant[@]}" --set train.steps=30 --set train.conflict_every=1
same straight conflict "loader: measuring the conflict of smaller batches changes no bit"

# Classes with fewer images than shots.
few=(--set data.shots=20 --set train.steps=2)
train 1 once "${few[@]}"
grep -q "20 of 20 classes have fewer than 20 images .*all of them are taken" "$work/log" || die "once"
train 1 repeated "${few[@]}" --set data.small_classes=repeat
grep -q "20 of 20 classes .*some of them are repeated" "$work/log" || die "repeat is not said"
says "passes over 400 labelled images"
train 2 repeated2 "${few[@]}" --set data.small_classes=repeat
same repeated repeated2 "repeated images: the same bits on 1 and 2 ranks"

# Wrong.
sed 's/steps: 50/steps: 50, epochs: 2/' "$work/base.yaml" >"$work/both.yaml"
refused "train.steps: train.steps and train.epochs cannot both be set: leave one out" -c "$work/both.yaml"
refused "cannot both be set" -c "$work/base.yaml" --set train.steps=5 --set train.epochs=2
refused "train.epochs and train.steps are both 0" -c "$work/base.yaml" --set train.steps=0 --set train.epochs=0
refused "data.exclude_labelled, data.holdout: 240 of 240 images are no unlabelled ones, and shard 0" -c "$work/base.yaml" \
    --set data.labels=all --set data.exclude_labelled=true
refused "expected one of unlabelled, labelled, shorter" -c "$work/base.yaml" --set train.epoch_of=both
finish
