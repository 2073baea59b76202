#!/usr/bin/env bash
# Runs a program on N ranks of this machine, or of the hosts that mpirun knows of:
#   launch/mpirun.sh N PROGRAM [ARGUMENT ...]
#
# DHO_THREADS_PER_RANK  threads of each rank (default: cores of this machine / N; 1 with the next)
# DHO_MPIRUN_ARGS       mpirun's own placement, e.g. "--hostfile hosts --map-by ppr:2:node:PE=8"
# DHO_START_LIMIT       seconds in which dho's MPI must have started on all ranks, or mpirun is ended (default:
#                       120, and one more for each 20 ranks; 0: no limit)
#
# On one machine a rank is bound to as many cores as it has threads; when there are not enough
# cores, ranks share them and are not bound. Threads are not pinned one by one (OMP_PROC_BIND
# would pin the main thread, and with it all that it starts, to one core). One rank of this machine
# needs no mpirun: the program is run as it is.
# USR1 and TERM sent to this script reach every rank as USR1; a second TERM or Ctrl-C ends all at once.
# OMPI_MCA_* and PRTE_MCA_* variables of the caller win over what open_mpi.sh sets.
# Exit status: the program's; 128 + the signal that killed a rank or mpirun, with a line that says whom,
# where, and from which step a run goes on; 2 for wrong arguments or no Open MPI; 1 where MPI itself
# failed, with its own words, or did not start or end in time.
set -eu
if [ $# -lt 2 ] || ! [ "$1" -gt 0 ] 2>/dev/null; then
    echo "usage: $0 RANKS PROGRAM [ARGUMENT ...]" >&2
    exit 2
fi
here=$(dirname "$0")
# shellcheck source=launch/job.sh
. "$here/job.sh"
# shellcheck source=launch/open_mpi.sh
. "$here/open_mpi.sh"
ranks=$1
shift

# Cores, not hardware threads, among the CPUs that this process may use.
count_cores() {
    local allowed cores
    allowed=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
    cores=$(lscpu -p=CPU,CORE,SOCKET 2>/dev/null | awk -F, -v allowed="$allowed" '
        BEGIN {
            n = split(allowed, parts, ",")
            for (i = 1; i <= n; i++) {
                ends = split(parts[i], range, "-")
                for (cpu = range[1] + 0; cpu <= range[ends] + 0; cpu++) usable[cpu] = 1
            }
        }
        !/^#/ && ($1 in usable) && !seen[$2 "," $3]++ { cores++ }
        END { print cores + 0 }') || cores=0
    if [ "$cores" -gt 0 ]; then echo "$cores"; else nproc; fi
}

command -v -- "$1" >/dev/null || {
    hint=
    [ ! -x "$here/../build/release/$1" ] || hint=": export PATH=$(cd "$here/.." && pwd)/build/release:\$PATH"
    echo "$0: no program $1$hint" >&2
    exit 2
}
place=local
# The hosts and slots are the batch system's.
[ -z "${SLURM_JOB_ID:-}${PBS_JOBID:-}${LSB_JOBID:-}${PE_HOSTFILE:-}" ] || place=batch
crowded=no
args=()
if [ -n "${DHO_MPIRUN_ARGS:-}" ]; then
    threads=$(thread_count 1) || exit 2
    read -r -a args <<<"$DHO_MPIRUN_ARGS"
    [ $place = batch ] || place=hosts
elif [ $place = batch ]; then
    threads=$(thread_count 1) || exit 2
    args+=(--map-by "slot:PE=$threads" --bind-to core)
else
    cores=$(count_cores)
    threads=$(thread_count $((cores / ranks > 0 ? cores / ranks : 1))) || exit 2
    if [ $((ranks * threads)) -gt "$cores" ]; then
        args+=(--map-by slot:OVERSUBSCRIBE --bind-to none)
        crowded=yes
        export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
    else
        args+=(--map-by "slot:PE=$threads" --bind-to core)
    fi
fi
export OMP_NUM_THREADS=$threads
args+=(-x OMP_NUM_THREADS -x DHO_LAUNCHER_LISTENS)
[ -z "${OMP_WAIT_POLICY:-}" ] || args+=(-x OMP_WAIT_POLICY)
if [ "$ranks" = 1 ] && [ $place = local ]; then
    exec "$@"
fi
limit=$(open_mpi_start_limit "$ranks" "$1") || exit 2
open_mpi_find
open_mpi_settings $place $crowded
if [ -n "${MALLOC_PERTURB_:-}" ]; then # glibc fills freed memory, which mpirun 4.1.4 reads: in the ranks alone
    args+=(-x "MALLOC_PERTURB_=$MALLOC_PERTURB_")
    open_mpi_before+=(env -u MALLOC_PERTURB_)
fi
forward_end=INT # TERM may be blocked (open_mpi.sh)
open_mpi_run mpirun "$limit" ${open_mpi_before[@]+"${open_mpi_before[@]}"} mpirun -n "$ranks" "${args[@]}" \
    bash -c "$open_mpi_rank" rank "$@"
if open_mpi_failed "$status"; then
    if [ $place = local ] && open_mpi_room "$ranks"; then silent=no; fi
    [ $silent = no ] || echo "mpirun.sh: error: mpirun ended with exit code $status and said nothing" >&2
fi
exit "$status"
