# launch/mpirun.sh on the Open MPI that is here and on others that it only hears of: exit codes, what
# MPI said and what it adds for nothing, too little space, signals, other MPIs, the settings of each
# release; launch/dependencies.sh on other systems.
. "$(dirname "$0")/lib.bash"

launch() { # STATUS RANKS PROGRAM ...: its standard error in $work/log, its output in $work/out
    local code=$1 status=0
    shift
    timeout 60 "$here/launch/mpirun.sh" "$@" >"$work/out" 2>"$work/log" || status=$?
    [ $status = "$code" ] || die "exit code $status, not $code: $*"
}
lines() { # COUNT: so many lines of standard error
    [ "$(wc -l <"$work/log")" = "$1" ] || die "$(wc -l <"$work/log") lines, not $1"
}
says() { grep -q -- "$1" "$work/log" || die "not said: $1"; }
no_says() { ! grep -q -- "$1" "$work/log" || die "said: $1"; }

# A rank tells why it ends and nothing is added, whichever rank is first.
for code in 1 2 75; do
    launch $code 2 sh -c "[ \$OMPI_COMM_WORLD_RANK = 1 ] || sleep 2; echo 'dho: why' >&2; exit $code"
    no_says "non-zero"
    no_says "^---"
    [ "$(sort -u "$work/log")" = "dho: why" ] || die "more than the rank's line"
done
launch 2 2 sh -c 'exit 2'
lines 0
launch 1 2 sh -c 'exit 1'
says "non-zero"
launch 137 2 sh -c '[ $OMPI_COMM_WORLD_RANK = 1 ] || sleep 9; kill -KILL $$'
says "^mpirun.sh: error: rank 1 on $(uname -n) was killed by signal 9 (KILL"
pass "exit codes: only what the rank said; what MPI says where no rank said a thing"

# Who died, and how to go on: the run's folder is told by dho's line.
mkdir -p "$work/run/checkpoints/step-00000080" "$work/run/checkpoints/step-00000120" "$work/run/checkpoints/step-00000140.part"
touch "$work/run/checkpoints/"{step-00000080,step-00000120,step-00000140.part}/state.json
launch 139 2 sh -c "[ \$OMPI_COMM_WORLD_RANK = 0 ] || sleep 9; echo 'configuration: $work/run/config.yaml' >&2; kill -SEGV \$\$"
says "error: rank 0 on $(uname -n) was killed by signal 11 (SEGV)$"
says "run the same command to go on from step 120 ($work/run/checkpoints)$"
rm -r "$work/run"
launch 137 2 sh -c "[ \$OMPI_COMM_WORLD_RANK = 0 ] || sleep 9
    echo 'configuration: $work/run/config.yaml' >&2
    sleep 0.5
    shell=\$(sed 's/.*) [A-Z] \([0-9]*\) .*/\1/' /proc/\$\$/stat)
    kill -KILL \$(sed 's/.*) [A-Z] \([0-9]*\) .*/\1/' /proc/\$shell/stat)"
says "error: mpirun itself was ended by signal 9 (KILL), no rank was"
says "$work/run has no checkpoint yet: the same command begins anew"
no_says "error: rank"
pass "a death: rank, host, signal and the step to go on from; mpirun's own"

# dho whose MPI does not start in time; another program says nothing of its MPI, and has no limit.
printf '#!/bin/sh\nsleep 30\n' >"$work/dho"
chmod +x "$work/dho"
DHO_START_LIMIT=1 launch 1 2 "$work/dho"
says "error: MPI has not started within 1 s (DHO_START_LIMIT), and mpirun was ended"
lines 1
printf '#!/bin/sh\nprintf "\\036started\\n" >&2\nsleep 3\n' >"$work/dho"
DHO_START_LIMIT=1 launch 0 2 "$work/dho"
lines 0
DHO_START_LIMIT=1 launch 0 2 sleep 3
DHO_START_LIMIT=soon launch 2 2 true
says "DHO_START_LIMIT: expected a number of seconds"
lines 1
DHO_START_LIMIT=20 launch 0 2 "$DHO" bench allreduce --help
pass "a bound on MPI's start"

# Arguments that mpirun does not know, more ranks than it may start.
status=0
DHO_MPIRUN_ARGS=--fly "$here/launch/mpirun.sh" 2 true >"$work/log" 2>&1 || status=$?
[ $status = 1 ] || [ $status = 2 ] || die "exit code $status for an unknown option"
says "fly"
DHO_MPIRUN_ARGS="--map-by core" launch 1 4096 true
says "not enough slots"
launch 2 2 "$work/nowhere"
lines 1
# A program that is built but not found: how the shell finds it.
mkdir -p "$work/source/build/release"
cp -r "$here/launch" "$work/source"
ln -s /bin/true "$work/source/build/release/built-here"
status=0
"$work/source/launch/mpirun.sh" 2 built-here 2>"$work/log" || status=$?
[ $status = 2 ] || die "exit code $status for a program that is not found"
says "no program built-here: export PATH=.*/source/build/release:"
lines 1
pass "mpirun's own errors are shown"

# Signals: TERM reaches each rank as USR1; INT ends all.
"$here/launch/mpirun.sh" 2 bash -c 'trap "exit 75" USR1; touch '"$work"'/up.$OMPI_COMM_WORLD_RANK; exec 2>/dev/null; while :; do sleep 0.1; done' 2>"$work/log" &
launcher=$!
for _ in $(seq 100); do [ -e "$work/up.0" ] && [ -e "$work/up.1" ] && break || sleep 0.1; done
kill -TERM $launcher
status=0
wait $launcher || status=$?
[ $status = 75 ] || die "exit code $status, not 75, after TERM"
lines 0
pass "TERM reaches the ranks as USR1"

# Too little space for the shared memory. One rank needs none.
config=("--out" "$work/run" -c "$work/base.yaml" --set method=ce --set data.labels=all --set train.steps=2)
if [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null; then
    small_data
    for size in 4k 2m; do
        status=0
        unshare --mount bash -c 'mount -t tmpfs -o size=$1 tmpfs /dev/shm; shift; exec "$@"' bash $size \
            timeout 100 "$here/launch/mpirun.sh" 2 "$DHO" train "${config[@]}" >"$work/log" 2>&1 || status=$?
        [ $status = 1 ] || die "exit code $status, not 1, with $size of /dev/shm"
        [ "$(grep -c "^mpirun.sh: error: not enough space in /dev/shm .* 2 ranks" "$work/log")" = 1 ] ||
            die "no word of /dev/shm with $size"
        no_says "non-zero"
    done
    unshare --mount bash -c 'mount -t tmpfs -o size=4k tmpfs /dev/shm; exec "$@"' bash \
        "$here/launch/mpirun.sh" 1 "$DHO" train "${config[@]}" >"$work/log" 2>&1 || die "one rank without /dev/shm"
    pass "a full /dev/shm is named; one rank trains without it"
else
    skip_part "a full /dev/shm (needs root to make mounts)"
fi

# Other MPIs: one line. The fake says who it is, and else prints what it was given.
mkdir "$work/bin"
cat >"$work/bin/mpirun" <<'END'
#!/bin/bash
if [ "$1" = --version ]; then printf '%s\n' "$SAYS"; exit 0; fi
echo "arguments: $*"
env | grep -E '^(OMPI|PRTE)_' || true
grep '^SigBlk' /proc/self/status
END
chmod +x "$work/bin/mpirun"
real_path=$PATH
export PATH=$work/bin:$PATH
for SAYS in "HYDRA build details:" "Intel(R) MPI Library for Linux* OS, Version 2021.9" "mpirun (Open MPI) 3.1.6" \
    "mpirun (Open MPI) 1.10.7" "" "MVAPICH2 2.3"; do
    export SAYS
    launch 2 2 true
    lines 1
    says "error: $work/bin/mpirun is not Open MPI 4 or later"
done
mkdir "$work/few"
for tool in bash dirname sed lscpu awk nproc id grep sh true; do ln -s "$(command -v $tool)" "$work/few/"; done
PATH=$work/few "$work/few/bash" "$here/launch/mpirun.sh" 2 true 2>"$work/log" && die "two ranks without mpirun"
lines 1
says "no mpirun here"
PATH=$work/few "$work/few/bash" "$here/launch/mpirun.sh" 1 "$DHO" version >"$work/out" 2>"$work/log" || die "one rank without mpirun"
pass "another MPI, an old one, none: one line; one rank needs no mpirun"

# What each release is given.
given() { # TEXT
    grep -q -- "$1" "$work/out" || {
        cat "$work/out" >&2
        die "$SAYS was not given $1"
    }
}
for release in "4.1.4 vader" "4.0.3 vader" "5.0.7 sm" "5.1.0rc1 sm" "6.0.0 sm"; do
    export SAYS="mpirun (Open MPI) ${release% *}"
    launch 0 2 true
    lines 0
    given "OMPI_MCA_btl=self,${release#* }"
    ! grep -q quiet "$work/out" || die "$SAYS was asked to be quiet"
    SLURM_JOB_ID=1 launch 0 2 true
    case $release in
    4*) given OMPI_MCA_odls_base_sigkill_timeout=10 ;;
    *) given "SigBlk:.*4...$" ;; # TERM
    esac
    SLURM_JOB_ID= DHO_MPIRUN_ARGS="--host a:2" launch 0 2 true
    given "arguments: -n 2 --host a:2 "
    OMPI_MCA_btl=tcp,self launch 0 2 true
    given OMPI_MCA_btl=tcp,self
    OMPI_MCA_rmaps_base_oversubscribe=1 launch 0 2 true
    case $release in
    4*) lines 0 ;;
    *) says "warning: .*OMPI_MCA_rmaps_base_oversubscribe" ;;
    esac
    PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe launch 0 2 true
    case $release in
    4*) says "warning: .*PRTE_MCA_rmaps_default_mapping_policy" ;;
    *) lines 0 ;;
    esac
done
export PATH=$real_path
pass "the settings of Open MPI 4 and 5"

# What either release adds to an exit code goes; a program's own rules, and MPI's words, stay.
. "$here/launch/open_mpi.sh"
rule=--------------------------------------------------------------------------
four() { # CODE
    printf '%s\n' $rule "Primary job  terminated normally, but 1 process returned" \
        "a non-zero exit code. Per user-direction, the job has been aborted." $rule $rule \
        "mpirun detected that one or more processes exited with non-zero status, thus causing" \
        "the job to be terminated. The first process to do so was:" "" \
        "  Process name: [[2,1],0]" "  Exit code:    $1" $rule
}
five() { # CODE
    printf '%s\n' $rule "prterun detected that one or more processes exited with non-zero status," \
        "thus causing the job to be terminated. The first process to do so was:" "" \
        "   Process name: [prterun-vm-12@1,0]" "   Exit code:    $1" $rule
    printf ' '
}
ends() { # TEXT_COMMAND CODE: what is left of a text when mpirun ends so
    { eval "$1"; printf '\x1e%s\n' "$2"; } | open_mpi_words >"$work/log"
}
for release in four five; do
    ends "echo 'dho: error: x'; $release 1" 1
    [ "$(cat "$work/log")" = "dho: error: x" ] || die "$release: more than the program's words"
    ends "$release 1" 1 || die "$release: the ten lines are no words"
    says "Exit code: *1"
    for code in 2 75; do
        ends "$release $code" $code
        lines 0
    done
    ends "printf '%s\n' $rule 'not enough space' $rule; $release 1" 1
    lines 3
    ends "printf '%s\n' table $rule '1 2'; $release 75" 75
    says "^1 2"
done
ends "printf '\x1estarted\n[1,0]<stderr>:\x1estarted\n0: \x1estarted\n'" 0
lines 0
ends "printf 'half a line\x1estarted\n'" 0
lines 1
ends true 0 || die "success needs no words"
! ends true 1 || die "nothing counts as words"
ends "printf 'half a line'" 0
[ "$(cat "$work/log")" = "half a line" ] || die "half a line was lost"
printf '\xff\xfe a\\b  %%s\n' | open_mpi_words | cmp -s - <(printf '\xff\xfe a\\b  %%s\n') || die "bytes were changed"
pass "standard error is copied but for what says nothing"

# srun, by a fake one: the bound on the start, and how to go on after a death.
cat >"$work/bin/srun" <<'END'
#!/bin/bash
[ "$1" = --mpi=list ] && echo "pmix pmi2 none" && exit
while [[ $1 == --* ]]; do shift; done
"$@"
code=$?
[ $code = 0 ] || echo "srun: error: node7: task 1: failed" >&2
exit $code
END
chmod +x "$work/bin/srun"
by_srun() { # STATUS COMMAND ...
    local code=$1 status=0
    shift
    SLURM_JOB_ID=1 SLURM_NTASKS=2 DHO_SRUN_MPI=pmix PATH=$work/bin:$PATH \
        timeout 60 "$here/launch/srun.sh" "$@" >"$work/out" 2>"$work/log" || status=$?
    [ $status = "$code" ] || die "exit code $status of srun.sh, not $code: $*"
}
printf '#!/bin/bash\nsleep 30\n' >"$work/dho"
DHO_START_LIMIT=1 by_srun 1 "$work/dho"
says "^srun.sh: error: MPI has not started within 1 s (DHO_START_LIMIT), and srun was ended"
mkdir -p "$work/run/checkpoints/step-00000080"
touch "$work/run/checkpoints/step-00000080/state.json"
by_srun 137 sh -c "echo 'configuration: $work/run/config.yaml' >&2; exit 137"
says "^srun: error: node7"
says "^srun.sh: run the same command to go on from step 80"
by_srun 75 sh -c 'exit 75'
lines 1
pass "srun: the same bound, and what to do after a death"

# Packages by release; an unknown system is told what is missing, without apt.
packages() { # OS_RELEASE: the list in $work/log
    printf '%b' "$1" >"$work/os"
    DHO_OS_RELEASE=$work/os "$here/launch/dependencies.sh" --list test >"$work/log"
}
packages 'ID=debian\nVERSION_ID="12"\n' && says libjpeg62-turbo-dev && says libclang-rt-dev
packages 'ID=debian\nVERSION_ID="13"\n' && says libjpeg62-turbo-dev && no_says 14
packages 'ID=ubuntu\nVERSION_ID="22.04"\n' && says libjpeg-turbo8-dev && says libclang-common-14-dev
packages 'ID=ubuntu\nVERSION_ID="24.04"\n' && says libjpeg-turbo8-dev && says libclang-rt-dev
packages 'ID=linuxmint\nVERSION_ID="22"\nUBUNTU_CODENAME=noble\n' && says libjpeg-turbo8-dev
DHO_OS_RELEASE=$work/os "$here/launch/dependencies.sh" --list package >"$work/log"
says dpkg-dev && no_says slurm
rm "$work/few/"*
for tool in bash sed grep id find env cat; do ln -s "$(command -v $tool)" "$work/few/"; done
for system in 'ID=fedora\nVERSION_ID=41\n' 'ID=arch\n' ''; do
    printf '%b' "$system" >"$work/os"
    status=0
    DHO_OS_RELEASE=$work/os PATH=$work/few bash "$here/launch/dependencies.sh" 2>"$work/log" || status=$?
    [ $status = 2 ] || die "exit code $status, not 2, on an unknown system"
    lines 1
    says "install yourself .*libpng-dev"
done
pass "packages follow the release; an unknown system gets the list"
finish
