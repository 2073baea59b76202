#!/usr/bin/env bash
# What dho plan foretells against what dho train takes: seconds of a step on 1, 2, 3 and 4 ranks of this
# machine, and on 2 and 4 hosts of one rank (network namespaces of it, 1 Gbit/s and, where the kernel has
# netem, 1 ms; as root, with iproute2). In turns: in each round the speeds are measured, then every
# layout is trained for a few steps; of both the medians of the rounds are printed, and their ratio. The network
# that the plan is told of is what dho bench allreduce reaches between two hosts.
#   plan.sh [ROUNDS [MODEL [IMAGE_SIZE [STEPS]]]]     default: 3 resnet18 64 8
# DHO (default build/release/dho) is the program. Nothing else should compute meanwhile: the load is printed.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-3} model=${2:-resnet18} size=${3:-64} steps=${4:-8}
dho=$(realpath "${DHO:-build/release/dho}")
work=$(mktemp -d)
warm_up=2 shards=12
net=dho-p$$ made=0
trap cleanup EXIT
cleanup() {
    local i
    for ((i = 0; i <= made; i++)); do ip netns del "$net-$i" 2>/dev/null || true; done
    rm -rf "$work"
}

"$dho" synth --out "$work/data" --train 40 --val 1 --test 1 >/dev/null 2>&1
cat >"$work/run.yaml" <<END
method: ce
out: $work/run
data: {root: $work/data/train, labels: all, image_size: $size}
student: {model: $model}
train: {shards: $shards, batch_labelled: $((4 * shards)), batch_unlabelled: 0, steps: $((steps + warm_up))}
eval: {sets: []}
END
short=(--set train.log_every=1 --set train.checkpoint_every=0 --set train.tensorboard=false)

# Hosts 10.77.0.1 ... , each in a namespace, on a bridge in a namespace of its own.
make_hosts() { # COUNT
    local i how
    how="netem delay 1ms rate 1gbit limit 20000" latency=1000
    for ((i = 0; i <= $1; i++)); do
        ip netns add "$net-$i"
        made=$i
        ip -n "$net-$i" link set lo up
    done
    ip -n "$net-0" link add name hub type bridge
    ip -n "$net-0" link set hub up
    if ! ip netns exec "$net-0" tc qdisc add dev lo root netem delay 1ms 2>/dev/null; then
        how="tbf rate 1gbit burst 256kb latency 100ms" latency=50
    fi
    for ((i = 1; i <= $1; i++)); do
        ip link add "v$i" netns "$net-$i" type veth peer name "h$i" netns "$net-0"
        ip -n "$net-0" link set "h$i" master hub up
        ip -n "$net-$i" addr add "10.77.0.$i/24" dev "v$i"
        ip -n "$net-$i" link set "v$i" up
        # shellcheck disable=SC2086 # words
        ip netns exec "$net-$i" tc qdisc add dev "v$i" root $how
    done
    cat >"$work/agent" <<END
#!/bin/bash
host=\$1 # as ssh: HOST COMMAND ...
shift
i=\${host##*.}
exec ip netns exec $net-\$i unshare --uts sh -c 'hostname host-\$0 && exec sh -c "\$*"' \$i "\$@"
END
    chmod +x "$work/agent"
    echo "hosts: namespaces of this machine, $how"
}
hosts=0
if [ "$(id -u)" = 0 ] && ip netns add "$net-try" 2>/dev/null; then
    ip netns del "$net-try"
    make_hosts 4
    hosts=4
else
    echo "no hosts: needs root and iproute2"
fi

quartile() { # of numbers, a line each
    sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 3) / 4)] }'
}
median() {
    sort -g | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2 }'
}
field() { # FILE KEY
    sed -n "s/^ *\"$2\": \([-0-9.e+]*\),\{0,1\}$/\1/p" "$1" | head -n 1
}
steps_of() { # the step's seconds without the first ones, of the run's metrics
    sed -n 's/.*"step_seconds": *\([0-9.e+-]*\).*/\1/p' "$work/run/metrics.jsonl" | tail -n +$((warm_up + 1)) | quartile
}
run() { # RANKS THREADS ARGUMENT ...: dho, its words to $work/log
    local ranks=$1 threads=$2
    shift 2
    DHO_THREADS_PER_RANK=$threads "${around[@]}" launch/mpirun.sh "$ranks" "$dho" "$@" >"$work/log" 2>&1 ||
        { tail -n 5 "$work/log"; exit 1; }
}
run_hosts() { # HOSTS ARGUMENT ...
    local i n=$1
    shift
    for ((i = 1; i <= n; i++)); do echo "10.77.0.$i slots=1"; done >"$work/hosts"
    around=(env OMPI_MCA_plm_rsh_agent="$work/agent" PRTE_MCA_plm_ssh_agent="$work/agent"
        OMPI_MCA_btl_tcp_if_include=10.77.0.0/24 OMPI_MCA_oob_tcp_if_include=10.77.0.0/24
        DHO_MPIRUN_ARGS="--hostfile $work/hosts --map-by node --bind-to none" OMP_WAIT_POLICY=passive
        ip netns exec "$net-1" unshare --uts sh -c 'hostname host-1 && exec "$@"' sh)
    run "$n" 1 "$@"
    around=()
}
around=()
training=(train -c "$work/run.yaml" "${short[@]}")
train() { # RANKS THREADS
    rm -rf "$work/run"
    run "$1" "$2" "${training[@]}"
    steps_of
}
train_hosts() { # HOSTS
    rm -rf "$work/run"
    run_hosts "$1" "${training[@]}"
    steps_of
}
bandwidth_of_hosts() { # GB/s of the sum between two: what a plan is told
    run_hosts 2 bench allreduce --floats 12000000 --steps 3
    awk 'NF == 4 && $1 > 1 { value = $4 } END { print value }' "$work/log"
}
plan() { # ARGUMENT ...: into $work/plan
    "$dho" plan -c "$work/run.yaml" "${short[@]}" --rates "$work/rates" --json "$@" >"$work/plan" 2>"$work/log" ||
        { tail -n 3 "$work/log"; exit 1; }
}
# The hosts share this machine's cores and memory, as so many ranks of one node; only the sum is a network's.
plan_hosts() { # HOSTS BANDWIDTH
    local part
    plan --nodes 1 --ranks-per-node "$1" --threads 1
    part=$(awk -v a="$(field "$work/plan" step_seconds)" -v b="$(field "$work/plan" exposed_seconds)" 'BEGIN { print a - b }')
    plan --nodes "$1" --threads 1 --bandwidth "$2" --latency "$latency"
    awk -v a="$part" -v b="$(field "$work/plan" exposed_seconds)" 'BEGIN { print a + b }'
}

layouts=("1 1" "1 2" "2 1" "3 1" "4 1")
[ "$(nproc)" -ge 2 ] || layouts=("1 1" "2 1" "3 1" "4 1")
for ((round = 0; round < rounds; round++)); do
    echo "round $((round + 1)): load $(cut -d' ' -f1-3 /proc/loadavg)"
    "$dho" bench rates -c "$work/run.yaml" --seconds 2 --json >"$work/rates" 2>"$work/log"
    for layout in "${layouts[@]}"; do
        read -r ranks threads <<<"$layout"
        plan --nodes 1 --ranks-per-node "$ranks" --threads "$threads"
        echo "$ranks-ranks-x-$threads" "$(field "$work/plan" step_seconds)" "$(train "$ranks" "$threads")"
    done
    [ $hosts -gt 0 ] || continue
    bandwidth=$(bandwidth_of_hosts)
    echo "round $((round + 1)): between two hosts $bandwidth GB/s (dho bench allreduce), of 0.12 on the wire"
    for ((n = 2; n <= hosts; n += 2)); do echo "$n-hosts" "$(plan_hosts $n "$bandwidth")" "$(train_hosts $n)"; done
done | tee "$work/figures"
echo
printf '%-16s %12s %12s %8s\n' layout "planned s" "measured s" ratio
awk '!/^round/ { print $1 }' "$work/figures" | sort -u | while read -r layout; do
    a=$(awk -v l="$layout" '$1 == l { print $2 }' "$work/figures" | median)
    b=$(awk -v l="$layout" '$1 == l { print $3 }' "$work/figures" | median)
    printf '%-16s %12.4g %12.4g %8.3f\n' "$layout" "$a" "$b" "$(awk -v a="$a" -v b="$b" 'BEGIN { print a / b }')"
done
