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
        echo "mpirun.sh: error: no mpirun here: install Open MPI (launch/dependencies.sh), or load the cluster's module of it" >&2
        return 2
    }
    answer=$(mpirun --version 2>&1 </dev/null) || true
    answer=${answer%%$'\n'*}
    if [[ $answer =~ \(Open\ MPI\)\ ([0-9]+)\. ]] && [ "${BASH_REMATCH[1]}" -ge 4 ]; then
        open_mpi=${BASH_REMATCH[1]}
        return 0
    fi
    echo "mpirun.sh: error: $path is not Open MPI 4 or later (it says \"${answer:0:60}\"): put that one's mpirun first in PATH" >&2
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
        echo "mpirun.sh: warning: Open MPI $open_mpi passes over" $names": its daemons read PRTE_MCA_* (prte_info --all lists them; for oversubscribing PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe)" >&2
    else
        names=$(compgen -e | grep '^PRTE_MCA_') || return 0
        echo "mpirun.sh: warning: Open MPI $open_mpi passes over" $names": its daemons read OMPI_MCA_* (ompi_info --all lists them)" >&2
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
        echo "mpirun.sh: error: not enough space in $folder for MPI's own files: $room KiB are free, $1 ranks take up to $need" >&2
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

# open_mpi_process: the number of mpirun, a child of this launcher; returns 1 if there is none.
open_mpi_process() {
    local stat number name parent
    for stat in /proc/[0-9]*/stat; do
        read -r number name _ parent _ 2>/dev/null <"$stat" || continue
        [ "$parent" = $$ ] || continue
        case $name in '(mpirun)' | '(prterun)') echo "$number" && return ;; esac
    done
    return 1
}

# open_mpi_overdue: the program has said its last word. mpirun ends a moment later; where it cannot reach
# one of its daemons it never does, and is killed after OPEN_MPI_PATIENCE seconds (20): returns 1 then.
open_mpi_overdue() {
    local end=$((SECONDS + ${OPEN_MPI_PATIENCE:-20}))
    while [ $SECONDS -lt $end ]; do
        sleep 0.2
        open_mpi_process >/dev/null || return 0
    done
    kill -KILL "$(open_mpi_process)" || return 0
    return 1
}

# open_mpi_words: copies mpirun's standard error, which the ranks' goes through, without what says
# nothing: the ten lines that mpirun adds to every exit code but 0 and to MPI_Abort, the news of a signal,
# the count of equal messages, and two faults of its own. The input ends with a record separator and
# mpirun's exit code: if that is a failure and nothing else was said, the ten lines come after all.
# Returns 1 if it is a failure and nothing at all was said, 2 if mpirun had to be killed (open_mpi_overdue).
open_mpi_words() {
    local LC_ALL=C line rule='' state=outside closing=() said=no lost=no code=1 told=no overdue=
    trap '' INT TERM USR1 # it ends with its input
    while IFS= read -r line || [ -n "$line" ]; do
        if [[ $line =~ ^(.*)$'\x1e'([0-9]+)$ ]]; then
            line=${BASH_REMATCH[1]} code=${BASH_REMATCH[2]}
            [ -n "${line// }" ] || break
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
        esac
        printf '%s\n' "$line"
        if [ -z "$overdue" ] && [[ $line == dho:\ error:* ]]; then
            open_mpi_overdue </dev/null >/dev/null 2>&1 &
            overdue=$!
        fi
        [[ -z ${line// } ]] || said=yes
        [[ $line != *signal\ [0-9]* ]] || told=yes
    done
    [ "$state" != first ] || echo "$rule"
    if [ -n "$overdue" ] && ! kill "$overdue" 2>/dev/null && ! wait "$overdue"; then
        echo "mpirun.sh: error: mpirun did not end, and was killed: it cannot reach a host's daemon"
        return 2
    fi
    open_mpi_failed "$code" || return 0
    if [ "$code" -gt 128 ] && [ $told = no ]; then # mpirun does not always say so
        echo "mpirun.sh: error: a rank or mpirun itself was ended by signal $((code - 128)) ($(kill -l "$code"))"
        said=yes
    elif [ $said = no ] && [ ${#closing[@]} -gt 0 ]; then
        printf '%s\n' "${closing[@]}"
        said=yes
    fi
    [ $lost = no ] ||
        echo "mpirun.sh: Open MPI lost one of its messages (a fault of 4.1.4); the same command again may show it"
    [ $said = yes ]
}
