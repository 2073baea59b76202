/* The runs that a table lacks, as a shell script. */
#include "base/shell_word.h"
#include "table/table_write.h"

#include <string.h>

/* out_folder NULL: without --out. */
static void write_settings(const dho_table_run *run, const char *out_folder, FILE *out)
{
    fputs("-c ", out);
    dho_shell_write(run->config, out);
    if (out_folder != NULL) {
        fputs(" --out ", out);
        dho_shell_write(out_folder, out);
    }
    for (size_t i = 0; i < run->overrides.count; i++) {
        fputs(" --set ", out);
        dho_shell_write(run->overrides.items[i], out);
    }
}

void dho_table_write_arguments(const dho_table_run *run, FILE *out)
{
    fputc(' ', out);
    write_settings(run, run->folder, out);
}

void dho_table_write_step(const dho_table *table, const dho_table_step *step, FILE *out)
{
    static const char place[] = "{arguments}";
    const char *at = step->command;
    for (const char *next; (next = strstr(at, place)) != NULL; at = next + strlen(place)) {
        fprintf(out, "%.*s", (int)(next - at), at);
        write_settings(&table->runs[step->run], NULL, out);
    }
    fputs(at, out);
}

static void write_run(const dho_table_run *run, size_t number, size_t count, FILE *out)
{
    fputs("make ", out);
    dho_shell_write(run->folder, out);
    fprintf(out, " %zu/%zu %lld", number, count, (long long)run->shards);
    dho_table_write_arguments(run, out);
    fputc('\n', out);
}

static const char prelude[] =
    "}\n"
    "if [ -x launch/mpirun.sh ]; then mpirun=launch/mpirun.sh; else mpirun='mpirun -n'; fi\n"
    "ranks=${RANKS:-2} jobs=${JOBS:-1} job=0\n"
    "for n in \"RANKS $ranks\" \"JOBS $jobs\"; do\n"
    "    case ${n#* } in '' | *[!0-9]* | 0* | ????????*)\n"
    "        echo \"${n%% *}: expected a positive number, got \\\"${n#* }\\\"\" >&2; exit 2 ;;\n"
    "    esac\n"
    "done\n"
    "failed=0\n"
    "dho() { ${LAUNCH:-$mpirun $ranks} \"$dho\" \"$@\"; }\n"
    "check() { # NAME CODE\n"
    "    [ $2 != 75 ] || exit 75\n"
    "    [ $2 = 0 ] || { echo \"$1: failed with exit code $2\" >&2; failed=$((failed + 1)); }\n"
    "}\n"
    "prepare() { # PATH COMMAND ...: unless it is there by now\n"
    "    path=$1\n"
    "    shift\n"
    "    [ ! -e \"$path\" ] || return 0\n"
    "    echo \"== $path\"\n"
    "    case \" $* \" in *\" --out $path \"*) mkdir -p \"$(dirname \"$path\")\" ;; esac\n"
    "    code=0\n"
    "    \"$@\" </dev/null || code=$?\n"
    "    check \"$path\" $code\n"
    "}\n"
    "make() { # FOLDER NUMBER SHARDS ARGUMENT ...: on at most SHARDS ranks\n"
    "    [ $((${2%/*} % jobs)) = $job ] || return 0\n"
    "    folder=$1 all_ranks=$ranks\n"
    "    echo \"== $2 $folder\"\n"
    "    [ \"$ranks\" -le \"$3\" ] || ranks=$3\n"
    "    shift 3\n"
    "    code=0\n"
    "    { dho train \"$@\" && dho eval \"$@\" $best >\"$folder/eval.txt\"; } </dev/null || "
    "code=$?\n"
    "    ranks=$all_ranks\n"
    "    check \"$folder\" $code\n"
    "}\n\n";

static const char ending[] =
    "[ $failed = 0 ] || { echo \"$failed failed\" >&2; exit 1; }\n"
    "}\n\n"
    "if [ \"$jobs\" -gt 1 ]; then\n"
    "    ranks=1\n"
    "    cores=$(($(nproc) / jobs))\n"
    "    export DHO_THREADS_PER_RANK=${DHO_THREADS_PER_RANK:-$((cores > 1 ? cores : 1))}\n"
    "    children= all_codes=0\n"
    "    while [ $job -lt \"$jobs\" ]; do\n"
    "        runs &\n"
    "        children=\"$children $!\"\n"
    "        job=$((job + 1))\n"
    "    done\n"
    "    for child in $children; do\n"
    "        code=0\n"
    "        wait \"$child\" || code=$?\n"
    "        [ $code -le $all_codes ] || all_codes=$code\n"
    "    done\n"
    "    exit $all_codes\n"
    "fi\n"
    "runs\n";

/* Of all runs, seed by seed: a script that was stopped leaves a table of fewer seeds. */
static void write_runs(const dho_table *table, size_t count, FILE *out)
{
    const size_t seeds = table->spec.seed_count;
    size_t number = 0;
    fputs("runs() {\n", out);
    for (size_t i = 0; i < table->run_count; i++) {
        const size_t cells = table->run_count / seeds;
        const dho_table_run *run = &table->runs[i % cells * seeds + i / cells];
        if (run->why != NULL) fprintf(out, "# %s\n", run->why);
        if (run->state == DHO_RUN_OTHER)
            fputs("# made by another configuration: left alone\n", out);
        if (run->state == DHO_RUN_MISSING || run->state == DHO_RUN_UNFINISHED)
            write_run(run, ++number, count, out);
    }
    fputs(ending, out);
}

void dho_table_write_script(const dho_table *table, const char *program, FILE *out)
{
    size_t count = 0;
    for (size_t r = 0; r < table->run_count; r++)
        count +=
            table->runs[r].state == DHO_RUN_MISSING || table->runs[r].state == DHO_RUN_UNFINISHED;
    fprintf(out,
            "#!/bin/sh\n"
            "# The %zu runs that the table %s lacks, and what they need; to be run in the folder "
            "that its paths start "
            "from.\n"
            "#   RANKS=4 sh SCRIPT               mpirun on this machine\n"
            "#   JOBS=2 sh SCRIPT                two runs of one rank side by side, on half of its "
            "cores each\n"
            "#   LAUNCH=launch/srun.sh sh SCRIPT inside a SLURM allocation\n"
            "# What fails is named and the next one begins; exit code 75, stopped by a "
            "signal, ends all.\n"
            "dho=${DHO:-",
            count, table->spec.name);
    dho_shell_write(program, out);
    fputs(prelude, out);
    fprintf(out, "best=%s\n", table->spec.best ? "--best" : "");
    for (size_t i = 0; i < table->step_count; i++) {
        fputs("prepare ", out);
        dho_shell_write(table->steps[i].path, out);
        fputc(' ', out);
        dho_table_write_step(table, &table->steps[i], out);
        fputc('\n', out);
    }
    write_runs(table, count, out);
}
