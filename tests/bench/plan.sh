#!/usr/bin/env bash
# What dho plan foretells against what dho train takes: seconds of a step on 1, 2, 3 and 4 ranks of this
# machine, and on 2 and 4 hosts of one rank (network namespaces of it, 1 Gbit/s and, where the kernel has
# netem, 1 ms; as root, with iproute2). In turns: in each round the speeds are measured, then every
# layout is trained for a few steps; of both the medians of the rounds are printed, and their ratio. The network
# that the plan is told of is what dho bench allreduce reaches between as many hosts, for they share cores as well.
#   plan.sh [ROUNDS [MODEL [IMAGE_SIZE [STEPS]]]]     default: 3 resnet18 64 8
# DHO (default build/release/dho) is the program. Nothing else should compute meanwhile: the load is printed.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-3} model=${2:-resnet18} size=${3:-64} steps=${4:-8}
dho=$(realpath "${DHO:-build/release/dho}")
work=$(mktemp -d)
warm_up=2 shards=12
. tests/bench/hosts.bash
trap 'remove_hosts; rm -rf "$work"' EXIT

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

hosts=0
if can_make_hosts; then
    make_hosts 4
    hosts=4
    echo "hosts: namespaces of this machine, $hosts_how"
else
    echo "no hosts: needs root and iproute2"
fi

quartile() { # of numbers, a line each
    sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 3) / 4)] }'
}
. tests/bench/figures.bash
field() { # FILE KEY
    sed -n "s/^ *\"$2\": \([-0-9.e+]*\),\{0,1\}$/\1/p" "$1" | head -n 1
}
steps_of() { # the step's seconds without the first ones, of the run's metrics
    sed -n 's/.*"step_seconds": *\([0-9.e+-]*\).*/\1/p' "$work/run/metrics.jsonl" | tail -n +$((warm_up + 1)) | quartile
}
run() { # RANKS THREADS ARGUMENT ...: dho, its words to $work/log
    local ranks=$1 threads=$2
    shift 2
    DHO_THREADS_PER_RANK=$threads launch/mpirun.sh "$ranks" "$dho" "$@" >"$work/log" 2>&1 ||
        { tail -n 5 "$work/log"; exit 1; }
}
run_hosts() { # HOSTS ARGUMENT ...
    local n=$1
    shift
    DHO_THREADS_PER_RANK=1 on_hosts "$n" launch/mpirun.sh "$n" "$dho" "$@" >"$work/log" 2>&1 ||
        { tail -n 5 "$work/log"; exit 1; }
}
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
bandwidth_of_hosts() { # HOSTS: GB/s of their sum
    run_hosts "$1" bench allreduce --floats 12000000 --steps 3
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
    plan --nodes "$1" --threads 1 --bandwidth "$2" --latency "$hosts_latency"
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
    for ((n = 2; n <= hosts; n += 2)); do
        bandwidth=$(bandwidth_of_hosts $n)
        echo "round $((round + 1)): between $n hosts $bandwidth GB/s (dho bench allreduce), of 0.12 on the wire"
        echo "$n-hosts" "$(plan_hosts $n "$bandwidth")" "$(train_hosts $n)"
    done
done | tee "$work/figures"
echo
printf '%-16s %12s %12s %8s\n' layout "planned s" "measured s" ratio
awk '!/^round/ { print $1 }' "$work/figures" | sort -u | while read -r layout; do
    a=$(awk -v l="$layout" '$1 == l { print $2 }' "$work/figures" | median)
    b=$(awk -v l="$layout" '$1 == l { print $3 }' "$work/figures" | median)
    printf '%-16s %12.4g %12.4g %8.3f\n' "$layout" "$a" "$b" "$(awk -v a="$a" -v b="$b" 'BEGIN { print a / b }')"
done
