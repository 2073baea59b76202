# Weights after 50 steps are the same bits on 1, 2 and 4 ranks, after a resume on another number of
# ranks, after a kill, and after a stop by signal; so are the results of an evaluation.
. "$(dirname "$0")/lib.bash"
small_data

weights() { cat "$work/$1"/checkpoints/step-00000050/{model,optimizer}.safetensors; }
same() { # NAME TEXT: the final state of a run against that of the run on one rank
    weights p1 >"$work/a"
    weights "$1" >"$work/b" || die "$1 has no final checkpoint"
    cmp -s "$work/a" "$work/b" || die "$2"
    pass "$2"
}

for p in 1 2 4; do
    run $p train -c "$work/base.yaml" --out "$work/p$p" --set train.checkpoint_every=20 \
        --set train.checkpoint_keep=9 >"$work/log" 2>&1 || die "training on $p ranks"
    [ $p = 1 ] || same p$p "50 steps on 1 rank and on $p end with the same bits"
done

mkdir -p "$work/resumed/checkpoints"
cp -r "$work/p2/checkpoints/step-00000020" "$work/resumed/checkpoints/"
run 1 train -c "$work/base.yaml" --out "$work/resumed" >"$work/log" 2>&1 || die "resuming"
same resumed "a run of 2 ranks resumed on 1 rank ends with the same bits"

# A kill without a warning, some steps after a checkpoint.
run 2 train -c "$work/base.yaml" --out "$work/killed" --set train.checkpoint_every=10 \
    --set train.log_every=1 >"$work/log" 2>&1 &
launcher=$!
for _ in $(seq 600); do
    [ -d "$work/killed/checkpoints/step-00000010" ] && grep -q "step 1[2-9]/50" "$work/log" && break
    kill -0 $launcher 2>/dev/null || break
    sleep 0.1
done
pkill -KILL -f "train -c $work/base.yaml --out $work/killed" || true
wait $launcher && die "the run was not killed"
[ -d "$work/killed/checkpoints/step-00000050" ] && die "the run ended before it was killed"
run 2 train -c "$work/base.yaml" --out "$work/killed" >"$work/log" 2>&1 || die "resuming the killed"
grep -q "resumed from" "$work/log" || die "the killed run did not resume"
same killed "a run killed by SIGKILL and resumed ends with the same bits"
# Every step up to the one it resumed from (log_every: 1 then), every tenth after it.
from=$(grep -o 'resumed from .*step-0*[1-9][0-9]*' "$work/log" | sed 's/.*step-0*//')
# Events have lines of their own.
steps=$(grep -v '"event":' "$work/killed/metrics.jsonl" | grep -o '"step":[0-9]*' | cut -d: -f2)
[ "$steps" = "$(seq "$from"; seq $((from + 10)) 10 50)" ] || die "metrics.jsonl: steps" $steps
pass "metrics.jsonl has every step once"

# A polite stop.
for signal in USR1 TERM; do
    run 2 train -c "$work/base.yaml" --out "$work/stop$signal" --set train.log_every=1 \
        >"$work/log" 2>&1 &
    launcher=$!
    for _ in $(seq 600); do
        grep -q "step [5-9]/50" "$work/log" && break
        kill -0 $launcher 2>/dev/null || break
        sleep 0.05
    done
    # One rank only: the others learn it at the step boundary.
    kill -$signal "$(pgrep -f "^$DHO train -c $work/base.yaml --out $work/stop$signal" | head -n 1)"
    status=0
    wait $launcher || status=$?
    [ $status = 75 ] || die "exit code $status after SIG$signal, not 75"
    run 4 train -c "$work/base.yaml" --out "$work/stop$signal" >"$work/log" 2>&1 || die "resuming"
    same stop$signal "a run stopped by SIG$signal on one rank exits 75, resumes, same bits"
done

for p in 1 3; do
    run $p eval -c "$work/base.yaml" --checkpoint "$work/p1/checkpoints/step-00000050" \
        --out "$work/eval$p" >"$work/log" 2>&1 || die "evaluating on $p ranks"
done
cmp -s "$work/eval1/eval.json" "$work/eval3/eval.json" || die "eval.json differs with the ranks"
cmp -s "$work/eval1/eval/a.safetensors" "$work/eval3/eval/a.safetensors" || die "outputs differ"
pass "an evaluation gives the same on 1 and 3 ranks"
run 1 eval -c "$work/base.yaml" --out "$work/eval3" --stored >"$work/log" 2>&1 || die "eval --stored"
pass "an evaluation from stored head outputs"
finish
