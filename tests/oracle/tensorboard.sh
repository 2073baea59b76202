# Event files against TensorBoard's own reader: each number of metrics.jsonl and eval.json, also of a run that
# was killed while it wrote and went on from an older checkpoint.
. "$(dirname "$0")/../e2e/lib.bash"
needs_python tensorboard
oracle() { "$python" "$here/tests/golden/tensorboard_oracle.py" "$@" >"$work/log" 2>&1 || die "TensorBoard: $*"; }
train() { run 2 train -c "$work/base.yaml" --set train.log_every=2 --set train.checkpoint_every=6 \
    --set train.conflict_every=5 "$@" >"$work/log" 2>&1 || die "train $*"; }

small_data
train --set train.steps=12
oracle "$work/run"
pass "one session: $(tail -n 1 "$work/log")"

# Killed in the middle of a record; then from an older checkpoint, whose later steps are made again.
first=$(echo "$work"/run/events.out.tfevents.*)
truncate -s -7 "$first"
train --set train.steps=14 --resume "$work/run/checkpoints/step-00000006"
[ "$(ls "$work"/run/events.out.tfevents.* | wc -l)" = 2 ] || die "not a file a session"
oracle "$work/run"
pass "two sessions, the first one torn: $(tail -n 1 "$work/log")"

# An evaluation that was made, and is made again: the run was cut off in it at first (SIGTERM), and killed behind it.
due=(--out "$work/due" --set train.eval_every=3)
train "${due[@]}" --set train.steps=6
sed -i 's/"due": false/"due": true/' "$work/due/checkpoints/step-00000006/state.json"
train "${due[@]}" --set train.steps=8
[ "$(grep -c '"step":6,"evaluated"' "$work/due/metrics.jsonl")" = 1 ] || die "step 6 is evaluated twice in metrics.jsonl"
oracle "$work/due"
pass "an evaluation that was made again: $(tail -n 1 "$work/log")"

run 2 eval "$work/run/checkpoints/step-00000012" >"$work/log" 2>&1 || die "eval of step 12"
run 2 eval "$work/run" >"$work/log" 2>&1 || die "eval"
run 1 eval "$work/run" --stored >"$work/log" 2>&1 || die "eval --stored"
oracle "$work/run" 12 14
pass "evaluations of two steps, one of them twice: $(tail -n 1 "$work/log")"
finish
