# dho table: what it lacks as a script that makes it, with a real run; many runs from written files;
# wrong plans and wrong files.
# One process of one thread.
. "$(dirname "$0")/lib.bash"
cd "$work"
"$DHO" synth --out data --train 6 --val 3 --test 2 >log 2>&1 || die "synth"
mkdir -p configs/tables
cat >configs/base.yaml <<'EOF2'
data: {root: data/train, labels: shots, shots: 2, image_size: 32}
student: {model: resnet18, width: 8}
train: {shards: 2, batch_labelled: 8, batch_unlabelled: 0, steps: 2, log_every: 1}
eval: {batch: 8, sets: [{name: val, root: data/val}, {name: a, root: data/test_a}]}
EOF2
cat >configs/tables/small.yaml <<'EOF2'
title: Small
source: nowhere
config: ../base.yaml
set: ["method={method}", "data.shots={shots}", "seed={seed}"]
seeds: [1, 2]
rows: {method: {values: [ce]}}
columns: {shots: {values: [1, 2]}}
tests: [val, {set: a, label: set a}]
published: [{shots: 2, test: val, top1: 50}]
EOF2
"$DHO" table >log 2>&1 || die "the list of tables"
grep -q '^small  *Small$' log || die "small is not listed"

# One run through the script, trained and evaluated.
"$DHO" table small --missing --only shots=2,seed=1 >make.sh 2>log || die "--missing"
[ "$(grep -c '^make ' make.sh)" = 1 ] || die "not one run is missing"
LAUNCH="$here/launch/mpirun.sh 1" sh make.sh >log 2>&1 || die "the script of missing runs"
"$DHO" table small >log 2>&1 || die "the table"
grep -Eq '^ce .*- .* [0-9.]+ \[[0-9.]+ [0-9.]+\] \(1\) +50\.0 +-[0-9.]+ ' log || die "the run is not in the table"
grep -q '3 of 4 runs are not counted: 3 missing, 0 unfinished, 0 of another' log || die "the count"
grep -q 'runs/small/ce-1/seed-1$' log || die "a missing run is not named"
pass "a missing run is made by the script and counted"
"$DHO" table small --missing --only shots=2,seed=1 | grep -q '^make ' && die "a run that is there is missing"

# Further evaluations go their way.
"$DHO" eval -c configs/base.yaml --out runs/small/ce-2/seed-1 --set method=ce --set data.shots=2 \
    --set seed=1 --set eval.resize=64 >log 2>&1 || die "eval"
"$DHO" table small >log 2>&1
grep -q 'eval.resize: 64.*the table asks for "eval.resize: 0"' log || die "another evaluation is counted"
"$DHO" table small --set eval.resize=64 | grep -q ' (1)  ' || die "--set does not reach the runs"
code=0
"$DHO" table small --missing | JOBS=two sh >log 2>&1 || code=$?
[ $code = 2 ] && grep -q '^JOBS: expected a positive number, got "two"$' log || die "JOBS=two: $code, $(cat log)"
"$DHO" table small --missing | JOBS=2 LAUNCH="$here/launch/mpirun.sh 1" sh -s -- >log 2>&1 || die "all that is missing"
[ "$(grep -c '^== ' log)" = 4 ] || die "two jobs did not share four runs"
"$DHO" table small >log 2>&1
grep -q "not counted" log && die "something is still missing"
[ "$(grep -o '(2)' log | wc -l)" = 4 ] || die "not two seeds in each cell"
pass "the whole table is made by its script, a wrong evaluation made again"

# A table of the best checkpoints: the script evaluates these, an evaluation of another does not count.
sed -e 's/^config.*/&\ncheckpoint: best/' -e 's/"seed={seed}"/&, train.eval_every=1, train.eval_on=val, train.keep_best=nll/' \
    configs/tables/small.yaml >configs/tables/best.yaml
best=(table best --only shots=2,seed=1 --set train.steps=3 --set train.checkpoint_every=1 --set train.checkpoint_keep=9)
"$DHO" "${best[@]}" >log 2>&1 || die "the table of the best"
grep -q '&& dho eval .* --best$' log || die "the command does not evaluate the best"
for _ in 1 2; do
    "$DHO" "${best[@]}" --missing | LAUNCH="$here/launch/mpirun.sh 1" sh -s -- >log 2>&1 || die "the script of the best"
    step=$(readlink runs/best/ce-2/seed-1/checkpoints/best)
    grep -q "\"step\": ${step#step-0000000}," runs/best/ce-2/seed-1/eval.json || die "not the best is evaluated"
    "$DHO" "${best[@]}" >log 2>&1
    grep -q "not counted" log && die "the best does not count"
    other=step-00000001
    [ "$step" != $other ] || other=step-00000002
    ln -sfn $other runs/best/ce-2/seed-1/checkpoints/best
    "$DHO" "${best[@]}" >log 2>&1
    grep -q "evaluated at step ${step#step-0000000}, its best checkpoint is of step ${other#step-0000000}" log ||
        die "another checkpoint's evaluation counts"
done
sed 's/, train.keep_best=nll//' configs/tables/best.yaml >configs/tables/none.yaml
"$DHO" table none >log 2>&1 && die "checkpoint: best without train.keep_best"
grep -q "checkpoint: best: needs train.keep_best" log || die "checkpoint: best without train.keep_best is not said"
sed 's/checkpoint: best/checkpoint: better/' configs/tables/best.yaml >configs/tables/none.yaml
"$DHO" table none >log 2>&1 && die "checkpoint: better"
grep -q "none.yaml:4:1: checkpoint: expected newest or best" log || die "checkpoint: better is not said"
rm -r configs/tables/{best,none}.yaml runs/best
pass "a table of the best checkpoints"

# Old numbers whose settings nobody knows do not count; an evaluation that cannot write its settings
# says so at once.
cp -r runs/small/ce-2/seed-1 kept
rm runs/small/ce-2/seed-1/eval/config.yaml
mkdir -p runs/small/ce-2/seed-1/eval/config.yaml/in-the-way
"$DHO" eval -c configs/base.yaml --out runs/small/ce-2/seed-1 --set method=ce --set data.shots=2 \
    --set seed=1 --set eval.resize=64 >log 2>&1 && die "a folder was written as a file"
grep -q "eval/config.yaml: is a folder" log || die "the folder in the way is not named"
"$DHO" table small >log 2>&1
grep -q "^1 of [0-9]* runs are not counted" log || die "old numbers outlive their settings"
rm -r runs/small/ce-2/seed-1
mv kept runs/small/ce-2/seed-1
pass "numbers without the settings of their evaluation do not count"
# An evaluation that dies while it writes leaves no old numbers beside new settings: on a full disk, with
# an eval.json whose removal gives no room.
if [ "$(id -u)" = 0 ] && mkdir full && mount -t tmpfs -o size=64m tmpfs full 2>/dev/null; then
    trap 'umount "$work/full"; rm -rf "$work"' EXIT
    cp -r runs/small/ce-2/seed-1 full/run
    : >full/run/eval.json
    dd if=/dev/zero of=full/fill bs=64k 2>/dev/null && die "the disk is not full"
    dd if=/dev/zero of=full/rest bs=4k 2>/dev/null && die "the disk is not full"
    "$DHO" eval -c configs/base.yaml --out full/run --set method=ce --set data.shots=2 --set seed=1 \
        --stored >log 2>&1 && die "written on a full disk"
    grep -q "No space left" log || die "a full disk is not named"
    [ ! -e full/run/eval.json ] || die "old numbers outlive their settings"
    pass "an evaluation that cannot be written leaves no old numbers"
else
    skip_part "full disk (needs root to mount a small tmpfs)"
fi

# What is not trained changes nothing; what goes on with other settings is told apart.
run1() { "$here/launch/mpirun.sh" 1 "$DHO" train -c configs/base.yaml --out runs/small/ce-2/seed-1 --set method=ce \
    --set data.shots=2 --set seed=1 "$@" >log 2>&1 || die "train $*"; }
cp -r runs/small/ce-2/seed-1 kept
run1 --set train.lr=0.1
grep -q "nothing to do: all 2 steps are done" log || die "a run that is done is trained"
run1 --set train.steps=1
cmp -s kept/config.yaml runs/small/ce-2/seed-1/config.yaml || die "config.yaml of a run that is done has changed"
cmp -s kept/sessions.jsonl runs/small/ce-2/seed-1/sessions.jsonl || die "a session that trained nothing"
run1 --set train.steps=4 --set train.lr=0.1
"$DHO" table small --set train.steps=4 --set train.lr=0.1 >log 2>&1
grep -q 'ce-2/seed-1/sessions.jsonl: the session from step 0 on: has "train.steps: 2"' log ||
    die "steps of other settings count"
rm -r runs/small/ce-2/seed-1
mv kept runs/small/ce-2/seed-1
"$DHO" table small | grep -q "not counted" && die "the run as it was does not count"
pass "a run counts with what its steps were trained with"

# A training that goes on with more steps is not done yet, one of another learning rate not the same.
"$DHO" table small --set train.lr=0.5 | grep -q '4 of 4.* 0 missing, 0 unfinished, 4 of another' ||
    die "other learning rates are counted"
rm runs/small/ce-1/seed-2/eval.json
echo '{"method": "ce", "step": 2, "sets": [{"name": "val", "images": 9, "combined": {"top1": 120}}]}' >runs/small/ce-1/seed-1/eval.json
"$DHO" table small >log 2>&1
grep -q 'ce-1/seed-2/eval.json: is not there' log || die "a run that is not evaluated"
grep -q 'ce-1/seed-1/eval.json: combined.top1 is no percentage' log || die "a wrong eval.json"
pass "runs that are not done are named with the reason"

"$DHO" table small --markdown >log 2>&1 || die "--markdown"
grep -q '^| ce | - ' log && grep -q '^|---|---:|' log || die "Markdown"
"$DHO" table configs/tables/small.yaml --json >log 2>&1 || die "--json"
grep -q '"interval": "student_t"' log || die "JSON"
pass "Markdown and JSON"

# The script names runs that fail and goes on; exit code 75 ends it.
cat >fake <<'EOF2'
#!/bin/sh
case "$*" in *seed-1*) exit "${FAKE:-1}" ;; esac
mkdir -p "$5" && echo "$1" >>calls
EOF2
chmod +x fake
"$DHO" table small --runs elsewhere --missing >make.sh
status=0
DHO=./fake LAUNCH=env sh make.sh >log 2>&1 || status=$?
[ $status = 1 ] && [ "$(wc -l <calls)" = 4 ] || die "a run that fails stops the others"
grep -q "^2 failed" log || die "failed runs are not counted"
status=0
FAKE=75 DHO=./fake LAUNCH=env sh make.sh >log 2>&1 || status=$?
[ $status = 75 ] || die "exit code $status, not 75"
pass "the script names what fails, goes on, and ends when it is stopped"

# What a run needs and is not there is made first, once; a run of another method does not need it.
cat >configs/tables/needs.yaml <<'EOF2'
title: Needs
config: ../base.yaml
set: ["data.shots=2", "train.batch_unlabelled=8", "teacher.cache=teacher-cache", "eval.sets=[{name: val, root: data/val}]"]
seeds: [1]
rows: {method: {set: ["method={method}"], values: [ce, kd, single_head]}}
tests: [val]
prepare:
  - path: teacher/checkpoints/step-00000002
    command: dho train {arguments} --set method=ce --set data.labels=all --out teacher
  - path: teacher-cache/cache.json
    command: >-
      dho cache build {arguments} --teacher teacher/checkpoints/step-00000002
      --shards 4 --out teacher-cache
EOF2
"$DHO" table needs --only method=ce | grep -q "needed by" && die "CE needs a teacher"
"$DHO" table needs >log 2>&1 || die "a table that needs more"
grep -A 4 "^Not there, and needed by" log | grep -q '^    dho cache build -c configs/base.yaml --set ' ||
    die "what is needed is not listed"
"$DHO" table needs --missing >make.sh
[ "$(grep -c '^prepare teacher' make.sh)" = 2 ] || die "not each preparation once"
LAUNCH="$here/launch/mpirun.sh 1" sh make.sh >log 2>&1 || die "the script with preparations"
"$DHO" table needs >log 2>&1
grep -q "not counted\|needed by" log && die "something is still missing"
pass "the teacher and its cache are made before the runs that need them"

refuse 2 "nothing: no such table" table nothing
refuse 2 "missing.yaml" table missing.yaml
refuse 2 "one of them" table small --json --markdown
refuse 2 "names its configurations" table small -c configs/base.yaml
refuse 2 "usage" table --json
refuse 2 "no such axis" table small --only method=kd
refuse 2 "train.lrr" table small --set train.lrr=1
sed 's/tests:.*/tests: [v]/; /published/d' configs/tables/small.yaml >configs/tables/set.yaml
refuse 2 "no configuration has a set v" table set
sed '2,3d' configs/tables/small.yaml >configs/tables/config.yaml
refuse 2 "config.yaml:1:1: config is missing" table config
sed 's/{shots}/{shot}/' configs/tables/small.yaml >configs/tables/axis.yaml
refuse 2 "axis.yaml:4:.*{shot} is no axis" table axis
finish
