#!/usr/bin/env bash
# How much of the gradients' sum hides behind backward? ViT-B/16 on 2 and 4 hosts of one rank of one thread (network
# namespaces, 1 Gbit/s and, where the kernel has netem, 1 ms; as root), for dho and, with Python's torch, for DDP over
# gloo. Prints seconds of a step alone (one host, no sum), with the sum, and of the sum alone. Hidden is, for dho,
#     1 - seconds that a rank waited for the sum (its metric comm_seconds) / sum alone
# and for DDP, which does not say what it waited, 1 - (step with the sum - step alone) / sum alone. Hosts share this
# machine's cores: a step alone is timed with as many runs side by side as there are hosts.
#   tests/bench/overlap.sh [DHO [STEPS [IMAGES [MODEL]]]]     (default: build/release/dho, 4 steps, 8 images a rank)
# DHO_HOSTS  numbers of hosts (default: "2 4")
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
dho=$(realpath "${1:-$root/build/release/dho}") steps=${2:-4} images=${3:-8} model=${4:-clip_vit_b16}
work=$(mktemp -d)
. "$here/hosts.bash"
. "$here/figures.bash"
trap 'remove_hosts; rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 DHO_THREADS_PER_RANK=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
can_make_hosts || { echo "needs root and iproute2"; exit 77; }

"$dho" synth --out "$work/data" --train 40 --val 1 --test 1 >"$work/log" 2>&1
echo "method: ce" >"$work/run.yaml"
train() { # OUT RANKS LAUNCHER ...
    local out=$1 ranks=$2
    shift 2
    "$@" "$dho" train "$work/run.yaml" --out "$work/$out" --set data.root="$work/data/train" --set data.labels=all \
        --set data.image_size=224 --set data.loader_threads=1 --set student.model="$model" --set train.shards="$ranks" \
        --set train.batch_labelled=$((ranks * images)) --set train.steps=$((steps + 2)) --set train.log_every=1 \
        --set train.tensorboard=false --set train.checkpoint_every=0 >"$work/$out.log" 2>&1 ||
        { tail -n 3 "$work/$out.log" >&2; exit 1; }
}
metric() { # OUT NAME
    grep -o "\"$2\":[0-9.e+-]*" "$work/$1/metrics.jsonl" | cut -d: -f2 | tail -n +3 | median
}
side_by_side() { # COUNT COMMAND ...: with a number behind it; waits for all
    local i pids="" n=$1
    shift
    for ((i = 0; i < n; i++)); do
        "$@" "$i" &
        pids="$pids $!"
    done
    # shellcheck disable=SC2086 # numbers
    wait $pids
}
alone() { train "alone$1" 1 taskset -c $(($1 % $(nproc))); }
peer_alone() { taskset -c $(($1 % $(nproc))) "$DHO_PYTHON" "$here/ddp_step.py" --model "$model" --images "$images" --steps $((steps + 2)) >"$work/peer$1"; }

report() { # NAME ALONE WITH SUM WAITED
    awk -v name="$1" -v a="$2" -v w="$3" -v s="$4" -v waited="$5" 'BEGIN {
        printf "%-20s step alone %.2f s, with the sum %.2f s, the sum alone %.2f s, waited %.2f s: hidden %.0f %%\n",
            name, a, w, s, waited, 100 * (1 - waited / s) }'
}

grep -m 1 'model name' /proc/cpuinfo
make_hosts 4
floats=86192640
[ "$model" = clip_vit_b16 ] || floats=11700000
for hosts in ${DHO_HOSTS:-2 4}; do
    rm -rf "$work"/alone* "$work/both"
    side_by_side "$hosts" alone
    sum=$(on_hosts "$hosts" "$root/launch/mpirun.sh" "$hosts" "$dho" bench allreduce --floats $floats --steps 3 2>/dev/null |
        awk 'END { print $3 / 1000 }')
    train both "$hosts" on_hosts "$hosts" "$root/launch/mpirun.sh" "$hosts"
    report "dho, $hosts hosts" "$(metric alone0 step_seconds)" "$(metric both step_seconds)" "$sum" \
        "$(metric both comm_seconds)"
    [ -n "${DHO_PYTHON:-}" ] || continue
    side_by_side "$hosts" peer_alone
    for ((i = 1; i <= hosts; i++)); do
        ip netns exec "$net-$i" taskset -c $((i % $(nproc))) env GLOO_SOCKET_IFNAME="v$i" "$DHO_PYTHON" "$here/ddp_step.py" --model "$model" \
            --images "$images" --steps $((steps + 2)) --ranks "$hosts" --rank $((i - 1)) --master 10.77.0.1 >"$work/ddp$i" &
    done
    wait
    read -r _ with peer_sum <"$work/ddp1"
    alone=$(cut -d' ' -f2 "$work/peer0")
    report "PyTorch DDP, $hosts hosts" "$alone" "$with" "$peer_sum" "$(awk -v a="$alone" -v w="$with" 'BEGIN { print w - a }')"
done
echo "hosts: $hosts_how"
