/* What a table lacks, in its text. */
#include "table/table_write.h"

/* Of one kind, without and with their commands; the script has them all. */
enum { MOST_LISTED = 8, MOST_COMMANDS = 2 };

static size_t count_runs(const dho_table *table, dho_run_state state)
{
    size_t count = 0;
    for (size_t r = 0; r < table->run_count; r++) count += table->runs[r].state == state;
    return count;
}

static void list_steps(const dho_table *table, FILE *out)
{
    for (size_t i = 0; i < table->step_count; i++) {
        if (i == MOST_COMMANDS) {
            fprintf(out, "  and %zu more\n", table->step_count - MOST_COMMANDS);
            return;
        }
        fprintf(out, "  %s\n    ", table->steps[i].path);
        dho_table_write_step(table, &table->steps[i], out);
        fputc('\n', out);
    }
}

static void list_runs(const dho_table *table, dho_run_state state, bool commands, FILE *out)
{
    const size_t most = commands ? MOST_COMMANDS : MOST_LISTED;
    size_t listed = 0;
    for (size_t r = 0; r < table->run_count; r++) {
        const dho_table_run *run = &table->runs[r];
        if (run->state != state) continue;
        if (listed++ == most) {
            fprintf(out, "  and %zu more\n", count_runs(table, state) - most);
            return;
        }
        fprintf(out, "  %s\n", run->why != NULL ? run->why : run->folder);
        if (!commands) continue;
        fputs("    dho train", out);
        dho_table_write_arguments(run, out);
        fputs(" && dho eval", out);
        dho_table_write_arguments(run, out);
        fputs(table->spec.best ? " --best\n" : "\n", out);
    }
}

void dho_table_write_missing(const dho_table *table, bool markdown, FILE *out)
{
    const size_t missing = count_runs(table, DHO_RUN_MISSING);
    const size_t unfinished = count_runs(table, DHO_RUN_UNFINISHED);
    const size_t other = count_runs(table, DHO_RUN_OTHER);
    const size_t all = table->run_count - count_runs(table, DHO_RUN_UNWANTED);
    if (missing + unfinished + other == 0) return;
    fprintf(out,
            "\n%zu of %zu runs are not counted: %zu missing, %zu unfinished, %zu of another "
            "configuration.\n",
            missing + unfinished + other, all, missing, unfinished, other);
    if (markdown) return;
    if (other > 0)
        fputs("Of another configuration (move them away, or --set what they have):\n", out);
    list_runs(table, DHO_RUN_OTHER, false, out);
    if (table->step_count > 0) fputs("Not there, and needed by what is missing:\n", out);
    list_steps(table, out);
    if (unfinished > 0) fputs("Unfinished (the same commands go on):\n", out);
    list_runs(table, DHO_RUN_UNFINISHED, true, out);
    if (missing > 0) fputs("Missing:\n", out);
    list_runs(table, DHO_RUN_MISSING, true, out);
    if (missing + unfinished > 0)
        fprintf(out, "dho table %s --missing | sh   makes them, on the ranks that RANKS says.\n",
                table->spec.name);
}
