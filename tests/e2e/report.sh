# dho report: every section of a tiny run, two runs side by side, hostile names, partial folders.
# One process of one thread.
. "$(dirname "$0")/lib.bash"
"$DHO" synth --out "$work/data" --train 4 --val 4 --test 2 >"$work/log" 2>&1 || die "synth"
hostile() { # the first class gets a name that a page must escape
    for part in train val; do mv "$work/data/$part/arrow" "$work/data/$part/$1"; done
}
hostile '<script>alert("1")<' # a slash cannot be in it
cat >"$work/base.yaml" <<EOF2
method: dho
out: $work/teacher
data: {root: $work/data/train, labels: shots, shots: 2, image_size: 32}
student: {model: resnet18, width: 8}
teacher: {cache: $work/cache}
train: {shards: 2, batch_labelled: 8, batch_unlabelled: 8, steps: 12, log_every: 1, conflict_every: 3}
eval: {batch: 16, select_on: val, sets: [{name: val, root: $work/data/val}]}
EOF2
run 1 train -c "$work/base.yaml" --set method=ce --set train.conflict_every=0 --set train.steps=2 \
    >"$work/log" 2>&1 || die "training the teacher"
run 1 cache build -c "$work/base.yaml" --teacher "$work"/teacher/checkpoints/step-* --shards 2 \
    >"$work/log" 2>&1 || die "building the cache"
for method in dho single_head; do
    run 1 train -c "$work/base.yaml" --set method=$method --out "$work/$method" >"$work/log" 2>&1 ||
        die "training $method"
    run 1 eval -c "$work/base.yaml" --set method=$method --out "$work/$method" >"$work/log" 2>&1 ||
        die "evaluating $method"
done

report() { # OUT ARGUMENT ...
    local out=$1
    shift
    "$DHO" report "$@" --out "$work/$out" >"$work/log" 2>&1 || die "report $*"
}
has() { # FILE TEXT ...
    local file=$1 text
    shift
    for text in "$@"; do grep -qF -- "$text" "$work/$file" || die "$file has no $text"; done
}
hasnt() {
    grep -qF -- "$2" "$work/$1" && die "$1 has $2"
    return 0
}
well_formed() { # FILE: tags are closed in order, nothing is loaded, nothing is run
    "${DHO_PYTHON:-python3}" - "$work/$1" <<'EOF2'
import html.parser, re, sys
void = {"meta", "br", "img", "link", "input", "hr"}
class Checker(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids = [], set()
    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        assert tag not in ("script", "link", "iframe", "object"), tag
        for name, value in attributes.items():
            assert not name.startswith("on"), name
            if name in ("src", "href"):
                assert value.startswith("#") or value.startswith("data:image/jpeg;base64,"), value
        if "id" in attributes:
            assert attributes["id"] not in self.ids, attributes["id"]
            self.ids.add(attributes["id"])
        if tag not in void:
            self.open.append(tag)
    def handle_startendtag(self, tag, attributes):
        pass
    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.getpos())
text = open(sys.argv[1], encoding="utf-8").read()
checker = Checker()
checker.feed(text)
assert not checker.open, checker.open
assert not re.search(r"\b(nan|inf)\b", re.sub(r">[^<]*<", "><", text)), "a number is not finite"
assert "http" not in text.replace("http://www.w3.org/2000/svg", ""), "refers to something outside"
EOF2
}
if "${DHO_PYTHON:-python3}" -c 1 2>/dev/null; then
    check() { well_formed "$1" || die "$1 is not well-formed"; }
else
    skip_part "well-formedness (no Python)"
    check() { :; }
fi

report both.html "$work/dho" "$work/single_head" --svg "$work/svg"
check both.html
. "$here/tests/e2e/browser.bash"
look both.html
has both.html '<h1>2 runs</h1>' 'id="figure-accuracy"' 'id="figure-training"' 'id="figure-speed"' \
    'id="figure-alpha-beta-1"' 'id="figure-paired"' 'id="figure-calibration"' 'id="figure-conflict"' 'id="figure-conflict-cosine"' \
    'id="figure-classes"' 'Most frequent confusions' 'data:image/jpeg;base64,/9j/' \
    'Where the runs differ' 'layer4.1' '<bdi>single_head</bdi>' 'threads a rank' 'resnet18' \
    '&lt;script&gt;alert(&quot;1&quot;)&lt;'
hasnt both.html '<script'
hasnt both.html 'What these runs do not have'
pass "two runs side by side, every section, a hostile class name"
for figure in accuracy paired calibration training speed alpha-beta-1 conflict conflict-cosine conflict-ratio classes; do
    has "svg/$figure.svg" 'xmlns="http://www.w3.org/2000/svg"' 'prefers-color-scheme:dark'
    if command -v xmllint >/dev/null; then xmllint --noout "$work/svg/$figure.svg" || die "$figure"; fi
done
pass "each figure as an SVG file"
report again.html "$work/dho" "$work/single_head"
OMP_NUM_THREADS=1 report third.html "$work/dho" "$work/single_head"
cmp -s "$work/both.html" "$work/again.html" && cmp -s "$work/both.html" "$work/third.html" ||
    die "the same runs, other bytes"
pass "the same runs give the same bytes"

# Partial folders: what is missing is named, the rest is shown.
cp -r "$work/dho" "$work/partial"
rm -r "$work/partial/metrics.jsonl" "$work/partial/sessions.jsonl" "$work/partial/checkpoints"
report partial.html "$work/partial"
check partial.html
has partial.html 'metrics.jsonl is not there' 'Not stored in these runs' 'id="figure-accuracy"'
cp -r "$work/dho" "$work/killed"
printf '{"step":13,"loss":NaN}\n{"step":14,"loss":1e999}\ngarbage\n{"step":15,"lo' \
    >>"$work/killed/metrics.jsonl"
rm "$work/killed/eval.json"
report killed.html "$work/killed"
check killed.html
has killed.html 'its last line is torn' '3 lines are not JSON' 'eval.json is not there' \
    'id="figure-training"'
pass "no metrics, no evaluation, a torn line, losses that are not numbers"

cp -r "$work/dho" "$work/odd"
head -c 3000 "$work/dho/eval/val.safetensors" >"$work/odd/eval/val.safetensors"
printf 'method: [' >"$work/odd/eval/config.yaml"
printf '[]\n{"host":"<b>","cores":"many"}\n{' >"$work/odd/sessions.jsonl"
report odd.html "$work/odd"
check odd.html
has odd.html 'val.safetensors' 'eval/config.yaml' '&lt;b&gt;' 'No run has stored head outputs'
sed 's/"name": "val"/"name": "..\/..\/val"/; s/"top1": [0-9.]*/"top1": 1e99/' "$work/dho/eval.json" \
    >"$work/odd/eval.json"
report odd.html "$work/odd"
has odd.html 'a set without a proper name'
printf '{"sets": 7}' >"$work/odd/eval.json"
report odd.html "$work/odd"
has odd.html 'has no list of sets'
pass "damaged outputs, configuration, sessions and eval.json"
mv "$work/data/val" "$work/data/gone"
report moved.html "$work/dho" --samples 3
has moved.html 'thumbnails of val' 'images not found'
hasnt moved.html 'data:image'
mv "$work/data/gone" "$work/data/val"
pass "images that are gone"

# An evaluation that is told less than the training: eval.* is its own, the rest is the training's.
cp -r "$work/dho" "$work/settings"
run 1 eval -c "$work/base.yaml" --set data.labels=all --set train.conflict_every=7 \
    --set eval.batch=13 --out "$work/settings" >"$work/log" 2>&1 || die "eval with other settings"
report settings.html "$work/settings"
has settings.html 'labels: shots' 'conflict_every: 3' 'batch: 13'
hasnt settings.html 'labels: all'
hasnt settings.html 'conflict_every: 7'
rm "$work/settings/config.yaml"
report settings.html "$work/settings"
has settings.html 'conflict_every: 7'
pass "the configuration of the training, with eval.* of the evaluation"

refuse 2 "no such folder" report "$work/nowhere"
refuse 2 "is no run" report "$work/data"
refuse 2 "usage: dho report" report --samples 3
refuse 2 "--samples: expected" report "$work/dho" --samples many
refuse 2 "unknown argument" report "$work/dho" --pdf x
refuse 1 "cannot" report "$work/dho" --out "$work/nowhere/report.html"
finish
