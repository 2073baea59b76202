# What a run leaves for those who look at it: log.txt, event files, and dho watch.
. "$(dirname "$0")/lib.bash"
cd "$work"
"$DHO" synth --out data --train 6 --val 3 --test 2 >log 2>&1 || die "synth"
cat >my.yaml <<EOF
method: ce
out: runs/first
data: {root: data/train, labels: shots, shots: 2, image_size: 32}
student: {model: resnet18, width: 8}
train: {shards: 2, batch_labelled: 8, batch_unlabelled: 0, steps: 8, checkpoint_every: 4, log_every: 2}
eval: {batch: 8, sets: [{name: val, root: data/val}]}
EOF

# --- log.txt: line by line the console's ---
run 2 train my.yaml 2>console >out || die "train"
cp console log
sed 1d runs/first/log.txt | cmp -s - console || die "log.txt is not what was printed"
head -n 1 runs/first/log.txt | grep -qE '^--- 20[0-9-]{8}T[0-9:]{8}Z$' || die "log.txt does not begin with the time"
run 2 train my.yaml 2>console >out || die "train again"
[ "$(grep -c '^---' runs/first/log.txt)" = 1 ] || die "a session without steps is in the log"
status=0
run 2 train my.yaml --set train.steps=12 --set train.lr=1e30 2>console >out || status=$?
[ $status = 1 ] || die "a loss that is not finite ended with $status"
sed '1,/^---/d' runs/first/log.txt >second # line 1 is no end
grep -v '^dho: warning: rank 1: ' console | cmp -s - second || die "the failed session's log is not what was printed"
tail -n 1 second | grep -q '^dho: error: ' || die "the error is not in the log"
pass "log.txt has each line of the console, a session's error included"

# --- neither file can be written: said once, and no more ---
mkdir -p runs/second/log.txt
touch runs/second/events.out.tfevents.9999999998
mkdir "runs/second/events.out.tfevents.9999999999.$(uname -n)"
mkdir -p "runs/second/eval/events.out.tfevents.0000000008"
run 2 train my.yaml --out runs/second >log 2>&1 || die "a log that cannot be written ends the run"
[ "$(grep -c 'warning: .*log.txt: .*; the log is not kept$' log)" = 1 ] || die "log.txt: not said once"
[ "$(grep -c 'warning: .*tfevents.*; TensorBoard gets nothing more, the run goes on$' log)" = 1 ] ||
    die "event file: not said once"
[ "$(wc -l <runs/second/metrics.jsonl)" = 4 ] || die "the run did not go on"
run 2 eval runs/second >log 2>&1 || die "an event file that cannot be written ends an evaluation"
[ "$(grep -c 'warning: .*; TensorBoard does not get the accuracies$' log)" = 1 ] || die "eval: not said once"
pass "what cannot be written is said once and ends nothing"

run 1 train my.yaml --out runs/third --set train.tensorboard=false >log 2>&1 || die "train.tensorboard=false"
! ls runs/third/events* >log 2>&1 || die "train.tensorboard=false: an event file"
pass "train.tensorboard: false"

# --- dho watch ---
run 2 eval runs/first >log 2>&1 || die "eval"
LC_ALL=C.UTF-8 "$DHO" watch runs/first --once >view 2>log || die "dho watch --once"
cp view log
grep -q '^runs/first  stopped ' view || die "the state"
grep -q ' step 8 of 12 ' view || die "the steps"
grep -q ' images/s .* data wait, .* communication$' view || die "the speed"
grep -q '^val  *[0-9.]* % \[' view || die "the evaluation"
grep -q '^loss  *[0-9.]* [▁▂▃▄▅▆▇█]*$' view || die "the loss's curve"
run 1 train my.yaml --out runs/evaluated --set train.eval_every=2 --set train.eval_on=val >log 2>&1 || die "train.eval_every"
LC_ALL=C.UTF-8 "$DHO" watch runs/evaluated --once >view 2>log || die "dho watch of evaluations while training"
cp view log
value=$(grep '"evaluated"' runs/evaluated/metrics.jsonl | tail -n 1 | sed 's/.*"eval_top1":\([0-9.]*\).*/\1/')
grep -qE "^eval_top1  *$(printf %.5g "$value") [▁▂▃▄▅▆▇█]*$" view || die "the evaluations' curve"
grep -q '^eval_nll  *[0-9.]* [▁▂▃▄▅▆▇█]*$' view || die "the evaluations' likelihood"
LC_ALL=C "$DHO" watch runs/first runs/second | LC_ALL=C tee view | LC_ALL=C grep -q '^runs/second  finished ' ||
    die "two runs"
cp view log
! LC_ALL=C grep -q '[^ -~]' view || die "other than ASCII characters in the C locale"
pass "dho watch --once, also as a pipe; UTF-8 or ASCII as the locale says"
COLUMNS=40 LC_ALL=C.UTF-8 "$DHO" watch --once runs/first >view || die "40 columns"
[ "$(LC_ALL=C.UTF-8 wc -L <view)" -le 40 ] ||
    die "lines of more than 40 columns"
pass "40 columns"
evil=$(printf 'runs/\033[31m\342\200\256x')
cp -r runs/third "$evil"
LC_ALL=C.UTF-8 "$DHO" watch --once "$evil" >view || die "a name with control characters"
grep -qF '\x1b[31m\xe2\x80\xaex' view || die "a name with control characters is not escaped"
pass "control characters of names are escaped"
refuse 2 'nowhere: no such folder' watch nowhere
refuse 2 'data: is no run' watch data
ranks=2 refuse 2 'data: is no run' watch runs/first data

# A live run has the lock: starting, running; without a line for long: stalled.
mkdir -p runs/live
cp runs/third/*.jsonl runs/live
sed -i 's/"total_steps":8/"total_steps":80/' runs/live/sessions.jsonl
touch runs/live/.lock
flock runs/live/.lock "$DHO" watch --once runs/live >view || die "a run that has the lock"
grep -q '^runs/live  running' view || die "not running"
grep -q ' left  step 8 of 80 ' view || die "no time left"
touch -d '2 hours ago' runs/live/*.jsonl
flock runs/live/.lock "$DHO" watch --once runs/live >view || die "a run without a line"
grep -q '^runs/live  stalled: no new line for 2:00:0' view || die "not stalled"
rm runs/live/*.jsonl
flock runs/live/.lock "$DHO" watch --once runs/live >view || die "a run that starts"
grep -q '^runs/live  starting' view || die "not starting"
pass "the states of a run"

# In a terminal.
if command -v tmux >/dev/null; then
    tmux() { command tmux -L "dho$$" -f /dev/null "$@"; }
    trap 'tmux kill-server 2>/dev/null || true; rm -rf "$work"' EXIT
    tmux new-session -d -x 80 -y 24 "env LC_ALL=C.UTF-8 $DHO watch runs/first runs/second; echo ended; sleep 60"
    shows() { # TEXT: within a few seconds
        for _ in $(seq 100); do
            tmux capture-pane -p >log
            ! grep -q -- "$1" log || return 0
            sleep 0.2
        done
        die "the terminal does not show $1"
    }
    shows '^q: quit'
    shows '^runs/second  finished'
    tmux resize-window -x 40 -y 8
    shows '^run  *state  *done'
    tmux send-keys q
    shows '^ended'
    pass "in a terminal, which changes its size; q ends it"
else
    skip_part "dho watch in a terminal: no tmux"
fi
finish
