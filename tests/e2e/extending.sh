# docs/extending.md: its examples are applied to a copy of the sources, built, and do what they say.
. "$(dirname "$0")/lib.bash"
command -v patch >/dev/null || die "patch is not installed"
tree=$work/tree
mkdir "$tree"
cp -r "$here"/{CMakeLists.txt,LICENSE,README.md,cmake,configs,docs,examples,include,launch,slurm,src,tests,tools} "$tree"

# Blocks of one kind, without their fences.
awk '/^```/ { on = $0 == "```diff"; next } on' "$here/docs/extending.md" >"$work/examples.diff"
[ -s "$work/examples.diff" ] || die "docs/extending.md has no example"
patch -d "$tree" -p1 --fuzz=0 <"$work/examples.diff" >"$work/log" 2>&1 || die "an example does not fit the sources"
pass "$(grep -c '^+++ ' "$work/examples.diff") changes fit the sources"

# Without optimization it is compiled fast; gcc then guesses wrongly what is initialised.
cmake -G Ninja -S "$tree" -B "$work/build" -DCMAKE_BUILD_TYPE=Debug -DDHO_WERROR=ON -DDHO_ONEDNN=OFF \
    -DCMAKE_C_FLAGS_DEBUG="-O0 -Wno-maybe-uninitialized" >"$work/log" 2>&1 || die "configuring"
cmake --build "$work/build" -j 2 --target dho_program test_operators >"$work/log" 2>&1 || die "building"
DHO=$work/build/dho
pass "the program with all examples is built without warnings"

cat >"$work/base.yaml" <<EOF2
method: ce
out: $work/run
data: {root: $work/data/train, labels: all, image_size: 32}
student: {model: resnet18, width: 8}
train: {shards: 1, batch_labelled: 8, steps: 3, log_every: 1}
EOF2
"$DHO" synth --out "$work/data" --train 4 --val 1 --test 1 >"$work/log" 2>&1 || die "synth"

# --- add an operator ---
"$work/build/tests/test_operators" >"$work/log" 2>&1 || die "the operators' gradients"
grep -q '^channel scale, blis: .* gradients, 0 beside' "$work/log" || die "the operator was not tested"
pass "an operator: one file and one row; its gradients are those of differences"

# --- add a student ---
for ranks in 1 2; do
    run $ranks train -c "$work/base.yaml" --out "$work/all_cnn$ranks" --set student.model=all_cnn --set train.shards=2 \
        >"$work/log" 2>&1 || die "training All-CNN on $ranks ranks"
done
cmp -s "$work"/all_cnn{1,2}/checkpoints/step-00000003/model.safetensors || die "two ranks train another All-CNN than one"
"$DHO" export "$work/all_cnn1" --out "$work/all_cnn.safetensors" >"$work/log" 2>&1 || die "export"
"$DHO" weights inspect "$work/all_cnn.safetensors" >"$work/log" || die "inspecting the export"
grep -q '^features.0.conv.weight  *.*\[8, 3, 3, 3\]' "$work/log" && grep -q '^classifier.weight' "$work/log" ||
    die "the export has other names"
pass "a student: one file and one row; trained on two ranks, exported"

# --- add a teacher ---
"$DHO" teacher embed --model clip_vit_b33 --weights "$work/base.yaml" --out "$work/x" -c "$work/base.yaml" \
    >"$work/log" 2>&1 && die "clip_vit_b33 is a model"
grep -q 'known: .*clip_vit_b16, clip_vit_b32, clip_vit_l14' "$work/log" || die "the teacher is not known: $(cat "$work/log")"
run 1 train -c "$work/base.yaml" --out "$work/b32" --set student.model=clip_vit_b32 --set student.width=16 \
    --set student.layers=1 >"$work/log" 2>&1 || die "training ViT-B/32"
pass "a teacher: three rows"

# --- add a table ---
(cd "$tree" && "$DHO" table all_cnn) >"$work/log" 2>&1 || die "dho table"
grep -q "All-CNN, labels alone" "$work/log" || die "the table has no title"
grep -q "4 of 4 runs are not counted" "$work/log" || die "it does not ask for four runs"
(cd "$tree" && "$DHO" table all_cnn --missing) >"$work/log" 2>&1 || die "dho table --missing"
grep -q "student.width=32" "$work/log" || die "the script has no run of the second width"
pass "a table: one file"

# --- add a metric ---
run 1 train -c "$work/base.yaml" >"$work/log" 2>&1 || die "training"
grep -q ' acc [0-9.]* | loss² [0-9.]* | lr ' "$work/log" || die "the metric is not on the progress line"
sed -E 's/.*"loss":([^,]*),.*"accuracy":[^,]*,"loss_square":([^,]*),.*/\1 \2/' "$work/run/metrics.jsonl" |
    awk '{ error = $2 / ($1 * $1) - 1 } error > 1e-5 || error < -1e-5 { exit 1 } END { exit NR != 3 }' ||
    die "one microbatch: the metric is not the loss's square"
for ranks in 1 2; do
    run $ranks train -c "$work/base.yaml" --out "$work/p$ranks" --set train.shards=4 >"$work/log" 2>&1 ||
        die "training on $ranks ranks"
    sed 's/"images_per_second".*//' "$work/p$ranks/metrics.jsonl" >"$work/metrics$ranks"
done
cmp -s "$work/metrics1" "$work/metrics2" || die "two ranks have other metrics than one"
"$DHO" report "$work/run" --out "$work/report.html" >"$work/log" 2>&1 || die "report"
grep -q "Square of a microbatch&#39;s loss (nats²)" "$work/report.html" || die "the report has no such curve"
pass "a metric: one row and one line of code give the progress line, metrics.jsonl, two ranks and the report"

# --- add a command ---
[ "$("$DHO" steps "$work/run")" = "$work/run: 3 of 3 steps" ] || die "dho steps"
[ "$(run 2 steps "$work/run" --left)" = 0 ] || die "dho steps --left on two ranks"
"$DHO" steps --help | grep -q '^  --left  *only the number of steps that are left$' || die "its help"
"$DHO" --help | grep -q '^  steps RUN \[--left\]$' || die "it is not in the program's help"
"$DHO" completion bash | grep -q '"steps") words="--help --left"' || die "it is not completed"
refuse() { # TEXT ARGUMENT ...
    local text=$1
    shift
    "$DHO" "$@" >"$work/log" 2>&1 && die "not refused: $*"
    grep -q -- "$text" "$work/log" || die "the error does not say $text"
}
refuse "did you mean dho steps?" step
refuse "did you mean --left?" steps "$work/run" --lef
refuse "usage: dho steps RUN \[--left\]" steps
pass "a command: one file and one word give parser, help, suggestions and completion"

# --- add a configuration key ---
"$DHO" train -c "$work/base.yaml" --print-config >"$work/log" 2>&1 || die "--print-config"
grep -q '^  cosine_end: 0  *# learning rate at the end; schedule: cosine \[of lr; in \[0, 1\]\]$' "$work/log" ||
    die "the key is not in --print-config"
refuse 'train.cosine_end: expected a number in \[0, 1\], got "2"' train -c "$work/base.yaml" --set train.cosine_end=2
refuse 'did you mean train.cosine_end' train -c "$work/base.yaml" --set train.cosine_nd=1
run 1 train -c "$work/base.yaml" --out "$work/end" --set train.cosine_end=1 >"$work/log" 2>&1 || die "training"
[ "$(grep -c '"lr":0.001,' "$work/end/metrics.jsonl")" = 3 ] || die "the key has no effect"
refuse 'differs in "train.cosine_end: 1", now "train.cosine_end: 0"' train -c "$work/base.yaml" --out "$work/end" --resume auto --set train.steps=4
pass "a key: one row gives the checks, --print-config, the effect, and what a checkpoint compares"

# --- add a dataset layout ---
run 1 train -c "$work/base.yaml" --out "$work/folders" >"$work/log" 2>&1 || die "training from class folders"
(cd "$work/data/train" && find ./* -type f | sed 's|^\./||' | LC_ALL=C sort | sed 's|^\([^/]*\)/.*|&,\1|') >"$work/images.csv"
mv "$work/images.csv" "$work/data/train"
"$DHO" data check -c "$work/base.yaml" --set data.format=csv >"$work/log" 2>&1 || die "data check"
grep -q 'CSV list .*images of .*classes' "$work/log" || die "data check does not name the layout"
run 1 train -c "$work/base.yaml" --out "$work/list" --set data.format=csv >"$work/log" 2>&1 || die "training from the list"
cmp -s "$work/folders/checkpoints/step-00000003/model.safetensors" \
    "$work/list/checkpoints/step-00000003/model.safetensors" || die "the list gives other weights than the folders"
echo "no comma" >"$work/data/train/images.csv"
refuse 'images.csv: image 1: expected path,class' train -c "$work/base.yaml" --set data.format=csv
pass "a layout: one file and one row give a value of data.format, with the same weights as class folders"
finish
