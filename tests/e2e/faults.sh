# Faults of files in a run: checkpoints that cannot be written, a metrics line, a diverging loss, what a killed
# run leaves.
. "$(dirname "$0")/lib.bash"
faults=${DHO_TOOLS:?the folder of the test tools}/dho_faults.so
[ -f "$faults" ] || skip "a sanitizer has the allocator that faults need"
"$DHO" synth --out "$work/data" --train 12 --val 4 --test 3 >"$work/log" 2>&1 || die "synth"
cat >"$work/c.yaml" <<EOF2
method: ce
data: {root: $work/data/train, labels: all, image_size: 32}
student: {model: resnet18, width: 4}
train: {shards: 2, batch_labelled: 8, batch_unlabelled: 0, steps: 10, log_every: 1, checkpoint_every: 2, checkpoint_keep: 9}
EOF2
train() { # NAME FAULT ARGUMENT ...: on $ranks ranks (2), ends with $code (0)
    local name=$1 fault=$2 status=0
    shift 2
    # Only the program itself: mpirun and the launcher have files of their own.
    cat >"$work/dho" <<EOF2
#!/bin/sh
LD_PRELOAD=$faults DHO_FAULT='$fault' DHO_FAULT_RANK=0 exec "$DHO" "\$@"
EOF2
    chmod +x "$work/dho"
    timeout 100 "$here/launch/mpirun.sh" "${ranks:-2}" "$work/dho" train -c "$work/c.yaml" --out "$work/$name" "$@" \
        >"$work/log" 2>&1 || status=$?
    [ $status = "${code:-0}" ] || die "$name: exit code $status, not ${code:-0}"
}
steps() { # NAME: its checkpoints
    ls "$work/$1/checkpoints" | sed -n 's/^step-0*//p' | tr '\n' ' '
}
lines_are_json() { # NAME
    ! grep -qv '^{"step":.*}$' "$work/$1/metrics.jsonl" || die "$1: a line of metrics.jsonl is torn"
}
same() { # NAME: its last weights are those of the run without faults
    cmp -s "$work"/{plain,"$1"}/checkpoints/step-00000010/model.safetensors || die "$1: other weights"
}

train plain ""
[ "$(steps plain)" = "2 4 6 8 10 " ] || die "checkpoints: $(steps plain)"

# Checkpoints: two fail, the next ones are written.
for kind in write fsync rename; do
    train $kind "$kind 1 2 checkpoints/tmp"
    [ "$(steps $kind)" = "6 8 10 " ] || die "$kind: checkpoints $(steps $kind)"
    [ "$(grep -c 'warning: the checkpoint of step [24] is not written: .*No space left.*failure [12] of 3 in a row' "$work/log")" = 2 ] ||
        die "$kind: not said once each"
    [ "$(grep -c '"event":"checkpoint_failed","checkpoint":[24],"in_a_row":[12],"why":".*No space' "$work/$kind/metrics.jsonl")" = 2 ] ||
        die "$kind: not in metrics.jsonl"
    [ ! -e "$work/$kind/checkpoints/tmp" ] || die "$kind: checkpoints/tmp is left"
    lines_are_json $kind
    same $kind
    pass "a run goes on after two checkpoints that could not be written ($kind)"
done
code=1 train many "write 1 99 checkpoints/tmp" --set train.checkpoint_failures=1 --set train.steps=1000
grep -q "^dho: error: .*No space left on device: 2 checkpoints in a row could not be written (train.checkpoint_failures: 1)" \
    "$work/log" || die "many: no such error"
code=1 train first "write 1 99 checkpoints/tmp" --set train.checkpoint_failures=0 --set train.steps=1000
grep -q "^dho: error: .*No space left on device: 1 checkpoints in a row" "$work/log" || die "first: no such error"
pass "train.checkpoint_failures"
code=1 train last "write 1 99 checkpoints/tmp" --set train.checkpoint_every=0
[ "$(grep -c '^dho: error: .*checkpoints/tmp.*No space left on device' "$work/log")" = 1 ] || die "last: not one error"
pass "the last checkpoint's failure ends the run with 1"

# Lines: those that cannot be written wait.
train lines "write 3 6 metrics.jsonl"
[ "$(grep -c 'warning: .*metrics.jsonl: cannot write: No space left on device; the run goes on' "$work/log")" = 1 ] || die "lines: not said once"
grep -q "metrics.jsonl: is written again; no line is lost" "$work/log" || die "lines: no word of the end"
[ "$(wc -l <"$work/lines/metrics.jsonl")" = 10 ] || die "lines: $(wc -l <"$work/lines/metrics.jsonl") of 10"
lines_are_json lines
train never "write 1 9999 metrics.jsonl"
grep -q "metrics.jsonl: 10 lines are lost" "$work/log" || die "never: no word of what is lost"
train text "write 3 9999 log.txt"
train curves "write 1 9999 tfevents"
same never
same text
same curves
pass "metrics.jsonl, log.txt and event files that cannot be written end no run"

# A loss that jumps is said once, and the checkpoint before stays.
train jump "" --set train.steps=6 --set train.lr=1e-4 --set train.schedule=constant
train jump "" --set train.steps=40 --set train.lr=100 --set train.schedule=constant --set train.checkpoint_keep=2
spike=$(sed -n 's/.*warning: step \([0-9]*\): the loss is [0-9.e+]*, the median of the steps before is .*/\1/p' "$work/log")
[ "$(wc -w <<<"$spike")" -ge 1 ] || die "jump: no warning"
spike=$(tail -n 1 <<<"$spike")
grep -q "\"step\":$spike,\"event\":\"loss_spike\",\"loss\":" "$work/jump/metrics.jsonl" || die "jump: not in metrics.jsonl"
kept=$(steps jump)
before=${kept%% *}
[ "$before" -lt "$spike" ] && [ "$(wc -w <<<"$kept")" = 3 ] || die "jump: kept $kept, spike at $spike"
pass "a loss that jumps is said, and the checkpoint from before stays ($kept, spike at $spike)"

train every "" --set train.checkpoint_keep=1 --set train.checkpoint_keep_every=4
[ "$(steps every)" = "4 8 10 " ] || die "every: $(steps every)"
pass "train.checkpoint_keep_every"

# Mapped files that are cut in mid-run: named, and the job ends.
cat >"$work/base.yaml" <<EOF2
method: dho
data: {root: $work/data/train, labels: all, image_size: 32}
student: {model: resnet18, width: 4}
teacher: {cache: $work/cache}
train: {shards: 2, batch_labelled: 8, batch_unlabelled: 8, steps: 100000, log_every: 1}
EOF2
small_teacher
cut() { # RANKS FILE ...: of a run of so many ranks
    local ranks=$1 status=0
    shift
    run "$ranks" train -c "$work/base.yaml" --out "$work/cut$ranks" >"$work/log" 2>&1 &
    local launcher=$!
    for _ in $(seq 2400); do
        grep -q "^step 3/" "$work/log" && break
        kill -0 $launcher 2>/dev/null || break
        sleep 0.02
    done
    truncate -s 0 "$@"
    wait $launcher || status=$?
    [ $status = 1 ] || die "a cut cache: exit code $status, not 1"
    grep -q "^dho: error: .*cache/shard-.*: cannot be read any more: it was cut while it was in use" "$work/log" ||
        die "a cut cache is not named"
    pass "$(grep -m 1 '^dho: error: ' "$work/log" | sed "s|$work/||g")"
}
cp -r "$work/cache" "$work/whole"
cut 1 "$work"/cache/shard-*
rm -r "$work/cache" && mv "$work/whole" "$work/cache"
cut 2 "$work"/cache/shard-*

# What a killed program leaves is taken away by the next run; files of other names are not.
touch "$work"/plain/{metrics.jsonl,config.yaml}.tmp.{7,12345} "$work"/plain/metrics.jsonl.tmp.{x,7x} "$work/plain/my.tmp.7"
train plain "" --set train.steps=12
[ "$(cd "$work/plain" && echo ./*.tmp.*)" = "./metrics.jsonl.tmp.7x ./metrics.jsonl.tmp.x ./my.tmp.7" ] ||
    die "left: $(cd "$work/plain" && echo ./*.tmp.*)"
pass "temporary files of a killed run are removed"
finish
