#!/usr/bin/env bash
# Runs a program on N ranks of this machine, or of the hosts that mpirun knows of:
#   launch/mpirun.sh N PROGRAM [ARGUMENT ...]
#
# DHO_THREADS_PER_RANK  threads of each rank (default: cores of this machine / N; 1 with the next)
# DHO_MPIRUN_ARGS       mpirun's own placement, e.g. "--hostfile hosts --map-by ppr:2:node:PE=8"
#
# On one machine a rank is bound to as many cores as it has threads; when there are not enough
# cores, ranks share them and are not bound. Threads are not pinned one by one (OMP_PROC_BIND
# would pin the main thread, and with it all that it starts, to one core).
# USR1 and TERM sent to this script reach every rank as USR1; Ctrl-C ends all at once.
# OMPI_MCA_* variables of the caller win over what is set here.
set -eu
if [ $# -lt 2 ] || ! [ "$1" -gt 0 ] 2>/dev/null; then
    echo "usage: $0 RANKS PROGRAM [ARGUMENT ...]" >&2
    exit 2
fi
# shellcheck source=launch/job.sh
. "$(dirname "$0")/job.sh"
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

if [ "$(id -u)" = 0 ]; then # a container, or a test machine
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
command -v -- "$1" >/dev/null || {
    echo "$0: no program $1" >&2
    exit 2
}
args=()
if [ -n "${DHO_MPIRUN_ARGS:-}" ]; then
    threads=${DHO_THREADS_PER_RANK:-1}
    read -r -a args <<<"$DHO_MPIRUN_ARGS"
elif [ -n "${SLURM_JOB_ID:-}${PBS_JOBID:-}${LSB_JOBID:-}${PE_HOSTFILE:-}" ]; then
    # The hosts and slots are the batch system's.
    threads=${DHO_THREADS_PER_RANK:-1}
    args+=(--map-by "slot:PE=$threads" --bind-to core)
else
    cores=$(count_cores)
    threads=${DHO_THREADS_PER_RANK:-$((cores / ranks > 0 ? cores / ranks : 1))}
    if [ $((ranks * threads)) -gt "$cores" ]; then
        args+=(--map-by slot:OVERSUBSCRIBE --bind-to none)
        export OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1}
        export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
    else
        args+=(--map-by "slot:PE=$threads" --bind-to core)
    fi
    # Shared memory only, which spares the search for network devices.
    export OMPI_MCA_pml=${OMPI_MCA_pml:-ob1} OMPI_MCA_btl=${OMPI_MCA_btl:-self,vader}
fi
export OMP_NUM_THREADS=$threads
args+=(-x OMP_NUM_THREADS)
[ -z "${OMP_WAIT_POLICY:-}" ] || args+=(-x OMP_WAIT_POLICY)
status=0
# Quiet, because mpirun has ten lines of its own to add to each exit code that is not 0, and 75 is no
# failure. It is as quiet when it cannot start at all: then it is asked again, aloud, for nothing.
forward_signals mpirun --quiet -n "$ranks" "${args[@]}" "$@" || status=$?
case $status in
0 | 2 | 75 | 138) ;;
*)
    [ "$status" -lt 129 ] ||
        echo "mpirun.sh: ended with $status: a rank was killed by signal $((status - 128))" >&2
    mpirun -n "$ranks" "${args[@]}" true || true
    ;;
esac
exit "$status"
