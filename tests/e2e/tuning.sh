# Kernels by a table: dho bench tune makes one, a run follows it and keeps it, on any number of ranks; and what
# dho bench machine and dho bench step say.
. "$(dirname "$0")/lib.bash"
small_data

train() { # OUT RANKS ARGUMENT ...
    local out=$1 ranks=$2
    shift 2
    run "$ranks" train -c "$work/base.yaml" --out "$work/$out" --set train.steps=4 --set train.checkpoint_every=2 \
        --set train.checkpoint_keep=9 "$@" >"$work/log" 2>&1 || die "train $out"
}

sum_of() { # OUT
    (cd "$work/$1/checkpoints/step-00000004" && cat model.safetensors optimizer.safetensors) | sha256sum | cut -c 1-16
}

same() { # OUT OUT WHAT
    [ "$(sum_of "$1")" = "$(sum_of "$2")" ] || die "$3: other bits"
    pass "$3: the same bits"
}

"$DHO" bench tune "$work/base.yaml" --seconds 0 --out "$work/measured.tuning" >"$work/log" 2>&1 || die "bench tune"
grep -q '^conv_weights fp32 8x32x32x3 to ' "$work/measured.tuning" || die "the table has no row of the stem"
pass "bench tune: $(tail -n 1 "$work/log" | sed "s|$work/||")"
# A table that no rule would make: BLIS for every convolution.
sed 's/\(^conv_[a-z]* .*: \)[a-z0-9]* .*/\1im2col/' "$work/measured.tuning" >"$work/blis.tuning"
grep -q ': im2col$' "$work/blis.tuning" || die "the table has no row to change"

train rule 1
[ ! -e "$work/rule/kernels.tuning" ] || die "a run without a table has one"
train tuned 1 --set compute.tuning="$work/blis.tuning"
grep -q 'kernels of .* shapes by a table' "$work/log" || die "the start does not name the table"
[ "$(sum_of rule)" != "$(sum_of tuned)" ] || die "the table changes nothing"
pass "a table changes the bits"
train tuned2 2 --set compute.tuning="$work/blis.tuning"
same tuned tuned2 "by a table, on 2 ranks"
train tuned3 3 --set compute.tuning="$work/blis.tuning"
same tuned tuned3 "by a table, on 3 ranks"

resume() { # OUT ARGUMENT ...: the second half again
    local out=$1
    shift
    rm -r "$work/$out/checkpoints/step-00000004"
    train "$out" "$@"
}

resume tuned2 1
same tuned tuned2 "resumed on 1 rank, the table no longer named"
resume tuned2 2 --set compute.tuning="$work/measured.tuning"
grep -q 'is not what this run began with: it keeps .*kernels.tuning' "$work/log" || die "another table: not said"
same tuned tuned2 "resumed with another table"
resume tuned2 1 --set compute.tuning="$work/gone"
same tuned tuned2 "resumed with a table that is gone"
cp -r "$work/rule" "$work/rule2"
resume rule2 2 --set compute.tuning="$work/blis.tuning"
grep -q 'it keeps the choice by rule' "$work/log" || die "a table for a run by rule: not said"
same rule rule2 "a run by rule, resumed with a table"
run 1 train -c "$work/base.yaml" --out "$work/other" --set train.steps=4 --resume "$work/tuned3/checkpoints/step-00000002" \
    >"$work/log" 2>&1 || die "resume from another run"
same tuned other "another folder goes on from a checkpoint of a run with a table"

mkdir "$work/tables"
sed 's/^caches: .*/caches: other/' "$work/blis.tuning" >"$work/tables/a.tuning"
cp "$work/blis.tuning" "$work/tables/b.tuning"
train folder 1 --set compute.tuning="$work/tables"
same tuned folder "of a folder's tables that of this processor"
rm "$work/tables/b.tuning"
train folder2 1 --set compute.tuning="$work/tables"
grep -q 'has no table that was measured on such a processor' "$work/log" || die "no table of this processor: not said"
same rule folder2 "a folder without a table of this processor"

sed '6s/.*/conv_forward fp32 all of them: fast/' "$work/blis.tuning" >"$work/broken.tuning"
ranks=2 refuse 2 "broken.tuning:6: expected" train -c "$work/base.yaml" --out "$work/x" --set compute.tuning="$work/broken.tuning"
ranks=2 refuse 2 "gone" train -c "$work/base.yaml" --out "$work/x" --set compute.tuning="$work/gone"
sed '5s/: .*/: depthwise/' "$work/blis.tuning" >"$work/cannot.tuning"
ranks=2 refuse 2 "has no depthwise kernel" train -c "$work/base.yaml" --out "$work/x" --set compute.tuning="$work/cannot.tuning"

"$DHO" bench machine --seconds 0.1 --json >"$work/machine.json" 2>"$work/log" || die "bench machine"
for word in '"fp32"' '"operations_per_second"' '"triad_bytes_per_second"' '"threads"'; do
    grep -q "$word" "$work/machine.json" || die "bench machine says nothing of $word"
done
pass "bench machine"
step=(--model resnet18 --width 8 --image-size 32 --classes 10 --labelled 4 --unlabelled 4 --steps 1)
"$DHO" bench step "${step[@]}" --json --each >"$work/step.json" 2>"$work/log" || die "bench step --json"
for word in '"bound_by"' '"limit_seconds"' '"layer": "layer1.0.conv1.weight"' '"limits"'; do
    grep -q "$word" "$work/step.json" || die "bench step says nothing of $word"
done
"$DHO" bench step "${step[@]}" --tuning "$work/measured.tuning" >"$work/log" 2>&1 || die "bench step"
grep -q "what this processor allows" "$work/log" && grep -q "by a table" "$work/log" || die "bench step"
pass "bench step"
finish
