# dho export: what each form of --out is, what is refused, and 8 bits on one and on two ranks.
. "$(dirname "$0")/lib.bash"
small_data
run 2 train -c "$work/base.yaml" --set train.steps=4 >"$work/log" 2>&1 || die "two heads"
run 2 eval "$work/run" >"$work/log" 2>&1 || die "evaluating"

export_to() { # NAME ARGUMENT ...
    local name=$1
    shift
    run 1 export "$work/run" --out "$work/$name" "$@" >"$work/table" 2>"$work/log" || die "export to $name"
}
export_to student.onnx
for text in probabilities logits_ce logits_kd images class_names alpha head_kd.weight; do
    grep -aq "$text" "$work/student.onnx" || die "ONNX without $text"
done
pass "ONNX: $(grep -o 'resnet18, .*' "$work/log" | head -n 1)"

rows='^[a-z]* *[0-9]* *[0-9.]* *[0-9.]* *[+-][0-9.]*$'
export_to int8.onnx --int8 --images 20
[ "$(grep -c "$rows" "$work/table")" = 2 ] || die "not the accuracy of both sets: $(cat "$work/table")"
[ "$(stat -c %s "$work/int8.onnx")" -lt $(($(stat -c %s "$work/student.onnx") / 2)) ] || die "not smaller"
cp "$work/table" "$work/table1"
run 2 export "$work/run" --out "$work/int8-2.onnx" --int8 --images 20 >"$work/table" 2>"$work/log" ||
    die "8 bits on two ranks"
cmp -s "$work"/int8{,-2}.onnx || die "two ranks write another file than one"
cmp -s "$work"/table{,1} || die "two ranks print another accuracy than one"
pass "8 bits: the same file and table on one and two ranks: $(sed -n 2p "$work/table" | tr -s ' ')"

ranks=2
refuse 2 "x.pt: no form that dho writes" export "$work/run" --out "$work/x.pt"
refuse 1 "cannot create" export "$work/run" --out "$work/nowhere/x.onnx"
refuse 2 "timm has no resnet18 of this width" export "$work/run" --out "$work/folder"
[ ! -e "$work/folder" ] || die "a folder is left"
refuse 2 "need --int8" export "$work/run" --out "$work/x.onnx" --images 5
refuse 2 "is for ONNX" export "$work/run" --out "$work/x.safetensors" --int8
refuse 2 "is for ONNX" export "$work/run" --out "$work/x.safetensors" --classes "$work/none"
refuse 2 "is for safetensors" export "$work/run" --out "$work/x.onnx" --head kd
refuse 2 "no such file" export "$work/run" --out "$work/x.onnx" --classes "$work/none"
echo "no such class" >"$work/names"
refuse 2 'names: "no such class" is no class of the student' export "$work/run" --out "$work/x.onnx" \
    --classes "$work/names"
echo "# nobody" >"$work/names"
refuse 2 "names no class" export "$work/run" --out "$work/x.onnx" --classes "$work/names"
refuse 2 "no configuration" export --checkpoint "$work/run" --out "$work/x.onnx" --int8
refuse 2 "no such folder" export "$work/run" --out "$work/x.onnx" --int8 --set data.root="$work/nowhere"
refuse 2 "no such folder" export "$work/run" --out "$work/x.onnx" --int8 --set "eval.sets[0].root=$work/nowhere"
[ ! -e "$work/x.onnx" ] || die "a file is left"
pass "nothing is left of what was refused"
finish
