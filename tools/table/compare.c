#include "table/compare.h"

#include "dho/alloc.h"
#include "dho/evaluation.h"
#include "dho/file.h"

#include <stdio.h>
#include <string.h>

enum { MAX_SETS = 64, NAME_COLUMNS = 28 };

typedef struct run {
    const char *name; /* borrowed: its folder */
    dho_evaluation evaluation;
    bool evaluated;
    char *remark; /* owned: what is wrong with the numbers, or why there are none; NULL: nothing */
} run;

/* --- looking ------------------------------------------------------------------------------------
 */

static dho_status check_folder(const char *folder)
{
    static const char *const files[] = {"eval.json", "config.yaml", "metrics.jsonl", "checkpoints"};
    bool any = false;
    DHO_TRY(dho_require_folder(folder));
    for (size_t i = 0; i < sizeof files / sizeof *files && !any; i++) {
        char *path;
        DHO_TRY(dho_path_join(&path, folder, files[i]));
        any = dho_path_exists(path);
        dho_free(path);
    }
    if (any) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: is no run: no config.yaml, checkpoints or eval.json in it",
                    folder);
}

/* "RUN: not evaluated: dho eval RUN" */
static dho_status note_missing(run *out)
{
    char *command;
    DHO_TRY(dho_evaluation_command(out->name, &command));
    const dho_status status = dho_asprintf(&out->remark, "not evaluated: %s", command);
    dho_free(command);
    return status;
}

static dho_status look(run *out, const char *folder)
{
    out->name = folder;
    DHO_TRY(check_folder(folder));
    const dho_status status = dho_evaluation_load(&out->evaluation, folder);
    if (status == DHO_ERR_MEMORY) return status;
    out->evaluated = status == DHO_OK;
    if (status == DHO_OK) return dho_evaluation_age(&out->evaluation, folder, &out->remark);
    return status == DHO_ERR_CONFIG ? note_missing(out)
                                    : dho_strdup(&out->remark, dho_error_message());
}

/* --- printing -----------------------------------------------------------------------------------
 */

/* The sets of all runs, in the order in which they occur first. */
static size_t list_sets(const run *runs, int count, const dho_evaluated_set *out[MAX_SETS])
{
    size_t sets = 0;
    for (int r = 0; r < count; r++)
        for (size_t s = 0; s < runs[r].evaluation.set_count; s++) {
            size_t known = 0;
            while (known < sets && strcmp(out[known]->name, runs[r].evaluation.sets[s].name) != 0)
                known++;
            if (known == sets && sets < MAX_SETS) out[sets++] = &runs[r].evaluation.sets[s];
        }
    return sets;
}

static void print_cell(const run *of, const dho_evaluated_set *set)
{
    char cell[64] = "-";
    if (set != NULL) {
        const dho_score *score = &set->scores[DHO_SCORE_COMBINED];
        snprintf(cell, sizeof cell, "%s%s%.1f [%.1f %.1f]", of->remark != NULL ? "!" : "",
                 set->chosen_here ? "*" : "", score->top1, score->low, score->high);
    }
    printf("  %18s", cell);
}

static void print_table(const run *runs, int count)
{
    const dho_evaluated_set *sets[MAX_SETS];
    const size_t set_count = list_sets(runs, count, sets);
    int width = NAME_COLUMNS;
    for (int r = 0; r < count; r++)
        if ((int)strlen(runs[r].name) > width) width = (int)strlen(runs[r].name);
    printf("%-*s", width, "run");
    for (size_t s = 0; s < set_count; s++) {
        char head[64];
        snprintf(head, sizeof head, "%.40s n=%lld", sets[s]->name, (long long)sets[s]->images);
        printf("  %18s", head);
    }
    putchar('\n');
    for (int r = 0; r < count; r++) {
        printf("%-*s", width, runs[r].name);
        if (!runs[r].evaluated) printf("  %18s", "not evaluated");
        for (size_t s = 0; s < set_count && runs[r].evaluated; s++)
            print_cell(&runs[r], dho_evaluation_find(&runs[r].evaluation, sets[s]->name));
        putchar('\n');
    }
    puts("top-1 % of the combined prediction [95 % interval]; * alpha and beta were chosen on this "
         "set");
    for (int r = 0; r < count; r++)
        if (runs[r].remark != NULL)
            printf("%s%s: %s\n", runs[r].evaluated ? "! " : "", runs[r].name, runs[r].remark);
    fflush(stdout);
}

dho_status dho_compare(const char *const *folders, int count)
{
    run runs[DHO_COMPARE_MAX_RUNS] = {{0}};
    bool any = false;
    dho_status status = DHO_OK;
    for (int i = 0; i < count && status == DHO_OK; i++) {
        status = look(&runs[i], folders[i]);
        any |= runs[i].evaluated;
    }
    if (status == DHO_OK && !any)
        status = dho_fail(DHO_ERR_CONFIG, "%s: %s", runs[0].name, runs[0].remark);
    if (status == DHO_OK) print_table(runs, count);
    for (int i = 0; i < count; i++) {
        dho_evaluation_free(&runs[i].evaluation);
        dho_free(runs[i].remark);
    }
    return status;
}
