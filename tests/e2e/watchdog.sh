# A rank that stands still: whoever waits for it says so in the time of train.watchdog, and the run ends
# with exit code 1; its checkpoints stay whole.
. "$(dirname "$0")/lib.bash"
"$DHO" synth --out "$work/data" --train 12 --val 4 --test 3 >"$work/log" 2>&1 || die "synth"
cat >"$work/run.yaml" <<END
method: ce
out: $work/run
data: {root: $work/data/train, labels: all, image_size: 32}
student: {model: resnet18, width: 8}
train: {shards: 4, batch_labelled: 16, batch_unlabelled: 0, steps: 100000, log_every: 1, checkpoint_every: 20, watchdog: 6}
eval: {sets: []}
END

start() { # RANKS [ENVIRONMENT ...]: a run in the background, until it has a checkpoint
    local ranks=$1
    shift
    rm -rf "$work/run"
    timeout 120 env "$@" "$here/launch/mpirun.sh" "$ranks" "$DHO" train -c "$work/run.yaml" >"$work/log" 2>&1 &
    leader=$!
    for ((i = 0; i < 600; i++)); do
        compgen -G "$work/run/checkpoints/step-*" >/dev/null && return
        sleep 0.1
    done
    die "the run did not begin"
}
pid_of() { # RANK
    local pid
    for pid in $(pgrep -f "train -c $work/run.yaml"); do
        if [ "$(cat "/proc/$pid/comm")" = dho ] && grep -qz "^OMPI_COMM_WORLD_RANK=$1\$" "/proc/$pid/environ"; then
            echo "$pid"
            return
        fi
    done
    die "no rank $1"
}
ends() { # TEXT SECONDS: the run ends with 1 in that time, and says so in one line of error
    local status=0 begin=$SECONDS
    wait $leader || status=$?
    [ $status = 1 ] || die "exit code $status"
    [ $((SECONDS - begin)) -le "$2" ] || die "it took $((SECONDS - begin)) s"
    [ "$(grep -c '^dho: error: ' "$work/log")" = 1 ] || die "not one line of error"
    grep '^dho: error: ' "$work/log" | grep -q -- "$1" || die "the error does not say $1"
    grep -q MPI_ABORT "$work/log" && die "MPI_Abort's own words are shown"
    pass "$(grep '^dho: error: ' "$work/log" | sed "s|$work/||g")"
}

start 3
kill -STOP "$(pid_of 2)"
ends 'rank 2 (.*) does not answer: the others have waited for [67] s (train.watchdog) in .*step [0-9]*, ' 20
for line in '^dho: warning: rank 1: .*: waits for the other ranks: s' '^dho: warning: [^ ]*: waits for the other'; do
    grep -q "$line" "$work/log" || die "not every rank says where it is"
done
grep -q 'rank 2 (.*) does not answer' "$work/run/log.txt" || die "the run's own log does not say it"

# A whole job that is suspended and resumed goes on: that time does not count. A batch system's preemption stops all
# its processes; Ctrl-Z asks mpirun, which stops the ranks.
for ranks in 3 1; do
    start $ranks
    all=()
    for pid in $(pgrep -f "train -c $work/run.yaml"); do [ "$(cat "/proc/$pid/comm")" != dho ] || all+=("$pid"); done
    [ ${#all[@]} = $ranks ] || die "${#all[@]} processes, not $ranks"
    for stop in STOP TSTP; do # timeout's process group has all but the ranks
        if [ $stop = STOP ]; then kill -STOP -- -$leader "${all[@]}"; else kill -TSTP -- -$leader; fi
        sleep 1
        for pid in "${all[@]}"; do
            grep -q '^State:.T' "/proc/$pid/status" || die "$stop does not suspend the ranks"
        done
        sleep 8
        if [ $stop = STOP ]; then kill -CONT "${all[@]}" -$leader; else kill -CONT -- -$leader; fi
        sleep 1.5
    done
    before=$(wc -l <"$work/run/metrics.jsonl")
    sleep 1
    [ "$(wc -l <"$work/run/metrics.jsonl")" -gt "$before" ] || die "$ranks ranks do not go on after they were suspended"
    pkill -USR1 -P $leader
    wait $leader || [ $? = 75 ] || die "the run did not go on"
    grep -q "does not answer\|waits for" "$work/log" && die "time in which a job was suspended counts"
    pass "$ranks ranks, suspended twice for longer than train.watchdog, go on"
done

start 3
kill -STOP "$(pid_of 0)"
ends 'rank [12] (.*) waits for rank 0, which has not come or answered' 25
timeout 60 "$DHO" train -c "$work/run.yaml" --set train.steps=25 >"$work/log" 2>&1 || true
"$DHO" eval "$work/run" --set "eval.sets=[{name: val, root: $work/data/val}]" >"$work/log" 2>&1 ||
    die "the checkpoint of a run that was ended"
pass "its checkpoint is whole"

# A rank that goes on in time: nothing ends.
start 2
pid=$(pid_of 1)
kill -STOP "$pid"
sleep 5.2
kill -CONT "$pid"
sleep 2
kill -0 $leader || die "a rank that came back in time ended the run"
grep -q 'waits for the other ranks' "$work/log" || die "nobody said that it waits"
pkill -USR1 -P $leader # the launcher: timeout would send it to mpirun, too
wait $leader || [ $? = 75 ] || die "the run did not go on"
pass "$(grep -m 1 'waits for the other ranks' "$work/log")"

# Two hosts, each in a network namespace of its own, and the link between them is cut.
cut_link() {
    local a=dho-a-$$ b=dho-b-$$
    trap 'ip netns del dho-a-$$; ip netns del dho-b-$$; pkill -f "^orted.*$work"; rm -rf "$work"' EXIT
    ip netns add $a && ip netns add $b
    ip link add va netns $a type veth peer name vb netns $b
    ip -n $a addr add 10.77.0.1/24 dev va && ip -n $b addr add 10.77.0.2/24 dev vb
    ip -n $a link set lo up && ip -n $b link set lo up
    ip -n $a link set va up && ip -n $b link set vb up
    printf '10.77.0.1 slots=1\n10.77.0.2 slots=1\n' >"$work/hosts"
    cat >"$work/agent" <<END
#!/bin/bash
host=\$1 # as ssh: HOST COMMAND ...
shift
name=$a && [ \$host = 10.77.0.1 ] || name=$b
exec ip netns exec \$name unshare --uts sh -c 'hostname host-\${0%-*} && exec sh -c "\$*"' \$name "\$@"
END
    chmod +x "$work/agent"
    start 2 OMPI_MCA_plm_rsh_agent="$work/agent" PRTE_MCA_plm_ssh_agent="$work/agent" OPEN_MPI_PATIENCE=3 \
        OMPI_MCA_btl_tcp_if_include=10.77.0.0/24 OMPI_MCA_oob_tcp_if_include=10.77.0.0/24 \
        DHO_MPIRUN_ARGS="--hostfile $work/hosts --map-by node --bind-to none" \
        ip netns exec $a unshare --uts sh -c 'hostname host-dho-a && exec "$@"' sh
    ip -n $a link set va down
    ends 'rank 1 (host-dho-b) does not answer' 25
}
if ip netns add "dho-try-$$" 2>/dev/null && ip netns del "dho-try-$$"; then
    cut_link
else
    skip_part "a link that is cut (needs iproute2, and the right to make network namespaces)"
fi

# A file whose read never ends, as on a file system that is gone.
if ! ldd "$DHO" | grep -q libasan && command -v cc >/dev/null; then
    cat >"$work/stall.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
ssize_t read(int file, void *to, size_t bytes)
{
    static ssize_t (*real)(int, void *, size_t);
    char name[64], path[4096] = "";
    const char *end = getenv("STALL"), *rank = getenv("OMPI_COMM_WORLD_RANK");
    if (real == NULL) real = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    const ssize_t length = readlink(name, path, sizeof path - 1);
    const size_t tail = end != NULL ? strlen(end) : 0;
    if ((rank == NULL || strcmp(rank, "1") == 0) && end != NULL && length >= (ssize_t)tail &&
        strcmp(path + length - tail, end) == 0 && access(getenv("STALL_NOW"), F_OK) == 0)
        for (;;) pause();
    return real(file, to, bytes);
}
END
    cc -shared -fPIC -o "$work/stall.so" "$work/stall.c" -ldl
    export STALL=arrow_00003.jpg STALL_NOW=$work/stall
    start 2 LD_PRELOAD="$work/stall.so"
    touch "$work/stall"
    ends 'rank 1 (.*) does not answer' 25
    grep -q '^dho: warning: rank 1: .*: reads .*arrow_00003.jpg, for' "$work/log" || die "the rank does not say what it reads"
    rm "$work/stall"
    start 1 LD_PRELOAD="$work/stall.so"
    touch "$work/stall"
    ends 'rank 0 (.*): reads .*arrow_00003.jpg, for [67] s now (train.watchdog)' 15
    rm "$work/stall"
else
    skip_part "a read that never ends (a sanitizer's build)"
fi
finish
