/* Patterns, combinations and lookups of a plan. */
#include "dho/alloc.h"
#include "dho/file.h"
#include "table/table_spec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t dho_table_placeholder(const char *at)
{
    if (*at != '{') return 0;
    const size_t length =
        strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return length > 0 && at[1 + length] == '}' ? length : 0;
}

/* What stands for the place-holder `name` of `length` bytes; NULL for an unknown one. */
static const char *replacement(const dho_table_spec *spec, const char *name, size_t length,
                               const size_t *values, const char *seed)
{
    if (length == 4 && memcmp(name, "seed", 4) == 0) return seed;
    for (size_t a = 0; a < spec->axis_count; a++) {
        const dho_table_axis *axis = &spec->axes[a];
        if (strlen(axis->name) == length && memcmp(axis->name, name, length) == 0)
            return axis->values[values[a]].name;
    }
    return NULL;
}

dho_status dho_table_expand(const dho_table_spec *spec, const char *pattern, const size_t *values,
                            uint64_t seed, char **out)
{
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, seed);
    *out = NULL;
    /* Twice: how long, then for real. */
    for (int pass = 0; pass < 2; pass++) {
        size_t used = 0;
        for (const char *at = pattern; *at != '\0';) {
            const size_t length = dho_table_placeholder(at);
            const char *text =
                length > 0 ? replacement(spec, at + 1, length, values, number) : NULL;
            const char *from = text != NULL ? text : at;
            const size_t bytes = text != NULL ? strlen(text) : 1;
            if (*out != NULL) memcpy(*out + used, from, bytes);
            used += bytes;
            at += text != NULL ? length + 2 : 1;
        }
        if (*out == NULL) DHO_TRY(dho_alloc_zero(out, used + 1, 1, "table"));
    }
    return DHO_OK;
}

dho_status dho_table_beside(const char *path, const char *name, char **out)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash != NULL ? (size_t)(slash - path) : 0;
    if (name[0] == '/' || slash == NULL) return dho_strdup(out, name);
    /* "configs/tables" and "../x.yaml" are "configs/x.yaml". */
    while (strncmp(name, "../", 3) == 0 && folder > 0) {
        size_t start = folder;
        while (start > 0 && path[start - 1] != '/') start--;
        const size_t length = folder - start;
        if (length == 0 || (path[start] == '.' && length <= 2)) break;
        name += 3;
        if (start == 0) return dho_strdup(out, name);
        folder = start - 1;
    }
    return dho_asprintf(out, "%.*s/%s", (int)folder, path, name);
}

size_t dho_table_combinations(const dho_table_spec *spec, size_t first, size_t count)
{
    size_t product = 1;
    for (size_t a = first; a < first + count; a++) product *= spec->axes[a].count;
    return product;
}

void dho_table_split(const dho_table_spec *spec, size_t first, size_t count, size_t combination,
                     size_t *values)
{
    for (size_t i = count; i-- > 0;) {
        values[i] = combination % spec->axes[first + i].count;
        combination /= spec->axes[first + i].count;
    }
}

size_t dho_table_join(const dho_table_spec *spec, const size_t *values)
{
    size_t combination = 0;
    for (size_t a = 0; a < spec->axis_count; a++)
        combination = combination * spec->axes[a].count + values[a];
    return combination;
}

bool dho_table_names_axis(const char *pattern, const dho_table_axis *axis)
{
    char wanted[128];
    snprintf(wanted, sizeof wanted, "{%.100s}", axis->name);
    return strstr(pattern, wanted) != NULL;
}

const char *dho_table_run_pattern(const dho_table_spec *spec, const size_t *values)
{
    for (size_t a = 0; a < spec->axis_count; a++)
        if (spec->axes[a].values[values[a]].run != NULL) return spec->axes[a].values[values[a]].run;
    return spec->run;
}

bool dho_table_has_run(const dho_table_spec *spec, size_t combination)
{
    size_t values[DHO_TABLE_MAX_AXES];
    dho_table_split(spec, 0, spec->axis_count, combination, values);
    for (size_t a = 0; a < spec->axis_count; a++) {
        const dho_table_value *value = &spec->axes[a].values[values[a]];
        if (value->no_runs != NULL || value->member_count > 0) return false;
    }
    return true;
}

bool dho_table_wanted(const dho_table_spec *spec, size_t first, size_t count, size_t combination)
{
    size_t values[DHO_TABLE_MAX_AXES];
    dho_table_split(spec, first, count, combination, values);
    for (size_t i = 0; i < count; i++)
        if (!spec->axes[first + i].values[values[i]].wanted) return false;
    return true;
}

const dho_table_figure *dho_table_published(const dho_table_spec *spec, const size_t *values,
                                            size_t test)
{
    for (size_t f = 0; f < spec->figure_count; f++) {
        const dho_table_figure *figure = &spec->figures[f];
        bool matches = figure->test == test;
        for (size_t a = 0; a < spec->axis_count; a++)
            matches &= figure->at[a] == DHO_TABLE_ANY || figure->at[a] == values[a];
        if (matches) return figure;
    }
    return NULL;
}
