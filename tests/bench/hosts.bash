# Several hosts on this machine: network namespaces on one bridge, each with its own host name. Needs root and
# iproute2. Sourced; $work is the caller's folder, and its EXIT trap calls remove_hosts.
net=dho-h$$ hosts_made=-1

can_make_hosts() {
    [ "$(id -u)" = 0 ] && ip netns add "$net-try" 2>/dev/null && ip netns del "$net-try"
}

remove_hosts() {
    local i
    for ((i = 0; i <= hosts_made; i++)); do ip netns del "$net-$i" 2>/dev/null || true; done
    hosts_made=-1
}

# make_hosts COUNT [RATE]: 10.77.0.1 ..., at RATE (default 1gbit; "free": as fast as the machine copies) and,
# where the kernel has netem, 1 ms. Sets hosts_how, and hosts_latency in microseconds.
make_hosts() {
    local i rate=${2:-1gbit}
    hosts_how="netem delay 1ms rate $rate limit 20000" hosts_latency=1000
    for ((i = 0; i <= $1; i++)); do
        ip netns add "$net-$i"
        hosts_made=$i
        ip -n "$net-$i" link set lo up
    done
    ip -n "$net-0" link add name hub type bridge
    ip -n "$net-0" link set hub up
    if [ "$rate" = free ]; then
        hosts_how="no limit" hosts_latency=50
    elif ! ip netns exec "$net-0" tc qdisc add dev lo root netem delay 1ms 2>/dev/null; then
        hosts_how="tbf rate $rate burst 256kb latency 100ms" hosts_latency=50
    fi
    for ((i = 1; i <= $1; i++)); do
        ip link add "v$i" netns "$net-$i" type veth peer name "h$i" netns "$net-0"
        ip -n "$net-0" link set "h$i" master hub up
        ip -n "$net-$i" addr add "10.77.0.$i/24" dev "v$i"
        ip -n "$net-$i" link set "v$i" up
        # shellcheck disable=SC2086 # words
        [ "$rate" = free ] || ip netns exec "$net-$i" tc qdisc add dev "v$i" root $hosts_how
    done
    cat >"$work/agent" <<END
#!/bin/bash
host=\$1 # as ssh: HOST COMMAND ...
shift
i=\${host##*.}
exec ip netns exec $net-\$i unshare --uts sh -c 'hostname host-\$0 && exec sh -c "\$*"' \$i "\$@"
END
    chmod +x "$work/agent"
}

# on_hosts COUNT [NAME=VALUE ...] COMMAND ...: COMMAND on host 1, with what makes launch/mpirun.sh COUNT and
# mpirun --hostfile $work/hosts start a rank on each of COUNT hosts.
on_hosts() {
    local i count=$1
    shift
    for ((i = 1; i <= count; i++)); do echo "10.77.0.$i slots=1"; done >"$work/hosts"
    env OMPI_MCA_plm_rsh_agent="$work/agent" PRTE_MCA_plm_ssh_agent="$work/agent" \
        OMPI_MCA_btl_tcp_if_include=10.77.0.0/24 OMPI_MCA_oob_tcp_if_include=10.77.0.0/24 \
        DHO_MPIRUN_ARGS="--hostfile $work/hosts --map-by node --bind-to none" OMP_WAIT_POLICY=passive \
        ip netns exec "$net-1" unshare --uts sh -c 'hostname host-1 && exec env "$@"' sh "$@"
}
