#!/usr/bin/env bash
# The sum of a step's gradients: dho bench allreduce beside the installed MPI_Allreduce, in turns, on two ranks of
# this machine and on 2 and 4 hosts (network namespaces, 1 Gbit/s and 1 ms; as root). For two ranks also the wire's
# limit: the time in which the same bytes are exchanged and nothing is added. Seconds: medians of the rounds.
#   tests/bench/allreduce.sh [DHO [ROUNDS [FLOATS]]]     (default: build/release/dho, 3 rounds, 86.2 M: ViT-B/16)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
dho=$(realpath "${1:-$root/build/release/dho}") rounds=${2:-3} floats=${3:-86192640}
work=$(mktemp -d)
. "$here/hosts.bash"
trap 'remove_hosts; rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

mpicc -O2 -o "$work/peer" "$here/allreduce_peer.c"

launch() { # HOSTS RANKS COMMAND ...: HOSTS 0: this machine
    local hosts=$1 ranks=$2
    shift 2
    if [ "$hosts" = 0 ]; then "$root/launch/mpirun.sh" "$ranks" "$@"; else on_hosts "$hosts" "$root/launch/mpirun.sh" "$ranks" "$@"; fi
}

ours() { launch "$1" "$2" "$dho" bench allreduce --floats "$floats" --steps 5 2>/dev/null | awk 'END { print $3 / 1000 }'; }
theirs() { launch "$1" "$2" "$work/peer" "$floats" 5 2>/dev/null | tail -n 1; }

compare() { # HOSTS RANKS WHERE
    local round
    for ((round = 0; round < rounds; round++)); do
        echo "$(ours "$1" "$2") $(theirs "$1" "$2")"
    done | sort -g | awk -v where="$3" -v mib=$((floats / 262144)) '
        { own[NR] = $1; mpi[NR] = $2; wire[NR] = $3 }
        function median(v, n, i, j, t) {
            for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (v[j] < v[i]) { t = v[i]; v[i] = v[j]; v[j] = t }
            return v[int((n + 1) / 2)]
        }
        END { a = median(own, NR); b = median(mpi, NR); c = median(wire, NR)
              printf "%-28s %d MiB: dho %.3f s, MPI_Allreduce %.3f s (%.2f x)", where, mib, a, b, b / a
              if (c > 0) printf ", the wire %.3f s (%.0f %%)", c, 100 * c / a
              printf "\n" }'
}

grep -m 1 'model name' /proc/cpuinfo
compare 0 2 "2 ranks, shared memory"
if can_make_hosts; then
    make_hosts 4
    compare 2 2 "2 hosts, $hosts_how"
    compare 4 4 "4 hosts, $hosts_how"
else
    echo "no hosts: needs root and iproute2"
fi
