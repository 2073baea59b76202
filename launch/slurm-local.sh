#!/usr/bin/env bash
# A real SLURM of one node on this machine, to try job scripts with; root only.
#   launch/slurm-local.sh start     then: export SLURM_CONF=... as it prints
#   launch/slurm-local.sh stop | status
# Needs Debian's slurm-wlm and munge. All files (configuration, munge key and socket, state, logs)
# live in one folder: nothing under /etc is read or changed.
#
# DHO_SLURM_DIR   that folder (default: /tmp/dho-slurm)
# DHO_SLURM_PORT  port of slurmctld; slurmd takes the next one (default: 26817)
set -eu
folder=${DHO_SLURM_DIR:-/tmp/dho-slurm}
port=${DHO_SLURM_PORT:-26817}
export SLURM_CONF=$folder/slurm.conf
PATH=$PATH:/usr/sbin:/sbin

fail() {
    echo "slurm-local: $*" >&2
    exit 1
}

pid_file() { # NAME
    if [ "$1" = munged ]; then echo "$folder/munge/munged.pid"; else echo "$folder/run/$1.pid"; fi
}

alive() { # NAME: is the daemon of that name, by its pid file, running?
    local pid
    pid=$(cat "$(pid_file "$1")" 2>/dev/null) && [ -n "$pid" ] &&
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] && [ -e "/proc/$pid/exe" ] # no zombie
}

write_configuration() {
    local node
    node=$(hostname -s)
    # cred_expire is also how long a requeued job waits before it starts again.
    cat >"$SLURM_CONF" <<END
ClusterName=local
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=2,sched_min_interval=0,bf_interval=5
KillWait=30
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmdParameters=config_overrides
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=local Nodes=$node Default=YES MaxTime=INFINITE State=UP
END
    # Nothing here needs cgroups; slurmd looks for them all the same, and ends where there are none.
    # (The value is there since 24.05; older ones start without.)
    rm -f "$folder/cgroup.conf"
    if [ "$(slurmd -V | sed 's/^[^0-9]*\([0-9]*\)\.\([0-9]*\).*/\1\2/')" -ge 2405 ]; then
        echo "CgroupPlugin=disabled" >"$folder/cgroup.conf"
    fi
}

start_munge() {
    if [ ! -s "$folder/munge/key" ]; then
        (umask 077 && head -c 1024 /dev/urandom >"$folder/munge/key")
    fi
    chown -R munge: "$folder/munge"
    runuser -u munge -- "$(command -v munged)" --key-file="$folder/munge/key" \
        --socket="$folder/munge/socket" --pid-file="$folder/munge/munged.pid" \
        --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" ||
        fail "munged did not start: $(tail -n 1 "$folder/munge/log" 2>/dev/null)"
}

node_is_up() { sinfo -h -o %t | grep -qE '^(idle|mix|alloc)$'; }

start_daemon() { # NAME READY_COMMAND ...: the next one starts when this one answers
    local name=$1 gone=0
    shift
    alive "$name" || "$name" -f "$SLURM_CONF" || give_up "$name does not start"
    for _ in $(seq 120); do
        # A daemon of ours that is gone, as when the port is somebody else's, is no start; but its
        # pid file comes a moment after it has gone into the background.
        if ! alive "$name"; then
            gone=$((gone + 1))
            [ $gone -lt 10 ] || give_up "$name ended at once"
        elif "$@" >/dev/null 2>&1; then
            return
        fi
        sleep 0.5
    done
    give_up "$name does not answer"
}

give_up() { # WHY: with the end of the daemons' logs, which go with the folder
    tail -n 8 "$folder"/slurm*.log >&2 || true
    fail "$*: see the logs in $folder"
}

start() {
    local tool
    [ "$(id -u)" = 0 ] || fail "needs root"
    for tool in munged slurmctld slurmd; do
        command -v $tool >/dev/null || fail "$tool not found: apt-get install slurm-wlm munge"
    done
    mkdir -p "$folder"
    [ -O "$folder" ] && [ ! -L "$folder" ] || fail "$folder belongs to somebody else"
    mkdir -p "$folder/run" "$folder/state" "$folder/spool" "$folder/munge"
    chmod 755 "$folder" "$folder/munge"
    write_configuration
    alive munged || start_munge
    start_daemon slurmctld scontrol ping
    start_daemon slurmd node_is_up
    echo "export SLURM_CONF=$SLURM_CONF"
}

stop() {
    local name
    if alive slurmctld; then
        scancel --quiet --partition=local 2>/dev/null || true
        sleep 1
    fi
    for name in slurmd slurmctld munged; do
        alive $name || continue
        kill "$(cat "$(pid_file $name)")"
        for _ in $(seq 40); do
            alive $name || break
            sleep 0.25
        done
        ! alive "$name" || fail "$name does not stop"
    done
}

status() {
    local name
    for name in munged slurmctld slurmd; do
        if alive $name; then echo "$name runs"; else echo "$name does not run"; fi
    done
    alive slurmctld || return 1
    sinfo
    squeue
}

case "${1:-}" in
start | stop | status) "$1" ;;
*)
    echo "usage: $0 start|stop|status" >&2
    exit 2
    ;;
esac
