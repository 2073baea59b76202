# dho select against numpy: predictions from the stored outputs, features from torchvision's ResNet-18.
. "$(dirname "$0")/../e2e/lib.bash"
needs_python torch torchvision safetensors numpy
small_data
settings=(--set student.width=64 --set train.steps=12 --set train.log_every=12 --set eval.resize=32
    --set "eval.sets=[{name: val, root: $work/data/val}, {name: train, root: $work/data/train}]")
run 2 train -c "$work/base.yaml" "${settings[@]}" >"$work/log" 2>&1 || die "training"
run 2 eval "$work/run" >"$work/log" 2>&1 || die "eval"
run 1 export "$work/run" --head none --out "$work/backbone.safetensors" >"$work/log" 2>&1 || die "export"
for by in pcoreset entropy margin coreset; do
    run 2 select "$work/run" --budget 100 --by $by --out "$work/$by.tsv" >"$work/list" 2>"$work/log" || die "$by"
    more=()
    [ $by != coreset ] || more=("$work/data/train" "$work/backbone.safetensors")
    "$python" "$here/tests/golden/select_oracle.py" "$work/run" "$work/$by.tsv" $by 40 "${more[@]}" \
        >"$work/log" 2>&1 || die "$by: numpy disagrees"
    pass "$(tail -n 1 "$work/log")"
done
finish
