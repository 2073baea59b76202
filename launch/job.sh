# shellcheck shell=bash
# Shell functions of the launchers and of the job scripts; to be sourced by bash.

# forward_signals COMMAND [ARGUMENT ...]
# Runs the command and returns its exit status. USR1 and TERM that reach this shell go to the
# command as USR1, the one signal that mpirun and srun both pass on to every rank as it is: TERM
# they take as an order to kill the ranks, too early for a checkpoint. INT (Ctrl-C) is that order:
# the command gets it as the signal in forward_end (default: TERM).
# A caller that is signalled before this may say so by preempted=1: then nothing is started and
# the status is 75, as of a program that stopped at its first step.
forward_signals() {
    local status caught=
    forward_child=
    trap 'caught=USR1; [ -z "$forward_child" ] || kill -USR1 "$forward_child" 2>/dev/null' USR1 TERM
    trap 'caught=${forward_end:-TERM}; [ -z "$forward_child" ] || kill "-$caught" "$forward_child" 2>/dev/null' INT
    [ -z "${preempted:-}" ] || return 75
    "$@" <&0 &
    forward_child=$!
    [ -z "$caught" ] || kill "-$caught" "$forward_child" 2>/dev/null # came while it was started
    while :; do
        caught='' status=0
        wait "$forward_child" || status=$?
        [ -n "$caught" ] || break # else wait was only interrupted
    done
    trap - USR1 TERM INT
    return "$status"
}

# requeue_job: puts the SLURM job that this shell runs in back into the queue, as it was submitted.
# A job that is being cancelled, or preempted by SLURM (which requeues it by itself), is left alone.
requeue_job() {
    local state
    state=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T 2>/dev/null) || state=unknown
    if [ "$state" != RUNNING ]; then
        echo "job $SLURM_JOB_ID is $state: SLURM ends it, so it is not requeued from here"
        return 1
    fi
    echo "job $SLURM_JOB_ID is requeued to go on from its checkpoint"
    scontrol requeue "$SLURM_JOB_ID"
}
