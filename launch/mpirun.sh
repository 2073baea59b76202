#!/usr/bin/env bash
# Runs a program on N ranks of this machine, or of the hosts that mpirun knows of:
#   launch/mpirun.sh N PROGRAM [ARGUMENT ...]
#
# DHO_THREADS_PER_RANK  threads of each rank (default: cores of the node / ranks on it)
# DHO_MPIRUN_ARGS       further arguments of mpirun, e.g. "--hostfile hosts --map-by ppr:2:node"
#
# Ranks are bound to their cores when there are enough of them; more ranks than cores are allowed
# (oversubscribed, not bound). Signals USR1 and TERM sent to this script reach every rank.
set -eu
if [ $# -lt 2 ]; then
    echo "usage: $0 RANKS PROGRAM [ARGUMENT ...]" >&2
    exit 2
fi
ranks=$1
shift
cores=$(nproc)
args=()
[ "$(id -u)" = 0 ] && args+=(--allow-run-as-root)
if [ -z "${DHO_MPIRUN_ARGS:-}" ]; then
    threads=${DHO_THREADS_PER_RANK:-$((cores / ranks > 0 ? cores / ranks : 1))}
    if [ $((ranks * threads)) -gt "$cores" ]; then
        args+=(--oversubscribe --bind-to none --mca mpi_yield_when_idle 1)
    else
        args+=(--map-by "slot:PE=$threads" --bind-to core)
    fi
else
    threads=${DHO_THREADS_PER_RANK:-1}
    read -r -a extra <<<"$DHO_MPIRUN_ARGS"
    args+=("${extra[@]}")
fi
export OMP_NUM_THREADS=$threads
# One machine: shared memory only, which also spares the search for network devices.
exec mpirun -n "$ranks" "${args[@]}" -x OMP_NUM_THREADS "$@"
