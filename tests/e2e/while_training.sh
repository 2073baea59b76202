# Evaluation while training, the best checkpoint, the early end, the average of the weights: the same on any
# number of ranks, after a kill, and after a signal during an evaluation; eval and export of each choice.
. "$(dirname "$0")/lib.bash"
small_data
all=(--set train.steps=40 --set train.eval_every=10 --set train.checkpoint_every=10 --set train.keep_best=nll --set train.ema=0.9)

evaluations() { # NAME: its lines, without times
    grep '"evaluated"' "$work/$1/metrics.jsonl" | sed 's/,"eval_seconds":[^,}]*//'
}
state() { # NAME STEP: weights, optimiser, average, and what the evaluations said
    cat "$work/$1/checkpoints/step-000000$2"/*.safetensors
    sed -n '/"evaluations"/,/}/p' "$work/$1/checkpoints/step-000000$2/state.json"
}
same() { # A B STEP TEXT
    state "$1" "$3" >"$work/a" && state "$2" "$3" >"$work/b" || die "$4: no checkpoint"
    cmp -s "$work/a" "$work/b" || die "$4"
    cmp -s <(evaluations "$1") <(evaluations "$2") || die "$4: other evaluations"
    pass "$4"
}
value() { # KEY LINE
    sed -E "s/.*\"$1\":([^,}]*).*/\1/" <<<"$2"
}
is_value() { # LINE RUN [SET]: its top-1 and alpha are those of the combined prediction on SET (val), in eval.json
    awk -v top1="$(value eval_top1 "$1")" -v alpha="$(value eval_alpha "$1")" -v set="\"${3:-val}\"" '
        /"name"/ { found = index($0, set) > 0 }
        /"combined"/ { combined = found }
        /"top1"/ && combined { gsub(/[^0-9.]/, "", $2); hits = $2; combined = 0 }
        /^  "alpha"/ { gsub(/[^0-9.]/, "", $2); chosen = $2 }
        END { exit !((100 * top1 - hits) ^ 2 < 1e-6 && (alpha - chosen) ^ 2 < 1e-9) }' "$work/$2/eval.json"
}

train 1 plain --set train.steps=40
train 1 p1 "${all[@]}" --set train.checkpoint_keep=9
[ "$(evaluations p1 | grep -o '"step":[0-9]*' | tr '\n' ' ')" = '"step":10 "step":20 "step":30 "step":40 ' ] ||
    die "evaluations at" "$(evaluations p1)"
[ "$(grep -c 'evaluated on val: top-1 0\.[0-9]*, top-5 [01]\.[0-9]*, nll ' "$work/log")" = 4 ] || die "the console has no evaluation"
cmp -s "$work"/{plain,p1}/checkpoints/step-00000040/model.safetensors || die "evaluations change the weights"
[ ! -e "$work/plain/checkpoints/best" ] && [ ! -e "$work/plain/checkpoints/step-00000040/ema.safetensors" ] ||
    die "what nobody asked for"
grep -q "evaluation [0-9.]* MiB on rank 0, average of the weights [0-9.]* MiB" "$work/log" || die "no word of memory"
pass "evaluations and the average change no bit of the training"
for p in 2 4; do
    train $p p$p "${all[@]}"
    same p1 p$p 40 "weights, average, evaluations and the best are the same on 1 rank and on $p"
done

# The best is kept, and is the one of the lowest nll.
best=$(evaluations p1 | sed -E 's/.*"step":([0-9]*),.*"eval_nll":([^,]*),.*/\2 \1/' | sort -g | head -n 1 | cut -d' ' -f2)
[ "$(readlink "$work/p2/checkpoints/best")" = "step-000000$best" ] || die "best: $(readlink "$work/p2/checkpoints/best"), not $best"
train 2 high "${all[@]}" --set train.keep_best=top1 --set train.lr=0.05 --set train.checkpoint_keep=1
high=$(readlink "$work/high/checkpoints/best")
[ -f "$work/high/checkpoints/$high/state.json" ] || die "the best is not kept"
line=$(evaluations high | grep "\"step\":${high#step-000000},")
best_top1=$(evaluations high | sed -E 's/.*"eval_top1":([^,]*),.*/\1/' | sort -g | tail -n 1)
[ "$(value eval_top1 "$line")" = "$best_top1" ] || die "$high is not the best"
[ "$(ls "$work/high/checkpoints" | grep -c '^step')" -le 2 ] || die "more than the best and the newest are kept"
pass "the best checkpoint ($high) is kept beside the newest"

# eval and export of each.
run 2 eval "$work/high" --best >"$work/log" 2>&1 || die "eval --best"
grep -q "its best checkpoint is .*/$high" "$work/log" || die "eval --best does not say which"
is_value "$line" high || die "eval --best is not what was measured"
"$DHO" compare "$work/high" >"$work/log" 2>&1 || die "compare"
! grep -q '![0-9]' "$work/log" || die "the evaluation of the best is called old"
run 1 eval "$work/high" --stored >"$work/log" 2>&1 || die "eval --stored of the best"
is_value "$line" high || die "eval --stored of the best"
run 2 eval "$work/p2" >"$work/log" 2>&1 || die "eval"
is_value "$(evaluations p2 | tail -n 1)" p2 || die "eval is not what was measured"
grep -q '"weights": "ema"' "$work/p2/eval.json" || die "eval.json does not say that it is of the average"
run 2 eval "$work/plain" --out "$work/last0" >"$work/log" 2>&1 || die "eval of the plain run"
run 2 eval "$work/p2" --weights last --out "$work/last" >"$work/log" 2>&1 || die "eval --weights last"
cmp -s <(tail -c +1000 "$work/last/eval/val.safetensors" | tail -c 5000) \
    <(tail -c +1000 "$work/last0/eval/val.safetensors" | tail -c 5000) || die "--weights last: other outputs than without an average"
! grep -q '"weights"' "$work/last/eval.json" || die "eval.json of the last weights says ema"
pass "eval of the newest, the best, the average and the last weights"
for weights in ema last; do
    run 1 export "$work/p2" --head both --weights $weights --out "$work/$weights.safetensors" >"$work/log" 2>&1 || die "export"
done
run 1 export "$work/p2" --head both --out "$work/default.safetensors" >"$work/log" 2>&1 || die "export"
run 1 export "$work/plain" --head both --out "$work/plain.safetensors" >"$work/log" 2>&1 || die "export"
cmp -s "$work"/{default,ema}.safetensors || die "export takes other weights than eval"
grep -aq '"weights": *"ema"' "$work/ema.safetensors" && grep -aq '"alpha"' "$work/ema.safetensors" || die "the export's metadata"
! grep -aq '"alpha"' "$work/last.safetensors" || die "the export of the last weights has the average's alpha"
cmp -s <(tail -c 20000 "$work/last.safetensors") <(tail -c 20000 "$work/plain.safetensors") || die "export --weights last"
cmp -s <(tail -c 20000 "$work/last.safetensors") <(tail -c 20000 "$work/ema.safetensors") && die "the average is the last weights"
run 1 export "$work/high" --best --out "$work/best.safetensors" >"$work/log" 2>&1 || die "export --best"
pass "export of the average, the last weights and the best"
run 1 report "$work/p2" "$work/plain" --out "$work/report.html" >"$work/log" 2>&1 || die "report"
grep -q 'id="figure-evaluations"' "$work/report.html" || die "the report has no figure of the evaluations"
run 1 report "$work/plain" --out "$work/report.html" >"$work/log" 2>&1 || die "report"
! grep -q 'id="figure-evaluations"' "$work/report.html" || die "an empty figure"
pass "the report shows them"

# On images that are held out of training; what a dry run says of it.
hold=(--set data.holdout=1 --set eval.select_on=holdout --set train.steps=5 --set train.eval_every=2 --set train.keep_best=top1
    --set train.ema=0.5)
run 2 train -c "$work/base.yaml" --out "$work/hold2" "${hold[@]}" --dry-run >"$work/log" 2>&1 || die "the dry run"
grep -q "^ .* for 3 evaluations on holdout of .* each; .* together$" "$work/log" || die "the dry run's evaluations"
grep -q "^memory .* average [0-9.]* MiB, activations .*, evaluation [0-9.]* MiB, copies for checkpoints [0-9.]* MiB,$" "$work/log" || die "the dry run's memory"
grep -q "at most 4 checkpoints of .*train.checkpoint_keep: 2, the best, and the one" "$work/log" || die "the dry run's checkpoints"
for p in 1 2; do train $p hold$p "${hold[@]}"; done
same hold1 hold2 05 "evaluations on held-out images: the same on 1 and 2 ranks"
grep -q '"evaluated":"holdout"' "$work/hold2/metrics.jsonl" || die "not on the held-out images"
run 1 eval "$work/hold2" >"$work/log" 2>&1 || die "eval of the run with held-out images"
is_value "$(evaluations hold2 | tail -n 1)" hold2 holdout || die "eval says something else of the held-out images"

# Resumed on another number of ranks; killed.
mkdir -p "$work/resumed/checkpoints"
cp -r "$work/p1/checkpoints/step-00000020" "$work/resumed/checkpoints"
grep -E '"step":(10|20),' "$work/p1/metrics.jsonl" >"$work/resumed/metrics.jsonl"
train 4 resumed "${all[@]}"
same p1 resumed 40 "a run of 1 rank resumed on 4 makes the same evaluations and ends with the same bits"
early=(--set train.eval_every=5 --set train.keep_best=top1 --set train.patience=2 --set train.min_delta=2 --set train.log_every=4)
train 2 early "${early[@]}"
grep -q "the run ends at step 15 of 50: top1 on val was not better in 2 evaluations" "$work/log" || die "no early end"
grep -q '"total_steps": 15' "$work/early/checkpoints/step-00000015/state.json" || die "the run is not done"
[ "$(grep -v '"evaluated"' "$work/early/metrics.jsonl" | grep -o '"step":[0-9]*' | tail -n 1)" = '"step":15' ] || die "the last steps' line"
train 1 early "${early[@]}"
grep -q "the run ended at step 15" "$work/log" || die "an ended run goes on"
mkdir -p "$work/early1/checkpoints"
cp -r "$work/early/checkpoints/step-00000010" "$work/early1/checkpoints" 2>/dev/null ||
    cp -r "$work/early/checkpoints/step-00000005" "$work/early1/checkpoints"
train 1 early1 "${early[@]}"
grep -q "the run ends at step 15" "$work/log" || die "the early end of a resumed run"
cmp -s "$work"/{early,early1}/checkpoints/step-00000015/model.safetensors || die "the early end of a resumed run: other bits"
train 2 early "${early[@]}" --set train.patience=4
grep -q "the run ends at step 25" "$work/log" || die "a larger patience"
pass "an early end, again, resumed on another number of ranks, with a larger patience"

# A signal during an evaluation, which takes a second: the checkpoint of step 1 is written meanwhile.
slow=(-c "$work/base.yaml" --set method=ce --set data.labels=all --set student.width=32 --set data.image_size=192 --set train.shards=2
    --set train.batch_labelled=4 --set train.steps=4 --set train.eval_every=2 --set train.log_every=1 --set train.keep_best=nll
    --set train.ema=0.5 --set "eval.sets=[{name: big, root: $work/data/train}]" --set 'eval.select_on=""' --set train.eval_on=big
    --set train.checkpoint_every=1)
cut_off() { # SIGNAL NAME: a run that gets the signal during the evaluation of step 2; its exit code in $status
    run 2 train "${slow[@]}" --out "$work/$2" >"$work/log" 2>&1 &
    local launcher=$!
    for _ in $(seq 2400); do
        grep -q "^step 2/4 " "$work/log" && [ -d "$work/$2/checkpoints/step-00000001" ] && break
        kill -0 $launcher 2>/dev/null || break
        sleep 0.02
    done
    sleep 0.1
    kill "-$1" "$(pgrep -f "^$DHO train -c $work/base.yaml .*--out $work/$2" | head -n 1)"
    status=0
    wait $launcher || status=$?
    ! grep -q "evaluated on" "$work/log" || die "SIG$1: the evaluation was not cut off"
}
run 2 train "${slow[@]}" --out "$work/slow" >"$work/log" 2>&1 || die "the slow run"
cut_off TERM cut
[ $status = 75 ] || die "exit code $status after SIGTERM in an evaluation, not 75"
grep -q '"due": true' "$work/cut/checkpoints/step-00000002/state.json" || die "the evaluation is forgotten"
run 1 train "${slow[@]}" --out "$work/cut" >"$work/log" 2>&1 || die "going on"
[ "$(grep -m 1 -o '^step [0-9]*/4, evaluated' "$work/log")" = "step 2/4, evaluated" ] || die "the evaluation is not made up for"
same slow cut 04 "SIGTERM in an evaluation: exit code 75, made up for on another number of ranks, same bits"
cut_off KILL killed
grep -q '"step": 1,' "$work/killed/checkpoints/step-00000001/state.json" && [ ! -e "$work/killed/checkpoints/step-00000002" ] ||
    die "SIGKILL: step 1 is not the newest checkpoint"
mv "$work/killed/checkpoints/step-00000001"{,.replaced} # as a kill between the two renames of a save leaves it
run 1 train "${slow[@]}" --out "$work/killed" >"$work/log" 2>&1 || die "going on after SIGKILL"
grep -q "step-00000001 is taken back" "$work/log" || die "the checkpoint that was being replaced is not taken back"
same slow killed 04 "SIGKILL in an evaluation, of a run whose one checkpoint was being replaced: same evaluations and bits"

# Refusals, on two ranks.
ranks=2
base=(train -c "$work/base.yaml" --out "$work/refused")
refuse 2 'train.eval_on: expected the name of a set in eval.sets (val, a), got "vall"' "${base[@]}" --set train.eval_every=5 --set train.eval_on=vall
refuse 2 "train.eval_on: needed with train.eval_every" "${base[@]}" --set train.eval_every=5 --set 'eval.select_on=""'
refuse 2 "train.keep_best: needs train.eval_every" "${base[@]}" --set train.keep_best=top1
refuse 2 "train.keep_best: expected one of none, top1" "${base[@]}" --set train.keep_best=accuracy
refuse 2 "train.patience: needs train.keep_best" "${base[@]}" --set train.eval_every=5 --set train.patience=1
refuse 2 "train.min_delta: has no effect without train.patience" "${base[@]}" --set train.min_delta=1
refuse 2 "nll_kd is of a student with two heads" "${base[@]}" --set method=ce --set train.eval_every=5 --set train.keep_best=nll_kd
refuse 2 "train.ema: expected" "${base[@]}" --set train.ema=1
refuse 2 'differs in "train.ema: 0.9", now "train.ema: 0"' train -c "$work/base.yaml" --out "$work/p2"
refuse 2 "holds no best checkpoint" eval "$work/plain" --best
refuse 2 "has no average of the weights" export "$work/plain" --weights ema
refuse 2 "is a checkpoint: --best" eval "$work/p2/checkpoints/best" --best
refuse 2 "have no effect with --stored" eval "$work/p2" --stored --best
cp -r "$work/data/val" "$work/broken"
for image in "$work"/broken/*/*; do head -c 200 "$image" >"$work/torn" && cp "$work/torn" "$image" && break; done
refuse 1 "broken/" "${base[@]}" --set train.eval_every=2 --set "eval.sets=[{name: val, root: $work/broken}]"
finish
