/* Opening a table: its plan, its runs; and the numbers of its cells. */
#include "table/table.h"

#include "dho/alloc.h"
#include "dho/evaluate.h"
#include "table/table_prepare.h"
#include "table/table_runs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- the runs -----------------------------------------------------------------------------------
 */

static dho_status add_overrides(const dho_table_spec *spec, const dho_table_texts *patterns,
                                const size_t *values, uint64_t seed, dho_table_texts *out)
{
    for (size_t i = 0; i < patterns->count; i++) {
        DHO_TRY(dho_table_expand(spec, patterns->items[i], values, seed, &out->items[out->count]));
        out->count++;
    }
    return DHO_OK;
}

/* The table's own, then each axis's and value's in their order, then the caller's. */
static dho_status collect_overrides(const dho_table_spec *spec, const dho_table_options *options,
                                    const size_t *values, uint64_t seed, dho_table_texts *out)
{
    size_t most = spec->set.count + options->override_count;
    for (size_t a = 0; a < spec->axis_count; a++)
        most += spec->axes[a].set.count + spec->axes[a].values[values[a]].set.count;
    DHO_TRY(dho_alloc_zero(&out->items, most, sizeof *out->items, "table"));
    const char *pattern = dho_table_run_pattern(spec, values);
    DHO_TRY(add_overrides(spec, &spec->set, values, seed, out));
    for (size_t a = 0; a < spec->axis_count; a++) {
        const dho_table_value *value = &spec->axes[a].values[values[a]];
        if (value->run == NULL && !dho_table_names_axis(pattern, &spec->axes[a])) continue;
        DHO_TRY(add_overrides(spec, &spec->axes[a].set, values, seed, out));
        DHO_TRY(add_overrides(spec, &value->set, values, seed, out));
    }
    for (size_t i = 0; i < options->override_count; i++) {
        DHO_TRY(dho_strdup(&out->items[out->count], options->overrides[i]));
        out->count++;
    }
    return DHO_OK;
}

static bool is_same(const dho_table_run *a, const dho_table_run *b)
{
    if (a->folder == NULL || strcmp(a->folder, b->folder) != 0) return false;
    if (strcmp(a->config, b->config) != 0 || a->overrides.count != b->overrides.count) return false;
    for (size_t i = 0; i < a->overrides.count; i++)
        if (strcmp(a->overrides.items[i], b->overrides.items[i]) != 0) return false;
    return true;
}

/* A run that values share: the first one that is opened stands for all of them. */
static bool take_shared(dho_table *table, size_t r)
{
    dho_table_run *run = &table->runs[r];
    for (size_t i = 0; i < r; i++) {
        if (!is_same(&table->runs[i], run)) continue;
        memcpy(run->results, table->runs[i].results, table->spec.test_count * sizeof *run->results);
        dho_free(run->folder);
        run->folder = NULL; /* two runs of one folder would be an error */
        return true;
    }
    return false;
}

static dho_status open_run(dho_table *table, const dho_table_options *options, const size_t *values,
                           size_t r)
{
    const dho_table_spec *spec = &table->spec;
    const uint64_t seed = spec->seeds[r % spec->seed_count];
    dho_table_run *run = &table->runs[r];
    char *below = NULL;
    dho_config wanted = {0};
    dho_status status;
    run->seed = seed;
    DHO_TRY_GOTO(dho_alloc_zero(&run->results, spec->test_count, sizeof *run->results, "table"));
    const char *pattern = dho_table_run_pattern(spec, values);
    DHO_TRY_GOTO(dho_table_expand(spec, pattern, values, seed, &below));
    DHO_TRY_GOTO(dho_asprintf(&run->folder, "%s/%s/%s/seed-%llu", options->runs, spec->folder,
                              below, (unsigned long long)seed));
    DHO_TRY_GOTO(dho_table_expand(spec, spec->config, values, seed, &run->config));
    DHO_TRY_GOTO(collect_overrides(spec, options, values, seed, &run->overrides));
    if (pattern != spec->run && take_shared(table, r)) goto fail;
    status = dho_config_load(&wanted, run->config, (const char *const *)run->overrides.items,
                             run->overrides.count);
    if (status != DHO_OK) {
        status = dho_fail_prefix(status, "%s: %s: ", spec->path, below);
        goto fail;
    }
    if (spec->best && wanted.train.keep_best == DHO_BEST_NONE) {
        status = dho_fail(DHO_ERR_CONFIG, "%s: %s: checkpoint: best: needs train.keep_best",
                          spec->path, below);
        goto fail;
    }
    run->shards = wanted.train.shards;
    DHO_TRY_GOTO(dho_table_run_look(run, spec, &wanted));
    if (run->state == DHO_RUN_MISSING || run->state == DHO_RUN_UNFINISHED)
        DHO_TRY_GOTO(dho_table_prepare(table, r, values, &wanted));
    /* A test that the configuration lacks stays empty; one that all lack is a slip. */
    for (size_t t = 0; t < spec->test_count; t++)
        for (size_t i = 0; i < wanted.eval.set_count; i++)
            spec->tests[t].known |= strcmp(wanted.eval.sets[i].name, spec->tests[t].set) == 0;
fail:
    dho_config_free(&wanted);
    dho_free(below);
    return status;
}

static int by_folder(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "{a}{b}" may write two pairs of values alike. */
static dho_status check_folders(const dho_table *table)
{
    char **folders;
    size_t count = 0;
    dho_status status = DHO_OK;
    DHO_TRY(dho_alloc(&folders, table->run_count, sizeof *folders, "table"));
    for (size_t r = 0; r < table->run_count; r++)
        if (table->runs[r].folder != NULL) folders[count++] = table->runs[r].folder;
    qsort(folders, count, sizeof *folders, by_folder);
    for (size_t i = 1; i < count && status == DHO_OK; i++)
        if (strcmp(folders[i - 1], folders[i]) == 0)
            status = dho_fail(DHO_ERR_CONFIG, "%s: run: two runs have the folder %s",
                              table->spec.path, folders[i]);
    dho_free(folders);
    return status;
}

/* Nothing of its place is left out by `only`, or a mean that is printed needs it. */
static bool is_needed(const dho_table_spec *spec, const size_t *values)
{
    for (size_t a = 0; a < spec->axis_count; a++)
        if (!spec->axes[a].values[values[a]].needed) return false;
    return true;
}

static dho_status open_runs(dho_table *table, const dho_table_options *options)
{
    dho_table_spec *spec = &table->spec;
    size_t values[DHO_TABLE_MAX_AXES], opened = 0;
    table->run_count = dho_table_combinations(spec, 0, spec->axis_count) * spec->seed_count;
    DHO_TRY(dho_alloc_zero(&table->runs, table->run_count, sizeof *table->runs, "table"));
    for (size_t r = 0; r < table->run_count; r++) {
        const size_t combination = r / spec->seed_count;
        dho_table_split(spec, 0, spec->axis_count, combination, values);
        if (!dho_table_has_run(spec, combination) || !is_needed(spec, values)) continue;
        DHO_TRY(open_run(table, options, values, r));
        opened++;
    }
    for (size_t t = 0; t < spec->test_count && opened > 0; t++)
        if (!spec->tests[t].known)
            return dho_fail(DHO_ERR_CONFIG,
                            "%s: tests[%zu]: no configuration has a set %s in "
                            "eval.sets",
                            spec->path, t, spec->tests[t].set);
    return check_folders(table);
}

dho_status dho_table_open(dho_table **out, const char *path, const dho_table_options *options)
{
    dho_status status;
    DHO_TRY(dho_alloc_zero(out, 1, sizeof **out, "table"));
    DHO_TRY_GOTO(dho_table_spec_load(&(*out)->spec, path, options->only));
    DHO_TRY_GOTO(open_runs(*out, options));
    return DHO_OK;
fail:
    dho_table_destroy(out);
    return status;
}

void dho_table_destroy(dho_table **table)
{
    if (*table == NULL) return;
    for (size_t r = 0; r < (*table)->run_count && (*table)->runs != NULL; r++) {
        dho_table_run *run = &(*table)->runs[r];
        for (size_t i = 0; i < run->overrides.count; i++) dho_free(run->overrides.items[i]);
        dho_free(run->overrides.items);
        dho_free(run->folder);
        dho_free(run->config);
        dho_free(run->why);
        dho_free(run->results);
    }
    for (size_t i = 0; i < (*table)->step_count; i++) dho_table_step_free(&(*table)->steps[i]);
    dho_free((*table)->steps);
    dho_free((*table)->runs);
    dho_table_spec_free(&(*table)->spec);
    dho_free(*table);
    *table = NULL;
}

dho_status dho_table_title(char **out, const char *path)
{
    dho_table_spec spec;
    *out = NULL;
    dho_status status = dho_table_spec_load(&spec, path, NULL);
    if (status == DHO_OK) status = dho_strdup(out, spec.title);
    dho_table_spec_free(&spec);
    return status;
}

/* --- the cells ----------------------------------------------------------------------------------
 */

/* Of a mean: the mean over its members' results, when all are there. */
static dho_run_result result_of(const dho_table *table, size_t combination, size_t seed,
                                size_t test)
{
    const dho_table_spec *spec = &table->spec;
    const dho_table_run *run = &table->runs[combination * spec->seed_count + seed];
    size_t values[DHO_TABLE_MAX_AXES], a = 0;
    dho_table_split(spec, 0, spec->axis_count, combination, values);
    while (a < spec->axis_count && spec->axes[a].values[values[a]].member_count == 0) a++;
    if (a == spec->axis_count)
        return run->results != NULL ? run->results[test] : (dho_run_result){.found = false};
    const dho_table_value *mean = &spec->axes[a].values[values[a]];
    dho_run_result out = {.found = true};
    for (size_t m = 0; m < mean->member_count; m++) {
        values[a] = mean->members[m];
        const dho_run_result one = result_of(table, dho_table_join(spec, values), seed, test);
        out.found &= one.found;
        out.chosen_here |= one.chosen_here;
        for (int k = 0; k < DHO_SCORE_KINDS; k++)
            out.top1[k] += one.top1[k] / (double)mean->member_count;
    }
    return out;
}

/* One run's interval; of a mean over sets there is none. */
static void wilson(double percent, int64_t images, dho_estimate *out)
{
    double low, high;
    if (images == 0) {
        out->low = out->high = NAN;
        return;
    }
    dho_wilson_interval(llround(percent / 100 * (double)images), images, &low, &high);
    out->low = 100 * low;
    out->high = 100 * high;
}

dho_table_cell dho_table_cell_of(const dho_table *table, size_t combination, size_t test,
                                 dho_score_kind head)
{
    const dho_table_spec *spec = &table->spec;
    double top1[DHO_TABLE_MAX_SEEDS] = {0};
    size_t values[DHO_TABLE_MAX_AXES], count = 0;
    int64_t images = 0;
    dho_table_cell cell = {0};
    for (size_t s = 0; s < spec->seed_count; s++) {
        const dho_run_result result = result_of(table, combination, s, test);
        if (!result.found || isnan(result.top1[head])) continue;
        top1[count++] = result.top1[head];
        images = result.images;
        cell.chosen_here |= result.chosen_here;
    }
    cell.top1 = dho_estimate_mean(top1, count);
    if (count == 1) wilson(top1[0], images, &cell.top1);
    if (cell.top1.low < 0) cell.top1.low = 0;
    if (cell.top1.high > 100) cell.top1.high = 100;
    dho_table_split(spec, 0, spec->axis_count, combination, values);
    cell.published = dho_table_published(spec, values, test);
    return cell;
}

dho_table_cell dho_table_difference(const dho_table *table, const dho_table_contrast *contrast,
                                    size_t combination, size_t test)
{
    const dho_table_spec *spec = &table->spec;
    size_t values[DHO_TABLE_MAX_AXES], pair[2] = {0, 0}, count = 0;
    double differences[DHO_TABLE_MAX_SEEDS];
    dho_table_cell out = {.published = NULL};
    dho_table_split(spec, 0, spec->axis_count, combination, values);
    for (int side = 0; side < 2; side++) {
        values[contrast->axis] = side == 0 ? contrast->of : contrast->minus;
        pair[side] = dho_table_join(spec, values);
    }
    const dho_score_kind head = spec->tests[test].head;
    for (size_t s = 0; s < spec->seed_count; s++) {
        const dho_run_result of = result_of(table, pair[0], s, test);
        const dho_run_result minus = result_of(table, pair[1], s, test);
        if (!of.found || !minus.found || isnan(of.top1[head]) || isnan(minus.top1[head])) continue;
        differences[count++] = of.top1[head] - minus.top1[head];
        out.chosen_here |= of.chosen_here || minus.chosen_here;
    }
    out.top1 = dho_estimate_mean(differences, count);
    return out;
}
