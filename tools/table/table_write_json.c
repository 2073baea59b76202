/* A table as JSON. */
#include "base/json.h"
#include "table/table_write.h"

#include <math.h>
#include <stdlib.h>

static json_t *number_or_null(double value)
{
    return isnan(value) ? json_null() : json_real(value);
}

/* {"method": "dho", "shots": "4"} */
static json_t *place_json(const dho_table_spec *spec, size_t combination)
{
    size_t values[DHO_TABLE_MAX_AXES];
    json_t *place = json_object();
    dho_table_split(spec, 0, spec->axis_count, combination, values);
    for (size_t a = 0; a < spec->axis_count; a++)
        json_object_set_new(place, spec->axes[a].name,
                            json_string(spec->axes[a].values[values[a]].name));
    return place;
}

static json_t *estimate_json(const dho_estimate *estimate, bool paired)
{
    if (estimate->count == 0) return json_pack("{s:i}", "seeds", 0);
    json_t *out =
        json_pack("{s:I, s:f}", "seeds", (json_int_t)estimate->count, "mean", estimate->mean);
    if (estimate->count == 1 && (paired || isnan(estimate->low))) return out;
    json_object_set_new(out, "interval95", json_pack("[f,f]", estimate->low, estimate->high));
    json_object_set_new(out, "interval", json_string(estimate->count > 1 ? "student_t" : "wilson"));
    return out;
}

/* Why a cell has published figures alone; NULL: it has runs. */
static const char *no_runs(const dho_table_spec *spec, size_t combination)
{
    size_t values[DHO_TABLE_MAX_AXES];
    dho_table_split(spec, 0, spec->axis_count, combination, values);
    for (size_t a = 0; a < spec->axis_count; a++)
        if (spec->axes[a].values[values[a]].no_runs != NULL)
            return spec->axes[a].values[values[a]].no_runs;
    return NULL;
}

static json_t *cell_json(const dho_table *table, size_t combination, size_t test)
{
    const dho_table_spec *spec = &table->spec;
    const dho_score_kind head = spec->tests[test].head;
    const dho_table_cell cell = dho_table_cell_of(table, combination, test, head);
    const dho_table_figure *figure = cell.published;
    const bool both = cell.top1.count > 0 && figure != NULL;
    json_t *out =
        json_pack("{s:o, s:s, s:o, s:o, s:o, s:b}", "at", place_json(spec, combination), "test",
                  spec->tests[test].name, "top1", estimate_json(&cell.top1, false), "published",
                  number_or_null(figure != NULL ? figure->top1 : NAN), "difference",
                  number_or_null(both ? cell.top1.mean - figure->top1 : NAN),
                  "alpha_beta_chosen_here", cell.chosen_here);
    if (figure != NULL)
        json_object_set_new(out, "figure",
                            json_pack("{s:s, s:s*, s:s*}", "certainty",
                                      dho_table_certainty_names[figure->certainty], "table",
                                      figure->table, "remark", figure->remark));
    const char *reason = no_runs(spec, combination);
    if (reason != NULL) json_object_set_new(out, "no_runs", json_string(reason));
    static const dho_score_kind heads[2] = {DHO_SCORE_CE_HEAD, DHO_SCORE_KD_HEAD};
    for (int h = 0; h < 2; h++) {
        const dho_table_cell alone = dho_table_cell_of(table, combination, test, heads[h]);
        if (alone.top1.count > 0)
            json_object_set_new(out, dho_score_names[heads[h]], estimate_json(&alone.top1, false));
    }
    return out;
}

static json_t *contrasts_json(const dho_table *table)
{
    const dho_table_spec *spec = &table->spec;
    json_t *all = json_array();
    for (size_t i = 0; i < spec->contrast_count; i++) {
        const dho_table_contrast *contrast = &spec->contrasts[i];
        const dho_table_axis *axis = &spec->axes[contrast->axis];
        for (size_t c = 0; c < dho_table_combinations(spec, 0, spec->axis_count); c++) {
            size_t values[DHO_TABLE_MAX_AXES];
            dho_table_split(spec, 0, spec->axis_count, c, values);
            if (values[contrast->axis] != contrast->of ||
                !dho_table_wanted(spec, 0, spec->axis_count, c))
                continue;
            for (size_t t = 0; t < spec->test_count; t++) {
                const dho_table_cell difference = dho_table_difference(table, contrast, c, t);
                json_t *place = place_json(spec, c);
                json_object_del(place, axis->name);
                json_array_append_new(
                    all, json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:b}", "axis", axis->name,
                                   "value", axis->values[contrast->of].name, "minus",
                                   axis->values[contrast->minus].name, "at", place, "test",
                                   spec->tests[t].name, "difference",
                                   estimate_json(&difference.top1, true), "alpha_beta_chosen_here",
                                   difference.chosen_here));
            }
        }
    }
    return all;
}

/* The configuration of a run, as arguments. */
static json_t *settings_json(const dho_table_run *run)
{
    json_t *list = json_pack("[s,s]", "-c", run->config);
    for (size_t i = 0; i < run->overrides.count; i++) {
        json_array_append_new(list, json_string("--set"));
        json_array_append_new(list, json_string(run->overrides.items[i]));
    }
    return list;
}

/* The arguments of train and of eval. */
static json_t *arguments_json(const dho_table_run *run)
{
    json_t *list = settings_json(run);
    json_array_append_new(list, json_string("--out"));
    json_array_append_new(list, json_string(run->folder));
    return list;
}

static json_t *runs_json(const dho_table *table)
{
    const dho_table_spec *spec = &table->spec;
    json_t *all = json_array();
    for (size_t r = 0; r < table->run_count; r++) {
        const dho_table_run *run = &table->runs[r];
        if (run->state == DHO_RUN_UNWANTED) continue;
        json_t *top1 = json_object();
        for (size_t t = 0; t < spec->test_count; t++)
            if (run->results[t].found)
                json_object_set_new(top1, spec->tests[t].name,
                                    number_or_null(run->results[t].top1[spec->tests[t].head]));
        json_array_append_new(all, json_pack("{s:o, s:I, s:s, s:s, s:s*, s:o, s:o}", "at",
                                             place_json(spec, r / spec->seed_count), "seed",
                                             (json_int_t)run->seed, "folder", run->folder, "state",
                                             dho_run_state_names[run->state], "why", run->why,
                                             "top1", top1, "arguments", arguments_json(run)));
    }
    return all;
}

static json_t *steps_json(const dho_table *table)
{
    json_t *all = json_array();
    for (size_t i = 0; i < table->step_count; i++)
        json_array_append_new(all, json_pack("{s:s, s:s, s:o}", "path", table->steps[i].path,
                                             "command", table->steps[i].command, "arguments",
                                             settings_json(&table->runs[table->steps[i].run])));
    return all;
}

/* False where neither a run nor a figure can be. */
static bool has_content(const dho_table_spec *spec, size_t combination, size_t test)
{
    size_t values[DHO_TABLE_MAX_AXES];
    dho_table_split(spec, 0, spec->axis_count, combination, values);
    return no_runs(spec, combination) == NULL || dho_table_published(spec, values, test) != NULL;
}

dho_status dho_table_write_json(const dho_table *table, FILE *out)
{
    const dho_table_spec *spec = &table->spec;
    json_t *cells = json_array();
    for (size_t c = 0; c < dho_table_combinations(spec, 0, spec->axis_count); c++)
        for (size_t t = 0; t < spec->test_count; t++)
            if (dho_table_wanted(spec, 0, spec->axis_count, c) && has_content(spec, c, t))
                json_array_append_new(cells, cell_json(table, c, t));
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "table", spec->name, "title", spec->title,
                  "source", spec->source, "cells", cells, "compare", contrasts_json(table),
                  "prepare", steps_json(table), "runs", runs_json(table));
    char *text =
        root != NULL
            ? json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9))
            : NULL;
    json_decref(root);
    if (text == NULL) return dho_fail(DHO_ERR_MEMORY, "%s: cannot format JSON", spec->name);
    fprintf(out, "%s\n", text);
    free(text); /* Jansson's memory */
    return DHO_OK;
}
