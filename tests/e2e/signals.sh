# Signals beside reproducible.sh's polite stop: before the first step, twice, Ctrl-C, to commands
# that save nothing, and while a file cannot be opened.
. "$(dirname "$0")/lib.bash"
small_data
export OMP_NUM_THREADS=1

begin() { # COMMAND ARGUMENT ...: in the background, with a log that has nothing of the one before
    : >"$work/log"
    "$@" >>"$work/log" 2>&1 &
    child=$!
}

wait_for() { # TEXT: until the log has it
    local i
    for i in $(seq 600); do
        grep -q "$1" "$work/log" && return
        kill -0 $child 2>/dev/null || break
        sleep 0.1
    done
    die "waited in vain for \"$1\""
}

ends_with() { # CODE WHAT
    local status=0 start=$SECONDS
    wait $child || status=$?
    [ $status = "$1" ] || die "$2: exit code $status, not $1"
    [ $((SECONDS - start)) -le 20 ] || die "$2: ended after $((SECONDS - start)) s"
    pass "$2: exit code $1"
}

# Nothing is there to save before a step is done: the run ends at once.
slow=(train -c "$work/base.yaml" --out "$work/slow" --set method=ce --set data.labels=all
    --set student.model=resnet50 --set student.width=64 --set data.image_size=160
    --set train.shards=1 --set train.batch_labelled=64 --set train.steps=1000 --set train.log_every=1)
for signal in TERM USR1; do
    begin "$DHO" "${slow[@]}"
    wait_for "^configuration:" # the first step is about to begin
    kill -$signal $child
    ends_with 75 "$signal before the first step is done"
    grep -q "nothing new to save" "$work/log" || die "no word of it"
    rm -rf "$work/slow"
done

# Within a step, which takes seconds: the first TERM is noted, the second one ends the process.
begin "$DHO" "${slow[@]}"
wait_for "^step 1/"
kill -TERM $child
wait_for "SIGTERM: stops after this step and saves; a second one ends at once"
sleep 0.7
kill -TERM $child
ends_with 143 "a second TERM"
rm -rf "$work/slow"

# TERM twice at once is one order (timeout sends it so).
begin "$DHO" "${slow[@]}" --set data.image_size=32
wait_for "^step 2/"
kill -TERM $child
kill -TERM $child
ends_with 75 "TERM twice at once"
grep -q "the state is saved" "$work/log" || die "nothing saved"
rm -rf "$work/slow"

# On one rank of two, by mpirun itself: the second TERM ends the job.
begin run 2 "${slow[@]}" --set train.shards=2
wait_for "^step 1/"
rank=$(pgrep -f "^$DHO train -c $work/base.yaml --out $work/slow" | tail -n 1)
kill -TERM "$rank"
sleep 0.7
kill -TERM "$rank" 2>/dev/null || true
ends_with 143 "a second TERM to one rank of two"
rm -rf "$work/slow"

# The launcher passes the first TERM on as USR1, and ends the ranks at the second one.
begin "$here/launch/mpirun.sh" 2 "$DHO" "${slow[@]}" --set train.shards=2
wait_for "^step 1/"
kill -TERM $child
wait_for "SIGUSR1: stops after this step and saves"
sleep 0.7
if kill -TERM $child 2>/dev/null; then
    status=0
    start=$SECONDS
    wait $child || status=$?
    [ $status != 0 ] && [ $((SECONDS - start)) -le 20 ] ||
        die "a second TERM to the launcher: $status after $((SECONDS - start)) s"
    pass "a second TERM to the launcher ends the ranks"
else
    skip_part "the step was over before the second TERM to the launcher came"
fi
rm -rf "$work/slow"

# Ctrl-C and TERM end at once what has nothing to save. (A job in the background of a script ignores
# INT: setsid's child does not.)
interrupt() { # SIGNAL CODE WHAT DHO_ARGUMENT ...
    local signal=$1 code=$2 what=$3
    shift 3
    begin env --default-signal=INT "$DHO" "$@"
    # Until then it is this shell's copy, with its EXIT trap.
    while [ "/proc/$child/exe" -ef "/proc/$$/exe" ]; do sleep 0.05; done
    sleep 0.3
    kill -"$signal" $child 2>/dev/null || die "$what was over too soon"
    ends_with "$code" "$signal to $what"
}
interrupt INT 130 "a run" "${slow[@]}"
rm -rf "$work/slow"
mkfifo "$work/fifo"
blocked() { # DHO_ARGUMENT ...: a FIFO that nobody writes to is refused, or waited for and ended
    local status=0
    timeout 5 "$DHO" "$@" >"$work/log" 2>&1 || status=$?
    case $status in 1 | 2 | 75 | 124) ;; *) die "exit code $status: $*" ;; esac
    [ $status = 124 ] || grep -q "^dho: error: \|nothing new to save" "$work/log" || die "no word: $*"
}
blocked train -c "$work/fifo"
blocked "${slow[@]}" --set data.labels=file --set data.label_file="$work/fifo"
blocked "${slow[@]}" --set student.init="$work/fifo"
blocked eval -c "$work/base.yaml" --checkpoint "$work/fifo"
blocked weights inspect "$work/fifo"
pass "TERM ends a program that cannot open a file"
big=(--set data.image_size=160 --set student.model=resnet50 --set student.width=64)
"$DHO" train -c "$work/base.yaml" --out "$work/big" --set method=ce --set data.labels=all "${big[@]}" \
    --set train.steps=1 --set train.batch_labelled=4 >"$work/log" 2>&1 || die "a big student"
for signal in "TERM 143" "INT 130"; do
    # shellcheck disable=SC2086 # two words
    interrupt $signal "an evaluation" eval -c "$work/base.yaml" "${big[@]}" --set method=ce --checkpoint "$work/big"
    # shellcheck disable=SC2086 # two words
    interrupt $signal "the building of a cache" cache build -c "$work/base.yaml" "${big[@]}" \
        --teacher "$work/big" --views 2 --out "$work/cache-$child"
done

# By the launcher, a command that saves nothing gets TERM as USR1, and ends: nobody "was killed".
begin "$here/launch/mpirun.sh" 2 "$DHO" eval -c "$work/base.yaml" "${big[@]}" --set method=ce --checkpoint "$work/big"
for ((i = 0; i < 600; i++)); do
    [ "$(pgrep -c -f "^$DHO eval -c $work/base.yaml")" = 2 ] && break
    sleep 0.1
done
kill -TERM $child
ends_with 138 "TERM to the launcher of an evaluation"
! grep -q "error\|non-zero" "$work/log" || die "a death is reported that was an order"
finish
