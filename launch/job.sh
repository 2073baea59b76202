# shellcheck shell=bash
# Shell functions of the launchers and of the job scripts; to be sourced by bash.

# forward_signals COMMAND [ARGUMENT ...]
# Runs the command and returns its exit status. USR1 and TERM that reach this shell go to the
# command as USR1, the one signal that mpirun and srun both pass on to every rank as it is: TERM
# they take as an order to kill the ranks, too early for a checkpoint. INT (Ctrl-C) is that order:
# the command gets it as the signal in forward_end (default: TERM). So is a second TERM, half a second
# or more after the first (sooner it is the same: timeout sends it to a process and to its group).
# A caller that is signalled before this may say so by preempted=1: then nothing is started and
# the status is 75, as of a program that stopped at its first step.
forward_signals() {
    local status caught='' first_term=''
    forward_child=
    trap 'forward USR1' USR1
    trap 'forward "${forward_end:-TERM}"' INT
    trap 'forward_term' TERM
    [ -z "${preempted:-}" ] || return 75
    "$@" <&0 &
    forward_child=$!
    [ -z "$caught" ] || kill "-$caught" "$forward_child" 2>/dev/null # came while it was started
    while :; do
        caught='' status=0
        { wait "$forward_child"; } 2>/dev/null || status=$? # bash would say "Killed" as well
        [ -n "$caught" ] || break # else wait was only interrupted
    done
    trap - USR1 TERM INT
    return "$status"
}

forward() { # SIGNAL: to the command, if it runs
    caught=$1
    [ -z "$forward_child" ] || kill "-$caught" "$forward_child" 2>/dev/null || true
}

forward_term() {
    local now=${EPOCHREALTIME//[.,]/} # microseconds
    if [ -n "$first_term" ] && [ $((now - first_term)) -ge 500000 ]; then
        forward "${forward_end:-TERM}"
    else
        first_term=${first_term:-$now}
        forward USR1
    fi
}

# thread_count DEFAULT: DHO_THREADS_PER_RANK, or the default; a line and status 2 where that is no
# number of threads.
thread_count() {
    local threads=${DHO_THREADS_PER_RANK:-$1}
    case $threads in
    '' | *[!0-9]* | 0* | ???????*)
        echo "${0##*/}: error: DHO_THREADS_PER_RANK: expected a number of threads from 1 to 999999, got \"$threads\"" >&2
        return 2
        ;;
    esac
    echo "$threads"
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
