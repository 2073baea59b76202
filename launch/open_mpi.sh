# shellcheck shell=bash
# What the launchers must know of Open MPI and its releases stands here and nowhere else; to be
# sourced by bash. Tried with 4.1.4 and 5.0.7.

# open_mpi_find: asks mpirun once who it is; sets open_mpi to the first number of its release and
# open_mpi_before to what must stand before `mpirun`. Returns 2, with a line that says why, for
# another MPI or none.
open_mpi_find() {
    local answer path
    open_mpi='' open_mpi_before=()
    path=$(command -v mpirun) || {
        echo "${0##*/}: error: no mpirun here: install Open MPI (launch/dependencies.sh), or load the cluster's module of it" >&2
        return 2
    }
    answer=$(mpirun --version 2>&1 </dev/null) || true
    answer=${answer%%$'\n'*}
    if [[ $answer =~ \(Open\ MPI\)\ ([0-9]+)\. ]] && [ "${BASH_REMATCH[1]}" -ge 4 ]; then
        open_mpi=${BASH_REMATCH[1]}
        return 0
    fi
    echo "${0##*/}: error: $path is not Open MPI 4 or later (it says \"${answer:0:60}\"): put that one's mpirun first in PATH" >&2
    return 2
}

# open_mpi_settings local|batch|hosts CROWDED: exports the parameters for ranks of this machine, of
# a batch job or of the caller's hosts; CROWDED is yes when ranks share cores. The caller's own
# variables win.
open_mpi_settings() {
    local shared_memory=sm
    [ "$open_mpi" -gt 4 ] || shared_memory=vader
    if [ "$(id -u)" = 0 ]; then # a container, or a test machine
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    fi
    [ "$2" = no ] || export OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1}
    if [ "$1" = local ]; then
        # Shared memory only, which spares the search for network devices.
        export OMPI_MCA_pml=${OMPI_MCA_pml:-ob1} OMPI_MCA_btl=${OMPI_MCA_btl:-self,$shared_memory}
    elif [ "$1" = batch ] && [ "$open_mpi" -gt 4 ]; then
        # A batch system that ends the job signals mpirun as well. 5 then kills the ranks within a
        # second, and no parameter gives them more to save: it must not see that signal. The ranks
        # do, and USR1 reaches them by mpirun. Its end is INT (job.sh).
        open_mpi_before=(env --block-signal=TERM)
    elif [ "$1" = batch ]; then
        # 4 waits that long before it kills, but after every early end, so not too much of it.
        export OMPI_MCA_odls_base_sigkill_timeout=${OMPI_MCA_odls_base_sigkill_timeout:-10}
    fi
    open_mpi_check_names
}

# The parameters of the daemons that start the ranks are OMPI_MCA_* in 4 and PRTE_MCA_* from 5 on,
# some by another name. The other release's are passed over in silence: here they are named.
open_mpi_check_names() {
    local names
    if [ "$open_mpi" -gt 4 ]; then
        names=$(compgen -e | grep -E '^OMPI_MCA_(orte|rmaps|odls|plm|ras|ess|rml|routed|grpcomm|state|errmgr|iof|filem)_') || return 0
        echo "${0##*/}: warning: Open MPI $open_mpi passes over" $names": its daemons read PRTE_MCA_* (prte_info --all lists them; for oversubscribing PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe)" >&2
    else
        names=$(compgen -e | grep '^PRTE_MCA_') || return 0
        echo "${0##*/}: warning: Open MPI $open_mpi passes over" $names": its daemons read OMPI_MCA_* (ompi_info --all lists them)" >&2
    fi
}

# open_mpi_client OFFERED: of the ways that SLURM offers its tasks to find each other (srun
# --mpi=list) one that the ranks' Open MPI speaks, else mpirun: PMIx when Open MPI can be its client
# (4 by a component, from 5 on always), PMI-2 when Open MPI was built for it.
open_mpi_client() {
    local parts
    parts=$(ompi_info --parsable 2>/dev/null) || parts=
    if grep -qw pmix <<<"$1" && grep -qE \
        '^(mca:pmix:(ext[0-9]|pmix[0-9])|ompi:version:full:([5-9]|[1-9][0-9]))' <<<"$parts"; then
        echo pmix
    elif grep -qw pmi2 <<<"$1" && grep -qE '^mca:pmix:s2' <<<"$parts"; then
        echo pmi2
    else
        echo mpirun
    fi
}

# open_mpi_room RANKS: says so if there is too little space for the shared memory of so many ranks (4
# MiB each in 4, 16 from 5 on) or for mpirun's own files; returns 1 if there is enough. To be asked
# after a failure: 4.1.4 loses one in four of MPI's messages, and 5.0.7 dies without one.
open_mpi_room() {
    local memory=4096 folder need room found=1
    [ "$open_mpi" -le 4 ] || memory=16384
    while read -r need folder; do
        room=$(df -Pk "$folder" 2>/dev/null | awk 'NR == 2 { print $4 }')
        [ "${room:-$need}" -lt "$need" ] || continue
        echo "${0##*/}: error: not enough space in $folder for MPI's own files: $room KiB are free, $1 ranks take up to $need" >&2
        found=0
    done <<<"$((memory * $1)) /dev/shm"$'\n'"$((1024 + 1024 * $1)) ${TMPDIR:-/tmp}"
    return $found
}

# open_mpi_status STATUS: mpirun's exit status as one of dho's. From 5 on, arguments that mpirun
# does not know are 213 and ranks that could not start MPI are 14; beyond 128 + 64 there is no signal.
open_mpi_status() {
    case $1 in
    213) echo 2 ;;
    14) echo 1 ;;
    *) if [ "$1" -gt 192 ]; then echo 1; else echo "$1"; fi ;;
    esac
}

# open_mpi_failed STATUS: whether that is no end that dho means (0; 2: its input is wrong; 75: stopped
# and saved; 138: ended by USR1 before it could listen).
open_mpi_failed() {
    case $1 in 0 | 2 | 75 | 138) return 1 ;; esac
}

# What mpirun starts for each rank: `bash -c "$open_mpi_rank" rank PROGRAM [ARGUMENT ...]` runs the program and,
# if a signal ended it, writes a line for open_mpi_words to standard error: mpirun's own line about that
# names neither host nor process in some releases, and 4.1.4 loses it now and then. Signals go to the whole
# process group. TERM is mpirun's order to end, after which a death is no news; nor is one by USR1 (138, open_mpi_failed).
# Rank 0's output goes to the launcher by a pipe of its own, where both are on one host: 5.0.7 reads output in parts, and
# puts the begin of a line that it has half of in front of what standard error says next. It also ends the job at once where
# a rank fails, and loses what that rank has just said (3 of 10 times): so a rank that fails stays for a moment.
# shellcheck disable=SC2016 # for the other shell
open_mpi_rank='trap : USR1 USR2 HUP; trap "ordered=yes" TERM INT; exec 3>&2 2>/dev/null
out=${DHO_LAUNCHER_OUT#"$HOSTNAME:"}
[ "$OMPI_COMM_WORLD_RANK" != 0 ] || [ "$out" = "$DHO_LAUNCHER_OUT" ] || [ ! -p "$out" ] || exec >"$out"
"$@" 2>&3 3>&-
status=$?
[ $status -le 128 ] || [ $status = 138 ] || [ -n "$ordered" ] || printf "\036died %s %s %s\n" "$OMPI_COMM_WORLD_RANK" "$HOSTNAME" $status >&3
[ $status = 0 ] || [ -z "$PRTE_LAUNCHED" ] || sleep 0.3
exit $status'

# open_mpi_run STARTER SECONDS COMMAND [ARGUMENT ...]: runs mpirun or srun (STARTER) by forward_signals, its
# standard error by open_mpi_words, and sets status: the program's exit code, 1 where mpirun or srun had
# to be killed. MPI must have started after so many seconds (0: no matter when). Sets silent to yes if that
# failed without a word.
open_mpi_run() {
    local starter=$1 limit=$2 words
    shift 2
    export DHO_LAUNCHER_LISTENS=1 # src/comm/mpi_start.c
    exec 3> >(open_mpi_words "$starter" "$limit" >&2)
    words=$!
    open_mpi_open_output "$starter"
    status=0 silent=no
    forward_signals "$@" >&4 2>&3 3>&- || status=$?
    open_mpi_close_output
    [ "$starter" != mpirun ] || status=$(open_mpi_status "$status")
    printf '\x1e%s\n' "$status" >&3
    exec 3>&-
    wait "$words" || case $? in 2) status=1 ;; *) silent=yes ;; esac
}

# open_mpi_open_output STARTER: the pipe for rank 0's output (descriptor 4), and all that mpirun itself writes, which a
# process of its own copies (output). Whoever wants mpirun to label or to keep what ranks write, gets all from mpirun.
open_mpi_open_output() {
    unset DHO_LAUNCHER_OUT
    exec 4>&1
    output=
    case "$1 ${DHO_MPIRUN_ARGS:-}" in *output* | *tag* | *timestamp* | *xml* | srun*) return 0 ;; esac
    # Where nobody reads on (head), the program still runs to its end.
    exec 4> >(trap '' INT TERM USR1 && exec 3>&- && { cat || cat >/dev/null; })
    output=$!
    export DHO_LAUNCHER_OUT=$HOSTNAME:/proc/$$/fd/4
}

# open_mpi_close_output: waits for the last of it, but not for a process that has outlived mpirun and holds the pipe.
open_mpi_close_output() {
    local tries=0
    exec 4>&-
    [ -n "$output" ] || return 0
    while kill -0 "$output" 2>/dev/null && [ $((tries += 1)) -le 100 ]; do sleep 0.05; done
    kill "$output" 2>/dev/null || true
}

# open_mpi_start_limit RANKS PROGRAM: DHO_START_LIMIT, or 120 s and one more for each 20 ranks; 0 for a program
# that does not say when MPI has started. A line and status 2 where that is no number of seconds.
open_mpi_start_limit() {
    local limit=${DHO_START_LIMIT:-$((120 + $1 / 20))}
    case $limit in
    '' | *[!0-9]* | ???????*)
        echo "${0##*/}: error: DHO_START_LIMIT: expected a number of seconds (0: no limit), got \"$limit\"" >&2
        return 2
        ;;
    esac
    if [ "${2##*/}" = dho ]; then echo $((10#$limit)); else echo 0; fi
}

# open_mpi_process STARTER: the number of mpirun or srun, a child of this launcher; returns 1 if there is none.
open_mpi_process() {
    local stat number name parent
    for stat in /proc/[0-9]*/stat; do
        read -r number name _ parent _ 2>/dev/null <"$stat" || continue
        [ "$parent" = $$ ] || continue
        case $1:$name in 'mpirun:(mpirun)' | 'mpirun:(prterun)' | 'srun:(srun)') echo "$number" && return ;; esac
    done
    return 1
}

# open_mpi_overdue STARTER SECONDS: waits until mpirun or srun has ended, and orders it to after so many
# seconds: returns 1 then. Time in which the whole job was suspended, this launcher too, does not count.
open_mpi_overdue() {
    local left=$2 orders=0 before=$SECONDS passed process
    trap 'exit 0' USR2 # no longer wanted
    while sleep 0.2 && process=$(open_mpi_process "$1"); do
        passed=$((SECONDS - before)) before=$SECONDS
        left=$((left - (passed > 2 ? 2 : passed)))
        [ "$left" -le 0 ] || continue
        if [ $orders -lt 2 ]; then kill -INT "$process"; else kill -KILL "$process"; fi
        orders=$((orders + 1)) left=2 # after INT they clean up, if they still can; srun wants two
    done
    [ $orders = 0 ]
}

# open_mpi_goes_on FOLDER: says from which step the same command goes on in this folder of a run.
open_mpi_goes_on() {
    local state newest=
    for state in "$1"/checkpoints/step-*/state.json; do # in the order of their steps
        [[ $state =~ /step-([0-9]+)/state.json$ ]] && [ -e "$state" ] && newest=$((10#${BASH_REMATCH[1]}))
    done
    if [ -n "$newest" ]; then
        echo "${0##*/}: run the same command to go on from step $newest ($1/checkpoints)"
    else
        echo "${0##*/}: $1 has no checkpoint yet: the same command begins anew"
    fi
}

# open_mpi_words STARTER SECONDS: copies the standard error of mpirun or srun, which the ranks' goes through,
# without what says nothing: the ten lines that mpirun adds to every exit code but 0 and to MPI_Abort, the
# news of a signal, the count of equal messages, and two faults of its own. The input ends with a record
# separator and the exit code; open_mpi_last_words says what is left to say.
# After the program's last word, or a rank's death, mpirun ends within a moment. Where it cannot reach one of
# its daemons, or where that rank was in MPI_Init, it may never do so: OPEN_MPI_PATIENCE seconds (20) are
# its bound. STARTER and SECONDS are open_mpi_run's. Returns 1 if it is a failure and nothing at all was
# said, 2 if mpirun or srun had to be ended.
open_mpi_words() {
    local LC_ALL=C line rule='' state=outside closing=() said=no lost=no code=1 told=no died=no run=
    local starter=${1:-mpirun} limit=${2:-0} starting='' overdue=''
    trap '' INT TERM USR1 # it ends with its input
    if [ "$limit" != 0 ]; then
        open_mpi_overdue "$starter" "$limit" </dev/null >/dev/null 2>&1 &
        starting=$!
    fi
    while IFS= read -r line || [ -n "$line" ]; do
        if [[ $line =~ ^(.*)$'\x1e'([0-9]+)$ ]]; then
            line=${BASH_REMATCH[1]} code=${BASH_REMATCH[2]}
            [ -n "${line// }" ] || break
        elif [[ $line =~ ^(.*)$'\x1e'started$ ]]; then
            [ -z "$starting" ] || kill -USR2 "$starting" 2>/dev/null || true
            starting='' line=${BASH_REMATCH[1]}
            [[ ! $line =~ ^((\[.*\]<stderr>:)?|[0-9]+:\ )$ ]] || continue # nothing, or the rank's label
        elif [[ $line =~ ^(.*)$'\x1e'died\ ([0-9]*)\ ([^ ]+)\ ([0-9]+)$ ]]; then
            line="${BASH_REMATCH[1]}${BASH_REMATCH[1]:+$'\n'}$(open_mpi_death "${BASH_REMATCH[@]:2}")"
            died=yes told=yes
        fi
        # 5 puts a blank between a message of a rank's MPI and the next line.
        if [ "$state" = after ]; then line=${line# } state=outside; fi
        case $state:$line in
        outside:----------------------------------------------------------------*)
            rule=$line state=first
            continue
            ;;
        first:*non-zero\ status* | first:MPI_ABORT\ was\ invoked* | first:Primary\ job\ *terminated\ normally*)
            state=skip closing+=("$rule" "$line")
            continue
            ;;
        first:*)
            echo "$rule"
            state=inside
            ;;
        skip:*)
            closing+=("$line")
            [[ $line != ----------* ]] || state=after
            continue
            ;;
        inside:----------------------------------------------------------------*) state=after ;;
        outside:*ORTE_ERROR_LOG:*show_help.c*)
            lost=yes
            continue
            ;;
        outside:mpirun:\ Forwarding\ signal\ *\ to\ job | outside:*PMIX\ ERROR:*UNREACH*pmix_server.c* | \
            outside:\[*\]*\ more\ process*\ sent\ help\ message* | \
            outside:\[*\]\ Set\ MCA\ parameter\ \"*_base_help_aggregate\"*) continue ;;
        outside:configuration:\ */config.yaml) # where dho train keeps its run
            run=${line#configuration: }
            run=${run%/config.yaml}
            ;;
        esac
        printf '%s\n' "$line"
        if [ -z "$overdue" ] && [[ $died = yes || $line == dho:\ error:* ]]; then
            open_mpi_overdue "$starter" "${OPEN_MPI_PATIENCE:-20}" </dev/null >/dev/null 2>&1 &
            overdue=$!
        fi
        [[ -z ${line// } ]] || said=yes
        [[ $line != *signal\ [0-9]* && $line != srun:\ error:* ]] || told=yes
    done
    [ "$state" != first ] || echo "$rule"
    open_mpi_last_words
}

# open_mpi_death RANK HOST STATUS: one line about a rank that a signal ended.
open_mpi_death() {
    local name why=
    name=$(kill -l "$3")
    [ "$name" != KILL ] || why="; where nobody sent it, the kernel did for want of memory"
    echo "${0##*/}: error: rank $1 on $2 was killed by signal $(($3 - 128)) ($name$why)"
}

# The end of open_mpi_words, with its variables: why mpirun or srun was ended, else what they said of the
# failure if the program said nothing or a signal was its end; then how to go on.
open_mpi_last_words() {
    local me=${0##*/}
    if [ -n "$starting" ] && ! wait "$starting"; then
        echo "$me: error: MPI has not started within $limit s (DHO_START_LIMIT), and $starter was ended: the same command again may do it; if not, a host or its network is at fault"
        return 2
    fi
    if [ -n "$overdue" ] && ! wait "$overdue"; then
        if [ $died = yes ]; then
            echo "$me: error: $starter did not end after a rank's death, and was killed"
        else
            echo "$me: error: $starter did not end, and was killed: it cannot reach a host's daemon"
        fi
        [ -z "$run" ] || open_mpi_goes_on "$run"
        return 2
    fi
    open_mpi_failed "$code" || return 0
    if [ ${#closing[@]} -gt 0 ] && { [ "$code" -gt 128 ] || [ $said = no ]; }; then
        printf '%s\n' "${closing[@]}"
        said=yes
    fi
    if [ "$code" -gt 128 ]; then
        if [ $told = no ] && [ ${#closing[@]} -gt 0 ]; then
            echo "$me: error: a rank was ended by signal $((code - 128)) ($(kill -l "$code"))"
        elif [ $told = no ]; then # it says something of every rank that dies
            echo "$me: error: $starter itself was ended by signal $((code - 128)) ($(kill -l "$code")), no rank was"
        fi
        said=yes
        [ -z "$run" ] || open_mpi_goes_on "$run"
    fi
    [ $lost = no ] ||
        echo "$me: Open MPI lost one of its messages (a fault of 4.1.4); the same command again may show it"
    [ $said = yes ]
}
