# The help: of the program and of each command, with every option that the command's parser knows.
# One process of one thread.
. "$(dirname "$0")/lib.bash"

"$DHO" --help >"$work/all" 2>"$work/log" || die "--help"
for word in help -h; do
    "$DHO" $word 2>"$work/log" | cmp -s - "$work/all" || die "dho $word is not dho --help"
done
awk 'length > 100' "$work/all" | grep . && die "a line of more than 100 characters"
pass "the program's help"

# What a command knows is what it says to an option that it does not know.
known() { # COMMAND ...
    "$DHO" "$@" --no-such-option >"$work/log" 2>&1 && die "$*: takes --no-such-option"
    grep -o 'known: [^)]*' "$work/log" | sed 's/^known: //'
}
check() { # COMMAND [ACTION] [-- ARGUMENT ...]: the arguments that come before any option
    local words=() option options
    while [ $# -gt 0 ] && [ "$1" != -- ]; do words+=("$1") && shift; done
    [ $# = 0 ] || shift
    "$DHO" "${words[@]}" --help >"$work/help" 2>"$work/log" || die "${words[*]} --help"
    [ ! -s "$work/log" ] || die "${words[*]} --help writes to standard error"
    "$DHO" "${words[@]}" "$@" -c x -h 2>&1 | cmp -s - "$work/help" || die "${words[*]} ... -h"
    grep -q "^usage: dho ${words[*]} " "$work/help" || die "${words[*]}: no usage"
    awk 'length > 100' "$work/help" | grep . && die "${words[*]}: a line of more than 100 characters"
    options=$(known "${words[@]}" "$@")
    [ -n "$options" ] || die "${words[*]}: knows nothing"
    for option in $options; do
        grep -q -e "^  \(-c, \)\?$option " -e "^  $option$" "$work/help" ||
            die "${words[*]} --help does not explain $option"
        [ "$option" = --config ] && option="-c"
        sed -n "/^  ${words[*]} /,/^  [a-z]/p" "$work/all" | grep -q -e "$option\b" ||
            die "the program's help has no $option of ${words[*]}"
    done
    pass "${words[*]}: $options"
}
check synth
check train
check plan
check eval
check table -- caltech101
check report -- a
check select -- a
check cache build
check cache import
check cache verify -- a
check teacher zero-shot
check teacher embed
check teacher prototypes
check teacher tip-adapter
check data check
check pack
check weights inspect -- a
check weights convert -- a b
check export
check bench step
check bench allreduce
check bench data
check bench rates
check bench machine
check bench tune -- --out x

for command in "cache info" compare; do
    "$DHO" $command --help 2>"$work/log" | grep -q "^usage: dho $command " || die "$command --help"
done
[ "$("$DHO" cache --help | grep -c '^usage: ')" = 4 ] || die "cache --help: not its four actions"
pass "commands without options, and those with actions"

# docs/commands.md. DHO_UPDATE_DOCS=1 writes it.
"$DHO" help --markdown >"$work/commands.md" 2>"$work/log" || die "help --markdown"
[ -z "${DHO_UPDATE_DOCS:-}" ] || cp "$work/commands.md" "$here/docs/commands.md"
cmp -s "$work/commands.md" "$here/docs/commands.md" || die "docs/commands.md is old: DHO_UPDATE_DOCS=1 DHO=$DHO $0"
pass "docs/commands.md"

# Man pages: one a command and the list; groff warns of nothing.
mkdir "$work/man"
"$DHO" help --man "$work/man" 2>"$work/log" || die "help --man"
[ "$(ls "$work/man" | wc -l)" = $(($(grep -c '^## dho ' "$work/commands.md") + 1)) ] || die "man pages: not one a command"
for page in "$work"/man/*.1; do
    ! command -v groff >/dev/null || [ -z "$(groff -man -ww -z "$page" 2>&1)" ] || die "$page: groff warns"
done
grep -q '^.SH OPTIONS' "$work/man/dho-cache-build.1" && grep -q '^dho-train ' "$work/man/dho-train.1" || die "the pages' content"
"$DHO" help --man "$work/nowhere" 2>"$work/log" && die "man pages in a folder that is missing"
pass "man pages"

"$DHO" version --verbose >"$work/version" 2>"$work/log" || die "version --verbose"
for word in commit build backends MPI "built for" "found here"; do
    grep -q "^$word " "$work/version" || die "version --verbose does not say $word"
done
"$DHO" version --loud >"$work/log" 2>&1 && die "version --loud"
pass "$(paste -sd' ' "$work/version" | cut -c 1-150)"

# Completion: of a line, the words that bash would offer for the last one.
"$DHO" completion bash >"$work/completion" 2>"$work/log" || die "completion bash"
complete_line() { # WORD ...
    bash -c '. "$0"; compopt() { :; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dho; echo "${COMPREPLY[*]}"' \
        "$work/completion" "$@"
}
offers() { # WORDS LINE ...
    local words=$1
    shift
    [ "$(complete_line "$@")" = "$words" ] || die "$*: offers \"$(complete_line "$@")\", not \"$words\""
}
offers "train table teacher" dho t
offers "build import info verify" dho cache ""
offers "inspect" dho weights i
offers "--resume" dho train my.yaml --r
offers "--shards --set" dho pack --s
offers "auto never" dho train --resume ""
offers "fp16 int8" dho cache build --encoding ""
offers "train.lr= train.layer_decay= train.log_every=" dho train my.yaml --set train.l
offers "" dho train my
pass "completion"

"$DHO" fly --help >"$work/log" 2>&1 && die "a command that is not there has a help"
grep -q "unknown command" "$work/log" || die "an unknown command"
pass "unknown command"

"$DHO" synth --out="$work/equals" --train=1 --val=1 --test=1 >"$work/log" 2>&1 || die "--out=DIR"
[ -d "$work/equals/train" ] || die "--out=DIR goes elsewhere"
"$DHO" synth --out="$work/equals" --train=many >"$work/log" 2>&1 && die "--train=many"
grep -q -- '--train: expected .* got "many"' "$work/log" || die "--train=many: what is wrong?"
pass "--option=value"
finish
