#include "table/compare.h"

#include "dho/alloc.h"
#include "dho/evaluation.h"
#include "dho/file.h"
#include "dho/paired.h"

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

static void print_cell(const run *of, const dho_evaluated_set *set, dho_score_kind kind)
{
    char cell[64] = "-";
    if (set != NULL && set->scores[kind].present) {
        const dho_score *score = &set->scores[kind];
        snprintf(cell, sizeof cell, "%s%s%.1f [%.1f %.1f]", of->remark != NULL ? "!" : "",
                 set->chosen_here && kind == DHO_SCORE_COMBINED ? "*" : "", score->top1, score->low,
                 score->high);
    }
    printf("  %18s", cell);
}

static void print_cells(const run *of, const dho_evaluated_set *const *sets, size_t count,
                        dho_score_kind kind)
{
    for (size_t s = 0; s < count; s++)
        print_cell(of, dho_evaluation_find(&of->evaluation, sets[s]->name), kind);
    putchar('\n');
}

/* Where alpha and beta were chosen: the run's line of those of the configuration. */
static void print_fixed(const run *of, const dho_evaluated_set *const *sets, size_t count,
                        int width)
{
    const dho_evaluation *evaluation = &of->evaluation;
    char name[64];
    bool any = false;
    for (size_t s = 0; s < evaluation->set_count; s++)
        any |= evaluation->sets[s].scores[DHO_SCORE_FIXED].present;
    if (!any) return;
    snprintf(name, sizeof name, "  alpha %g, beta %g", evaluation->fixed_alpha,
             evaluation->fixed_beta);
    printf("%-*s", width, name);
    print_cells(of, sets, count, DHO_SCORE_FIXED);
}

static int name_width(const run *runs, int count)
{
    int width = NAME_COLUMNS;
    for (int r = 0; r < count; r++)
        if ((int)strlen(runs[r].name) > width) width = (int)strlen(runs[r].name);
    return width;
}

static void print_table(const run *runs, int count)
{
    const dho_evaluated_set *sets[MAX_SETS];
    const size_t set_count = list_sets(runs, count, sets);
    const int width = name_width(runs, count);
    printf("%-*s", width, "run");
    for (size_t s = 0; s < set_count; s++) {
        char head[64];
        snprintf(head, sizeof head, "%.40s n=%lld", sets[s]->name, (long long)sets[s]->images);
        printf("  %18s", head);
    }
    putchar('\n');
    for (int r = 0; r < count; r++) {
        printf("%-*s", width, runs[r].name);
        if (!runs[r].evaluated) {
            printf("  %18s\n", "not evaluated");
            continue;
        }
        print_cells(&runs[r], sets, set_count, DHO_SCORE_COMBINED);
        print_fixed(&runs[r], sets, set_count, width);
    }
    puts("top-1 % of the combined prediction [95 % interval]; * alpha and beta were chosen on this "
         "set");
    for (int r = 0; r < count; r++)
        if (runs[r].remark != NULL)
            printf("%s%s: %s\n", runs[r].evaluated ? "! " : "", runs[r].name, runs[r].remark);
    fflush(stdout);
}

/* --- image by image -----------------------------------------------------------------------------
 */

/* The hits of a run on a set; a failure but of memory becomes *remark (owned), and no hits. */
static dho_status load_hits(const run *of, const char *set, int threads, dho_hits *out,
                            char **remark)
{
    const dho_evaluated_set *record = dho_evaluation_find(&of->evaluation, set);
    dho_status status;
    *out = (dho_hits){0};
    *remark = NULL;
    if (record == NULL)
        status = dho_fail(DHO_ERR_CONFIG, "not evaluated on this set");
    else if (of->evaluation.method == NULL || of->evaluation.checkpoint == NULL)
        status = dho_fail(DHO_ERR_CONFIG, "its eval.json names no checkpoint");
    else
        status = dho_hits_load(out, &of->evaluation, of->name, record, threads);
    if (status == DHO_OK || status == DHO_ERR_MEMORY) return status;
    return dho_strdup(remark, dho_error_message());
}

static void print_pair(const char *set, int width, const run *of, const dho_hits *first,
                       const dho_hits *hits, const char *remark)
{
    printf("%-14s %-*s", set, width, of->name);
    if (remark != NULL || !dho_hits_are_paired(first, hits)) {
        printf("  %s\n", remark != NULL ? remark : "evaluated on other images than the first run");
        return;
    }
    const dho_paired pair = dho_paired_compare(first, hits);
    printf("  %8lld %10lld %10lld  %+6.2f [%+.2f %+.2f]  %.2g\n", (long long)pair.images,
           (long long)pair.only_b, (long long)pair.only_a, 100 * pair.difference, 100 * pair.low,
           100 * pair.high, pair.p);
}

/* Each run but the first, on one set. */
static dho_status pair_set(const run *runs, int count, const char *set, int width, int threads)
{
    dho_hits first, hits;
    char *why, *remark;
    DHO_TRY(load_hits(&runs[0], set, threads, &first, &why));
    dho_status status = DHO_OK;
    if (why != NULL) printf("%-14s %-*s  %s\n", set, width, runs[0].name, why);
    for (int r = 1; r < count && why == NULL && status == DHO_OK; r++) {
        status = load_hits(&runs[r], set, threads, &hits, &remark);
        if (status == DHO_OK) print_pair(set, width, &runs[r], &first, &hits, remark);
        dho_hits_free(&hits);
        dho_free(remark);
    }
    dho_hits_free(&first);
    dho_free(why);
    return status;
}

static dho_status print_pairs(const run *runs, int count, int threads)
{
    const dho_evaluated_set *sets[MAX_SETS];
    const size_t set_count = list_sets(runs, count, sets);
    const int width = name_width(runs, count);
    printf("\nimage by image against %s\n%-14s %-*s  %8s %10s %10s  %s\n", runs[0].name, "set",
           width, "run", "images", "only run", "only first", "difference % [95 % interval]  p");
    for (size_t s = 0; s < set_count; s++)
        DHO_TRY(pair_set(runs, count, sets[s]->name, width, threads));
    puts("only run: images that the run has right and the first has wrong; p: McNemar's exact test "
         "(docs/method.md)");
    fflush(stdout);
    return DHO_OK;
}

dho_status dho_compare(const char *const *folders, int count, bool paired, int threads)
{
    run runs[DHO_COMPARE_MAX_RUNS] = {{0}};
    bool any = false;
    dho_status status = DHO_OK;
    if (paired && count < 2)
        return dho_fail(DHO_ERR_CONFIG, "--paired: needs two runs, one to compare the others with");
    for (int i = 0; i < count && status == DHO_OK; i++) {
        status = look(&runs[i], folders[i]);
        any |= runs[i].evaluated;
    }
    if (status == DHO_OK && !any)
        status = dho_fail(DHO_ERR_CONFIG, "%s: %s", runs[0].name, runs[0].remark);
    if (status == DHO_OK) print_table(runs, count);
    if (status == DHO_OK && paired) status = print_pairs(runs, count, threads);
    for (int i = 0; i < count; i++) {
        dho_evaluation_free(&runs[i].evaluation);
        dho_free(runs[i].remark);
    }
    return status;
}
