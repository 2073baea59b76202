# Files that are nearly right, on two ranks: weights of another model, behind wrappers, in several
# files, or not finite; outputs that are not finite; imports that cannot be a teacher's; exports that
# nobody could use. One line that says what and where, the right exit code.
. "$(dirname "$0")/lib.bash"
tensors=${DHO_TOOLS:?the folder of tests/tools}/tensors
limit=60
small_data
base=$work/base.yaml

said() { # EXIT_CODE TEXT DHO_ARGUMENT ...: an error (code > 0), or a line of the log
    local code=$1 text=$2 status=0 lines
    shift 2
    timeout $limit "$here/launch/mpirun.sh" "${ranks:-2}" "$DHO" "$@" >"$work/log" 2>&1 || status=$?
    [ $status = "$code" ] || die "exit code $status, not $code: $*"
    if [ "$code" != 0 ]; then
        [ "$(grep -c '^dho: error: ' "$work/log")" = 1 ] || die "not one line of error: $*"
        lines=$(grep '^dho: error: ' "$work/log")
    else
        lines=$(cat "$work/log")
    fi
    grep -q -- "$text" <<<"$lines" || die "does not say \"$text\": $*"
    pass "$(grep -m 1 -- "$text" <<<"$lines" | sed "s|$work/||g" | cut -c 1-170)"
}
start=(train -c "$base" --set method=ce --set train.steps=1 --set eval.sets=[] --set eval.select_on='""')
from() { # FILE: a student that starts from it
    rm -rf "$work/started"
    echo "${start[@]}" --out "$work/started" --set student.init="$1"
}

# --- weights ---
run 1 export --checkpoint "$work/teacher" --out "$work/w.safetensors" >"$work/log" 2>&1 || die export
blocks() { # what ResNet-34 has more than ResNet-18
    for layer in 1:2 2:2 2:3 3:2 3:3 3:4 3:5 4:2; do
        echo "layer${layer%:*}.1.+=layer${layer%:*}.${layer#*:}."
    done
}
"$tensors" rename "$work/w.safetensors" "$work/34.safetensors" $(blocks)
said 2 "80 tensors of the model's own names fit no place: layer1.2.*looks like a ResNet-34" \
    $(from "$work/34.safetensors")
for prefix in module. _orig_mod. module._orig_mod. model.backbone. encoder_q. teacher.; do
    "$tensors" rename "$work/w.safetensors" "$work/p.safetensors" "=$prefix"
    said 0 "100 tensors taken, 2 passed over: ${prefix}fc.\* (2)" $(from "$work/p.safetensors")
done
"$tensors" rename "$work/w.safetensors" "$work/q.safetensors" "+=encoder_q." "=encoder_k."
said 2 'both "encoder_.*may be the backbone' $(from "$work/q.safetensors")
cp "$work/w.safetensors" "$work/bad.safetensors"
"$tensors" poke "$work/bad.safetensors" bn1.running_var 0 -1
said 2 'bn1.running_var": value \[0\] is -1: a variance is not negative' $(from "$work/bad.safetensors")
cp "$work/w.safetensors" "$work/bad.safetensors"
"$tensors" poke "$work/bad.safetensors" layer2.0.conv1.weight 10 nan
said 2 'layer2.0.conv1.weight": value \[0, 1, 0, 1\] is nan' $(from "$work/bad.safetensors")
said 2 'is nan' $(from "$work/bad.safetensors") --set student.init_head=true
cp "$work/w.safetensors" "$work/big.safetensors"
for i in $(seq 0 100); do "$tensors" poke "$work/big.safetensors" conv1.weight "$i" 1e38; done
said 1 "before any update: not train.lr" $(from "$work/big.safetensors")
grep -q "warning: step 1: .* the first head's output of .*jpg" "$work/log" || die "no image is named"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n' >"$work/lfs.safetensors"
said 2 "is a git LFS pointer" $(from "$work/lfs.safetensors")
: >"$work/empty.pth"
said 2 "is empty (0 bytes)" $(from "$work/empty.pth")
echo '<!DOCTYPE html><html><body>404</body></html>' >"$work/page.pth"
said 2 "is a web page" $(from "$work/page.pth")
"$tensors" write "$work/m-1.safetensors" a:2:1,2
"$tensors" write "$work/m-2.safetensors" b::3
echo '{"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}' >"$work/m.index.json"
ranks=1 said 0 "^safetensors, 2 files: 2 tensors, 3 values" weights inspect "$work/m.index.json"
rm "$work/m-2.safetensors"
said 2 "names .*m-2.safetensors, which is not there" $(from "$work/m.index.json")

# --- outputs ---
cp "$work/w.safetensors" "$work/far.safetensors"
for i in $(seq 0 7); do "$tensors" poke "$work/far.safetensors" bn1.running_mean "$i" -3e38; done
run 2 $(from "$work/far.safetensors") --set train.lr=1e-9 >"$work/log" 2>&1 || die "a far mean trains"
one=(-c "$base" --set method=ce --set data.labels=all --out "$work/started")
said 1 "jpg: the student's output: value 0 is \(nan\|-\?inf\)" eval "${one[@]}"
[ ! -e "$work/started/eval.json" ] || die "outputs that are not finite were scored"
said 1 "jpg: the teacher's embedding has" cache build -c "$base" --out "$work/c2" \
    --teacher "$work/started" --shards 8
run 2 eval -c "$base" --set method=ce --out "$work/teacher" >"$work/log" 2>&1 || die "eval"
"$tensors" poke "$work/teacher/eval/val.safetensors" logits_ce 12 nan
said 2 "val.safetensors: CRC is .*: damaged or changed by hand" eval -c "$base" --set method=ce --out "$work/teacher" --stored
sed -i 's/"version":/"VERSION":/; s/"crc32":/"CRC32":/' "$work/teacher/eval/val.safetensors" # a file of an older dho
said 2 "val.safetensors: logits_ce: row [0-9]* (.*jpg): class [0-9]* is nan" eval -c "$base" \
    --set method=ce --out "$work/teacher" --stored
class=$(ls "$work/data/val" | head -n 1)
mkdir "$work/one" && cp -r "$work/data/val/$class" "$work/one/"
said 0 "warning: eval.sets one: its images are of one class" eval -c "$base" --set method=ce \
    --out "$work/teacher" --set eval.sets="[{name: one, root: $work/one}]" --set eval.select_on='""'

# --- imports and caches: a data set of two classes, 20 images each ---
mkdir -p "$work/two/a" "$work/two/b"
image=$(find "$work/data/train" -name '*.jpg' | head -n 1)
for i in $(seq 10 29); do cp "$image" "$work/two/a/$i.jpg" && cp "$image" "$work/two/b/$i.jpg"; done
import=(cache import -c "$base" --set data.root="$work/two" --out "$work/imported" --shards 2)
rows() { # A,B: 20 rows around A and 20 around B, each another one
    for side in "$@"; do for i in $(seq 0 19); do echo "${side//@/$((10 + i))}"; done; done | paste -sd,
}
logits() { "$tensors" write "$work/l.safetensors" "logits:40x2:$1"; }
logits "$(rows 3.@,-1 -1,2.@)"
said 0 "first class is the label of 100.00 % of 40 views" "${import[@]}" --logits "$work/l.safetensors"
said 0 "imported: complete, nothing to do" "${import[@]}" --logits "$work/l.safetensors"
logits "$(rows 3.@,-1 -1,2.@)"
"$tensors" poke "$work/l.safetensors" logits 7 nan
said 2 "l.safetensors: logits: row 3, value 1 is nan" "${import[@]}" --logits "$work/l.safetensors"
logits "0.98,0.02,0.97,0.03,0.9,0.1,0.2,0.8"
said 2 "probabilities, not logits" "${import[@]}" --logits "$work/l.safetensors"
logits "$(rows -1,2.@ 3.@,-1)"
said 0 "warning: .*that is no more than chance gives (50.00 %)" "${import[@]}" --out "$work/swapped" \
    --logits "$work/l.safetensors"
"$tensors" write "$work/f.safetensors" "features:40x2:$(rows 3.@,-1 -1,2.@)"
head() { "$tensors" write "$work/h.safetensors" "weight:2x2:$1" "scale::$2"; }
features=("${import[@]}" --features "$work/f.safetensors" --head "$work/h.safetensors" --out "$work/e")
head 1,0,0,1 4.6052
said 2 "h.safetensors: a scale of 4.6052 is ln 100" "${features[@]}"
said 0 "label of 100.00 %" "${features[@]}" --scale 100
head 1,0,0,1 -100
said 2 "a scale of -100 turns the teacher's order" "${features[@]}"
head 0 100
said 2 "the weights of all classes are 0" "${features[@]}"
"$tensors" poke "$work/f.safetensors" features 13 inf
head 1,0,0,1 100
said 2 "f.safetensors: features: row 6, value 1 is inf" "${features[@]}"
before=$(stat -c %y%i "$work/cache"/* | sort)
said 0 "cache: complete, nothing to do" cache build -c "$base" --teacher "$work"/teacher/checkpoints/step-* \
    --views 2 --shards 8
[ "$before" = "$(stat -c %y%i "$work/cache"/* | sort)" ] || die "a whole cache was written again"

# --- exports ---
run 2 train -c "$base" --set train.steps=2 >"$work/log" 2>&1 || die "two heads"
said 2 'x.pt: no form that dho writes' export --checkpoint "$work/run" --out "$work/x.pt"
said 1 "cannot create" export --checkpoint "$work/run" --out "$work/nowhere/x.safetensors"
grep -q "newest checkpoint" "$work/log" && die "export works before it looks at --out"
said 0 "warning: .*alpha and beta of the two heads are not in it" export --checkpoint "$work/run" \
    --out "$work/x.safetensors" --head both
grep -q "warning: .*of width 8, where the published resnet18 has 64" "$work/log" || die "narrow: not said"
run 2 eval -c "$base" >"$work/log" 2>&1 || die "evaluating"
said 0 "x.safetensors: resnet18" export --checkpoint "$work"/run/checkpoints/step-* \
    --out "$work/x.safetensors" --head both
grep -q "alpha and beta" "$work/log" && die "alpha and beta are there"
grep -aq "\"class_names\":\"\[\\\\\"$(ls "$work/data/train" | head -n 1)" "$work/x.safetensors" || die "class names"
grep -aq '"alpha":"[0-9.]*"' "$work/x.safetensors" || die "alpha"
pass "class names, alpha and beta are in the export"
said 1 "nowhere/r.html: cannot create: No such file" report "$work/run" --out "$work/nowhere/r.html"
finish
