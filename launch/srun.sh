#!/usr/bin/env bash
# Runs a program on every task of the SLURM allocation that this script is in (sbatch, salloc):
#   launch/srun.sh PROGRAM [ARGUMENT ...]
#
# DHO_THREADS_PER_RANK  threads of each rank (default: SLURM_CPUS_PER_TASK, or 1)
# DHO_SRUN_MPI          how ranks find each other: a plugin of `srun --mpi=list`, or "mpirun" to
#                       start them by Open MPI itself (default: one that both sides speak, else
#                       mpirun). With a wrong one each rank would train alone as rank 0 of 1.
# DHO_SRUN_ARGS         further arguments of srun, e.g. "--cpu-bind=verbose,cores"
# DHO_START_LIMIT       as launch/mpirun.sh has it
#
# USR1 and TERM sent to this script reach every rank as USR1.
set -eu
if [ $# -lt 1 ]; then
    echo "usage: $0 PROGRAM [ARGUMENT ...]" >&2
    exit 2
fi
if [ -z "${SLURM_JOB_ID:-}" ]; then
    echo "$0: not inside a SLURM allocation; use launch/mpirun.sh" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=launch/job.sh
. "$here/job.sh"
# shellcheck source=launch/open_mpi.sh
. "$here/open_mpi.sh"

# SLURM_NTASKS is not set when only --nodes, or --ntasks-per-node, was given.
ranks=${SLURM_NTASKS:-$((${SLURM_NTASKS_PER_NODE:-1} * ${SLURM_JOB_NUM_NODES:-1}))}
threads=$(thread_count "${SLURM_CPUS_PER_TASK:-1}") || exit 2
mpi=${DHO_SRUN_MPI:-$(open_mpi_client "$(srun --mpi=list 2>&1)")}
limit=$(open_mpi_start_limit "$ranks" "$1") || exit 2
export OMP_NUM_THREADS=$threads
status=0
if [ "$mpi" = mpirun ]; then
    export DHO_THREADS_PER_RANK=$threads
    forward_signals "$here/mpirun.sh" "$ranks" "$@" || status=$?
    exit "$status"
fi
read -r -a extra <<<"${DHO_SRUN_ARGS:-}"
# srun takes the CPUs per task from its command line only (since 22.05). A rank that dies ends the
# others after --wait seconds; at once (--kill-on-bad-exit) would hit ranks that are about to leave
# with the exit code 75 as well.
open_mpi_run srun "$limit" srun --mpi="$mpi" --ntasks="$ranks" --cpus-per-task="$threads" \
    --kill-on-bad-exit=0 --wait=60 ${extra[@]+"${extra[@]}"} "$@"
exit "$status"
