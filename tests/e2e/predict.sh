# dho predict: a run, a checkpoint and an export say the same of images, folders, tars and lists; one to
# three ranks write the same bytes; broken images; names of classes; "none of these"; the page.
. "$(dirname "$0")/lib.bash"
cd "$work"
small_data
for class in data/train/*/; do
    class=${class%/}
    echo "${class##*/} the <b>${class##*/}</b>"
done >names.txt
run 2 train -c base.yaml --set train.steps=4 --set data.class_names=names.txt >log 2>&1 || die "train"
run 1 eval run >log 2>&1 || die "eval"
run 1 export run --head both --out both.safetensors >log 2>&1 || die "export"
run 1 export run --out kd.safetensors >log 2>&1 || die "export of one head"

predict() { # OUT ARGUMENT ...: on $ranks ranks; the batch is small, so that all ranks have some
    local out=$1
    shift
    run "${ranks:-1}" predict "$@" --set eval.batch=4 >"$out" 2>log || die "predict $*"
}
images=$(find data/val -type f | wc -l)

predict one.jsonl run data/val --top 3
[ "$(wc -l <one.jsonl)" = "$images" ] || die "not a line for each image"
for ranks in 2 3; do
    predict more.jsonl run data/val --top 3
    cmp -s one.jsonl more.jsonl || die "$ranks ranks write other lines"
done
ranks=1
predict more.jsonl run/checkpoints/step-00000004 data/val/ --top 3
cmp -s one.jsonl more.jsonl || die "the checkpoint says something else"
predict more.jsonl both.safetensors data/val --top 3
cmp -s one.jsonl more.jsonl || die "the export says something else"
pass "a run, its checkpoint, its export; 1, 2 and 3 ranks: the same bytes"
grep -q '"name":"the <b>[a-z]*</b>"' one.jsonl || die "the names of the classes are not there"
run 1 predict kd.safetensors data/val >more.jsonl 2>log || die "predict of an export of one head"
grep -q '"ce"' more.jsonl && die "one head has two"
run 1 predict both.safetensors data/val --set eval.batch=5 >more.jsonl 2>log || die "another batch"
pass "names of classes are in checkpoint and export; an export of one head"

# The lines against the outputs that the evaluation stored.
python=${DHO_PYTHON:-python3}
if "$python" -c 1 2>/dev/null; then
    "$python" - run/eval/val.safetensors one.jsonl run/eval.json <<'EOF2' || die "eval and predict differ"
import array, json, math, struct, sys
raw = open(sys.argv[1], "rb").read()
size, = struct.unpack("<Q", raw[:8])
header = json.loads(raw[8:8 + size])
def tensor(name):
    a, b = header[name]["data_offsets"]
    return raw[8 + size + a:8 + size + b]
classes = header["logits_ce"]["shape"][1]
ce, kd = (array.array("f", tensor("logits_" + h)) for h in ("ce", "kd"))
labels = array.array("i", tensor("labels"))
names = tensor("image_names").decode().split("\0")[:-1]
evaluation = json.load(open(sys.argv[3]))
alpha, beta, t = evaluation["alpha"], evaluation["beta"], evaluation["temperature"]["combined"]
assert t != 1
nll = 0
def softmax(x):
    e = [math.exp(v - max(x)) for v in x]
    return [v / sum(e) for v in e]
lines = {}
for line in open(sys.argv[2], encoding="utf-8"):
    line = json.loads(line)
    lines[line["path"].split("data/val/")[1]] = line["top"]
for i, name in enumerate(names):
    a = softmax(ce[i * classes:(i + 1) * classes])
    b = softmax([v / beta for v in kd[i * classes:(i + 1) * classes]])
    p = [(alpha * x + (1 - alpha) * y) ** (1 / t) for x, y in zip(a, b)]
    p = [x / sum(p) for x in p]
    nll -= math.log(p[labels[i]]) / len(names)
    top = lines[name]
    assert len(top) == 3
    for rank, entry in enumerate(top):
        c = entry["index"]
        assert abs(entry["p"] - p[c]) < 2e-5 and abs(entry["ce"] - a[c]) < 2e-5 and abs(entry["kd"] - b[c]) < 2e-5
        assert abs(sorted(p)[-1 - rank] - p[c]) < 1e-6, (name, rank)
assert len(lines) == len(names)
# And that T is the one whose probabilities eval.json describes.
assert abs(nll - evaluation["sets"][0]["combined"]["calibration_scaled"]["nll"]) < 1e-5, nll
EOF2
    pass "the probabilities are those of the evaluation, at its temperature"
else
    skip_part "the probabilities against the evaluation's outputs (no Python)"
fi

# --temperature 1: as they are; what an export says of it is what its run says.
predict plain.jsonl run data/val --top 3 --temperature 1
cmp -s one.jsonl plain.jsonl && die "--temperature changes nothing"
sed 's/"p":[0-9.e-]*/"p":/g' one.jsonl >a
sed 's/"p":[0-9.e-]*/"p":/g' plain.jsonl | cmp -s a - || die "--temperature changes more than p"
run 1 export run --head both --temperature 1 --out plain.safetensors >log 2>&1 || die "export --temperature"
predict more.jsonl plain.safetensors data/val --top 3
cmp -s plain.jsonl more.jsonl || die "an export with --temperature 1 says something else"
predict more.jsonl both.safetensors data/val --top 3 --temperature 1
cmp -s plain.jsonl more.jsonl || die "--temperature of an export says something else"
refuse 2 "temperature: expected a positive number" predict run data/val --temperature 0
pass "--temperature of a run and of an export"

# Other ways to name the same images.
tar -C data/val --sort=name -cf val.tar . && gzip -k val.tar
for tar in val.tar val.tar.gz; do
    ranks=2 predict tar.jsonl run "$tar" --top 3
    sed "s|\"path\":\"$tar/|\"path\":\"data/val/|" tar.jsonl | sort >a
    sort one.jsonl | cmp -s a - || die "$tar says something else"
done
find data/val -type f | LC_ALL=C sort >list
predict list.jsonl run --list list --top 3
ranks=2 predict more.jsonl run - --top 3 <list
cmp -s list.jsonl more.jsonl || die "standard input says something else than --list"
tr '\n' '\0' <list >list0
predict more.jsonl run - --top 3 <list0
cmp -s list.jsonl more.jsonl || die "find -print0 says something else"
sort list.jsonl >a
sort one.jsonl | cmp -s a - || die "a list says something else than a folder"
mapfile -t files < <(head -n 6 list)
predict more.jsonl run "${files[@]}" --top 3
head -n 6 list.jsonl >a
cmp -s more.jsonl a || { # batches of other images
    diff <(sed 's/[0-9.e-]*[,}]//g' more.jsonl) <(sed 's/[0-9.e-]*[,}]//g' a) >/dev/null || die "single files"
}
predict more.jsonl run data/val val.tar "${files[0]}" --top 3
[ "$(wc -l <more.jsonl)" = $((2 * images + 1)) ] || die "several inputs"
pass "folders, tars, gzipped tars, lists, standard input, single files"

for ranks in 1 2 3; do
    predict "$ranks.csv" run data/val --csv --top 2
    cmp -s 1.csv "$ranks.csv" || die "$ranks ranks write another CSV"
done
head -n 1 1.csv | grep -qx 'path,error,class_1,name_1,p_1,ce_1,kd_1,class_2,name_2,p_2,ce_2,kd_2' ||
    die "the head of the CSV"
[ "$(wc -l <1.csv)" = $((images + 1)) ] || die "not a line for each image in the CSV"
pass "CSV"

# Broken images lose nothing else.
cp -r data/val odd
mapfile -t odd < <(find odd -type f | LC_ALL=C sort)
head -c 300 "${odd[3]}" >x && mv x "${odd[3]}"
: >"${odd[10]}"
echo "<html>" >"odd/page.jpg"
ln -s nowhere odd/link.png
sed 's|data/val|odd|' one.jsonl >a
for ranks in 1 2 3; do
    status=0
    run "$ranks" predict run odd --top 3 --set eval.batch=4 >"odd$ranks.jsonl" 2>log || status=$?
    [ $status = 1 ] || die "broken images: exit code $status, not 1"
    grep -q "dho: error: 4 of $((images + 2)) could not be predicted" log || die "how many are broken"
    cmp -s odd1.jsonl "odd$ranks.jsonl" || die "$ranks ranks write other lines of broken images"
done
[ "$(grep -c '"error":' odd1.jsonl)" = 4 ] || die "not an error for each broken image"
[ "$(wc -l <odd1.jsonl)" = $((images + 2)) ] || die "broken images lose others"
grep '"error":' odd1.jsonl | grep -q '"top"' && die "a broken image has classes"
grep -qF "{\"path\":\"${odd[3]}\",\"error\":\"" odd1.jsonl || die "which image is broken"
head -c 5000 val.tar >cut.tar
status=0
ranks=2
run 2 predict run cut.tar "${files[0]}" >more.jsonl 2>log || status=$?
[ $status = 1 ] && [ "$(wc -l <more.jsonl)" = 2 ] || die "a cut tar beside an image"
grep -q '{"path":"cut.tar","error":"' more.jsonl || die "the cut tar is not named"
pass "broken images and a cut tar: a line with the error, exit code 1"

# None of these.
for kind in energy probability; do
    ranks=1 predict accept.jsonl run data/val --reject $kind --accept 75%
    [ "$(grep -c '"accepted":true' accept.jsonl)" -ge $((images * 3 / 4)) ] || die "--accept 75% by $kind"
    [ "$(grep -c '"accepted":false' accept.jsonl)" -gt 0 ] || die "--accept 75% by $kind takes all"
    grep -q "^val: 75 % of its images have" log || die "the threshold is not said"
    ranks=3 predict more.jsonl run data/val --reject $kind --accept 75
    cmp -s accept.jsonl more.jsonl || die "--reject $kind on 3 ranks"
done
grep -q '"energy"' accept.jsonl && die "an energy where probabilities count"
ranks=1
predict more.jsonl both.safetensors data/val --reject energy --threshold -1000
grep -q '"accepted":true' more.jsonl && die "no energy is below -1000"
predict more.jsonl both.safetensors data/val --reject probability --threshold 0
grep -q '"accepted":false' more.jsonl && die "all probabilities are above 0"
pass "none of these, by energy and by probability; the threshold from the evaluation"

# The page.
mkdir odd/hostile
cp "${odd[0]}" 'odd/hostile/<img src=x onerror=alert(1)>".jpg'
for ranks in 1 3; do
    run "$ranks" predict run odd --html "page$ranks.html" --reject energy --accept 75% --pictures 12 \
        --set eval.batch=4 >/dev/null 2>log && die "odd has broken images"
done
cmp -s page1.html page3.html || die "3 ranks write another page"
for text in "The first 12 of $((images + 3))" 'data:image/jpeg;base64,/9j/' 'none of these' 'Not read:' \
    'the &lt;b&gt;' 'could not be read' 'prefers-color-scheme:dark'; do
    grep -qF -- "$text" page1.html || die "the page has no $text"
done
run 1 predict run odd --html page.html >/dev/null 2>log && die "odd has broken images"
grep -qF '&lt;img src=x onerror=alert(1)&gt;&quot;.jpg' page.html || die "a hostile name"
grep -qE '<script|<img src=x|https?:' page.html && die "the page loads or runs something"
[ "$(grep -c '<img ' page.html)" = $((images - 1)) ] || die "not a picture for each image"
pass "the page: pictures, classes, errors, hostile names; the same bytes on 3 ranks"
[ "$(grep -c 'class="cards"' page.html)" = 1 ] || die "the page has no cards"
. "$here/tests/e2e/browser.bash"
look page.html

# Refusals, alike on 1 and 2 ranks.
mkdir -p empty/inner
: >nothing
for ranks in 1 2; do
    refuse 2 "no image in" predict run empty
    refuse 2 "nowhere.jpg: no such image" predict run "${files[0]}" nowhere.jpg
    refuse 2 "names no image" predict run --list nothing
    refuse 2 "usage: dho predict" predict run
    refuse 2 "is a folder" predict run data/val --html empty
    refuse 2 "needs either" predict run data/val --reject energy
    refuse 2 "need --reject" predict run data/val --threshold 1
    refuse 2 "expected 1% to 100%" predict run data/val --reject energy --accept 0.95
    refuse 2 "expected a number" predict run data/val --reject energy --threshold much
    refuse 2 "an export has no outputs" predict both.safetensors data/val --reject energy --accept 95%
    refuse 2 "no such checkpoint" predict nowhere data/val
    refuse 2 "holds no checkpoint" predict data data/val
    refuse 2 "names.txt" predict names.txt data/val
    refuse 2 "is it a file of this version" predict run/checkpoints/step-00000004/model.safetensors data/val
done
ranks=2
run 1 export run --head none --out none.safetensors >log 2>&1 || die "export without a head"
refuse 2 "says of no head" predict none.safetensors data/val
head -c 20000 both.safetensors >cut.safetensors
refuse 2 "cut.safetensors" predict cut.safetensors data/val
sed 's/"width":"8"/"width":"9"/' both.safetensors >other.safetensors
refuse 2 "other.safetensors" predict other.safetensors data/val
rm -r run/eval run/eval.json
refuse 2 "not evaluated yet" predict run data/val --reject energy --accept 95%
ranks=1 predict more.jsonl run data/val
grep -q "warning: .*there is no evaluation of these weights: alpha 0.5 and beta 1" log ||
    die "that alpha and beta are not chosen is not said"
printf 'arrow\n' >bad.txt
refuse 2 "data.class_names: bad.txt: .*expected a class and its name" train -c base.yaml --out other \
    --set data.class_names=bad.txt
finish
