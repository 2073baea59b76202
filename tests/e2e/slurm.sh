# slurm/train.sbatch with the real dho on a real SLURM: submitted, signalled, requeued, resumed,
# finished with the same bits as a run that was left alone; a cancelled job leaves a checkpoint and
# stays cancelled; slurm/eval.sbatch evaluates.
# Without root or SLURM's daemons it only says so.
. "$(dirname "$0")/lib.bash"
PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || skip "a SLURM of one's own needs root"
[ "$(nproc)" -ge 2 ] || skip "two tasks need two CPUs"
for tool in munged slurmctld slurmd sbatch; do
    command -v $tool >/dev/null || skip "$tool not found (apt-get install slurm-wlm munge)"
done
chmod 755 "$work" # munged runs as another user
# Below the ports that the kernel gives to connections (32768 and up): mpirun's would be in the way.
export DHO_SLURM_DIR=$work/slurm
export SLURM_CONF=$DHO_SLURM_DIR/slurm.conf
local_slurm=$here/launch/slurm-local.sh
trap '"$local_slurm" stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
small_data
for try in 0 1 2; do # another port where somebody sits on this one
    export DHO_SLURM_PORT=$((20000 + ($$ + try * 1999) % 6000 * 2))
    if "$local_slurm" start >"$work/log" 2>&1; then break; fi
    "$local_slurm" stop >>"$work/log" 2>&1 || true
    [ $try -lt 2 ] || die "a SLURM of one machine"
done
log=

give_up() {
    [ ! -r "$log" ] || sed 's/^/  | /' "$log"
    for daemon_log in "$DHO_SLURM_DIR"/*.log; do tail -n 20 "$daemon_log" || true; done
    die "$*"
}

submit() { # SCRIPT FOLDER [SBATCH_OPTION ...] -- ARGUMENT ...: sets job and log
    local script=$1 folder=$2 options=()
    shift 2
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    job=$(cd "$work" && DHO_HOME=$here sbatch --parsable --ntasks=2 "${options[@]}" \
        "$here/slurm/$script.sbatch" "$work/base.yaml" --out "$work/$folder" "$@")
    log=$work/dho-$script-$job.log
}

logged() { grep -q "$1" "$log" 2>/dev/null; }
shown() { scontrol show job "$job" | grep -q "$1"; }

wait_for() { # SECONDS COMMAND ...
    local i limit=$(($1 * 4))
    shift
    for ((i = 0; i < limit; i++)); do
        if "$@"; then return; fi
        sleep 0.25
    done
    give_up "waited in vain for: $*"
}

long=(--set train.steps=600 --set train.log_every=1)
run 2 train -c "$work/base.yaml" --out "$work/alone" "${long[@]}" >"$work/log" 2>&1 ||
    die "training without SLURM"

submit train first -- "${long[@]}"
wait_for 60 logged "step 20/600"
scancel --signal=USR1 --batch "$job"
wait_for 120 shown "Restarts=1"
wait_for 120 logged "start 2:"
wait_for 600 shown "JobState=COMPLETED"
logged "the state is saved" || give_up "no word of the checkpoint"
logged "is requeued to go on from its checkpoint" || give_up "no word of the requeue"
logged "resumed from .*first/checkpoints" || give_up "not resumed"
logged "start 1:" || give_up "the log of the first start was overwritten"
if logged "start 3:"; then give_up "started a third time"; fi
for file in model optimizer; do
    cmp -s "$work"/{alone,first}/checkpoints/step-00000600/$file.safetensors ||
        give_up "$file differs from a run that was left alone"
done
pass "signalled, requeued, resumed, finished, with the same bits as a run left alone"

submit eval first -- --set eval.select_on=val
wait_for 120 shown "JobState=COMPLETED"
[ -s "$work/first/eval.json" ] || give_up "no eval.json"
pass "evaluated by slurm/eval.sbatch"

job=$(cd "$work" && DHO_HOME=$here sbatch --parsable --array=1-2 "$here/slurm/train.sbatch" \
    "$work/base.yaml" --set seed=%a --set train.steps=2 --out "$work/array-%a")
log=
wait_for 120 ls "$work"/array-1/checkpoints/step-00000002/state.json \
    "$work"/array-2/checkpoints/step-00000002/state.json
grep -q '^seed: 2' "$work/array-2/config.yaml" || die "the array's second task has another seed"
pass "one run a seed by an array"

submit train second -- "${long[@]}" --set train.steps=100000
wait_for 60 logged "step 20/100000"
scancel "$job"
wait_for 60 shown "JobState=CANCELLED"
shown "Restarts=0" || give_up "a cancelled job was requeued"
wait_for 30 ls "$work"/second/checkpoints/step-*/state.json >/dev/null
pass "cancelled: leaves a checkpoint, is not requeued"
finish
