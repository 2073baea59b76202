#!/usr/bin/env bash
# slurm/train.sbatch on a real SLURM: submitted, signalled, requeued, resumed, finished; and a
# cancelled job stays cancelled. Without root or without SLURM's daemons it only says so.
#
# DHO and CONFIG: the program and a configuration that trains for half a minute or more. Without
# CONFIG a stand-in takes the program's place: it "checkpoints" and exits 75 at USR1, and the next
# start finds the checkpoint and finishes.
# STARTED: what the log shows when training is under way (default: "step").
set -eu
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin

skip() {
    echo "skipped: $*"
    exit 0
}
[ "$(id -u)" = 0 ] || skip "a SLURM of one's own needs root"
[ "$(nproc)" -ge 2 ] || skip "two tasks need two CPUs"
for tool in munged slurmctld slurmd sbatch; do
    command -v $tool >/dev/null || skip "$tool not found (apt-get install slurm-wlm munge)"
done

work=$(mktemp -d)
chmod 755 "$work" # munged runs as another user
export DHO_SLURM_DIR=$work/slurm DHO_SLURM_PORT=$((20000 + $$ % 10000 * 2))
export SLURM_CONF=$DHO_SLURM_DIR/slurm.conf
local_slurm=$source_dir/launch/slurm-local.sh
trap '"$local_slurm" stop || true; rm -rf "$work"' EXIT

stand_in=
started=${STARTED:-step}
if [ -z "${CONFIG:-}" ]; then
    echo "with a stand-in for dho (set DHO and CONFIG for the real one)"
    stand_in=1
    export CONFIG=$work/stand-in.yaml DHO=$work/stand-in
    echo 'stand-in: true' >"$CONFIG"
    cat >"$DHO" <<'END'
#!/usr/bin/env bash
# train -c CONFIG --resume auto --out FOLDER
rank=${PMIX_RANK:-${OMPI_COMM_WORLD_RANK:-}}
[ -n "$rank" ] && [ "$1 $2 $4 $5 $6" = "train -c --resume auto --out" ] || exit 2
saved=$7/checkpoint.$rank
mkdir -p "$7"
if [ -e "$saved" ]; then
    echo "rank $rank: resumed, done"
    exit 0
fi
stop=
trap 'stop=1' USR1 TERM
echo "rank $rank: step 1"
for ((i = 0; i < 600; i++)); do
    sleep 0.1 || true
    [ -z "$stop" ] || break
done 2>/dev/null
[ -n "$stop" ] || exit 1
sleep 1 || true # a checkpoint takes its time
echo saved >"$saved"
exit 75
END
    chmod +x "$DHO"
fi

log=
fail() {
    echo "FAILED: $*"
    [ ! -r "$log" ] || sed 's/^/  | /' "$log"
    for daemon_log in "$DHO_SLURM_DIR"/*.log; do tail -n 20 "$daemon_log" || true; done
    exit 1
}

submit() { # FOLDER: sets job and log
    job=$(cd "$work" && DHO_HOME=$source_dir DHO_THREADS_PER_RANK=1 sbatch --parsable --ntasks=2 \
        --time=60 "$source_dir/slurm/train.sbatch" "$CONFIG" --out "$work/$1")
    log=$work/dho-train-$job.log
}

logged() { # TEXT
    grep -q "$1" "$log" 2>/dev/null
}

shown() { # TEXT in what SLURM says of the job
    scontrol show job "$job" | grep -q "$1"
}

wait_for() { # SECONDS COMMAND ...
    local i limit=$(($1 * 4))
    shift
    for ((i = 0; i < limit; i++)); do
        if "$@"; then return; fi
        sleep 0.25
    done
    fail "waited in vain for: $*"
}

"$local_slurm" start >/dev/null

submit first
wait_for 60 logged "$started"
echo "job $job runs; USR1 to its script"
scancel --signal=USR1 --batch "$job"
wait_for 120 shown "Restarts=1"
wait_for 120 logged "start 2:"
wait_for 600 shown "JobState=COMPLETED"
logged "is requeued to go on from its checkpoint" || fail "no word of the requeue"
logged "start 1:" || fail "the log of the first start was overwritten"
if logged "start 3:"; then fail "started a third time"; fi
if [ -n "$stand_in" ]; then
    logged "rank 0: resumed, done" && logged "rank 1: resumed, done" || fail "not resumed"
fi
echo "job $job: signalled, requeued, resumed, finished"

submit second
wait_for 60 logged "$started"
scancel "$job"
wait_for 60 shown "JobState=CANCELLED"
shown "Restarts=0" || fail "a cancelled job was requeued"
if [ -n "$stand_in" ]; then
    [ -e "$work/second/checkpoint.0" ] || fail "the cancelled job left no checkpoint"
fi
echo "job $job: cancelled, left a checkpoint, not requeued"
