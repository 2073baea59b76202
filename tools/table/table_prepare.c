/* What missing runs need, and what makes it. */
#include "table/table_prepare.h"

#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/file.h"

#include <string.h>

/* `path` is what a configuration names, or lies in the folder that it names. */
static bool is_named(const char *named, const char *path)
{
    const size_t length = strlen(named);
    return length > 0 && strncmp(named, path, length) == 0 &&
           (path[length] == '\0' || path[length] == '/');
}

static bool is_input(const dho_config *config, const char *path)
{
    const bool teacher = dho_method_uses_teacher(config->method);
    return is_named(config->student.init, path) || is_named(config->student.head_init, path) ||
           (teacher &&
            (is_named(config->teacher.cache, path) || is_named(config->teacher.head, path)));
}

static bool is_listed(const dho_table *table, const char *path)
{
    for (size_t i = 0; i < table->step_count; i++)
        if (strcmp(table->steps[i].path, path) == 0) return true;
    return false;
}

/* Takes `step` over when the table does not have it yet. */
static dho_status add_step(dho_table *table, dho_table_step *step)
{
    if (is_listed(table, step->path)) return DHO_OK;
    if ((table->step_count & (table->step_count - 1)) == 0) /* 0, 1, 2, 4, 8 ... are full */
        DHO_TRY(
            dho_realloc(&table->steps, 2 * table->step_count + 1, sizeof *table->steps, "table"));
    table->steps[table->step_count++] = *step;
    *step = (dho_table_step){0};
    return DHO_OK;
}

dho_status dho_table_prepare(dho_table *table, size_t run, const size_t *values,
                             const dho_config *wanted)
{
    const dho_table_spec *spec = &table->spec;
    const size_t count = spec->preparation_count;
    dho_table_step *steps;
    bool needed[DHO_TABLE_MAX_PREPARATIONS] = {false};
    dho_status status = DHO_OK;
    DHO_TRY(dho_alloc_zero(&steps, count, sizeof *steps, "table"));
    /* From the last back: what a run reads, and what the commands that make it read. */
    for (size_t i = count; i-- > 0;) {
        const uint64_t seed = table->runs[run].seed;
        steps[i].run = run;
        DHO_TRY_GOTO(
            dho_table_expand(spec, spec->preparations[i].path, values, seed, &steps[i].path));
        DHO_TRY_GOTO(
            dho_table_expand(spec, spec->preparations[i].command, values, seed, &steps[i].command));
        needed[i] = is_input(wanted, steps[i].path);
        for (size_t k = i + 1; k < count; k++)
            needed[i] |= needed[k] && strstr(steps[k].command, steps[i].path) != NULL;
        needed[i] = needed[i] && !dho_path_exists(steps[i].path);
    }
    for (size_t i = 0; i < count; i++)
        if (needed[i]) DHO_TRY_GOTO(add_step(table, &steps[i]));
fail:
    for (size_t i = 0; i < count; i++) dho_table_step_free(&steps[i]);
    dho_free(steps);
    return status;
}

void dho_table_step_free(dho_table_step *step)
{
    dho_free(step->path);
    dho_free(step->command);
    *step = (dho_table_step){0};
}
