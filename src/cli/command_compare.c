/* dho compare RUN ...: the evaluations of several runs as one table. */
#include "cli/cli.h"
#include "eval/stored_evaluation.h"

#include <stdio.h>

enum { MAX_RUNS = 64 };

static void print_cell(const dho_stored_set *set)
{
    char cell[64] = "-";
    if (set != NULL) {
        const dho_score *score = &set->scores[DHO_SCORE_COMBINED];
        snprintf(cell, sizeof cell, "%s%.1f [%.1f %.1f]", set->chosen_here ? "*" : "", score->top1,
                 score->low, score->high);
    }
    printf("  %17s", cell);
}

/* Columns are the first run's sets. */
static void print_table(char *const *names, const dho_stored_evaluation *runs, int count)
{
    printf("%-28s", "run");
    for (size_t s = 0; s < runs[0].set_count; s++) {
        char head[64];
        snprintf(head, sizeof head, "%s n=%lld", runs[0].sets[s].name,
                 (long long)runs[0].sets[s].images);
        printf("  %17s", head);
    }
    putchar('\n');
    for (int r = 0; r < count; r++) {
        printf("%-28s", names[r]);
        for (size_t s = 0; s < runs[0].set_count; s++)
            print_cell(dho_stored_evaluation_find(&runs[r], runs[0].sets[s].name));
        putchar('\n');
    }
    puts("top-1 % of the combined prediction [95 % interval]; * alpha and beta were chosen on this "
         "set");
    fflush(stdout);
}

static dho_status compare(const dho_arguments *arguments)
{
    dho_stored_evaluation runs[MAX_RUNS] = {0};
    dho_status status = DHO_OK;
    if (arguments->count < 1 || arguments->count > MAX_RUNS)
        return dho_fail(DHO_ERR_CONFIG, "usage: dho compare RUN ... (1 to %d runs)", MAX_RUNS);
    for (int i = 0; i < arguments->count && status == DHO_OK; i++)
        status = dho_stored_evaluation_load(&runs[i], arguments->values[i]);
    if (status == DHO_OK) print_table(arguments->values, runs, arguments->count);
    for (int i = 0; i < arguments->count; i++) dho_stored_evaluation_free(&runs[i]);
    return status;
}

dho_status dho_command_compare(const dho_arguments *arguments, dho_comm *comm)
{
    return dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? compare(arguments) : DHO_OK);
}
