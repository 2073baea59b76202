#include "table/table_layout.h"

#include "dho/alloc.h"

#include <math.h>
#include <string.h>

/* The combinations of `count` axes from `first` on that are wanted; with a contrast, those that
 * have its value `of`. */
static dho_status choose(const dho_table_spec *spec, size_t first, size_t count,
                         const dho_table_contrast *contrast, size_t **out, size_t *out_count)
{
    const size_t all = dho_table_combinations(spec, first, count);
    DHO_TRY(dho_alloc(out, all, sizeof **out, "table"));
    *out_count = 0;
    for (size_t i = 0; i < all; i++) {
        size_t values[DHO_TABLE_MAX_AXES];
        dho_table_split(spec, first, count, i, values);
        if (!dho_table_wanted(spec, first, count, i)) continue;
        if (contrast != NULL && contrast->axis >= first && contrast->axis < first + count &&
            values[contrast->axis - first] != contrast->of)
            continue;
        (*out)[(*out_count)++] = i;
    }
    return DHO_OK;
}

size_t dho_layout_at(const dho_layout *l, size_t row, size_t column)
{
    const size_t columns =
        dho_table_combinations(l->spec, l->spec->row_axes, l->spec->axis_count - l->spec->row_axes);
    return l->rows[row] * columns + l->columns[column];
}

dho_status dho_layout_create(dho_layout *out, const dho_table *table,
                             const dho_table_contrast *contrast)
{
    const dho_table_spec *spec = &table->spec;
    *out = (dho_layout){.table = table, .spec = spec};
    DHO_TRY(choose(spec, 0, spec->row_axes, contrast, &out->rows, &out->row_count));
    return choose(spec, spec->row_axes, spec->axis_count - spec->row_axes, contrast, &out->columns,
                  &out->column_count);
}

void dho_layout_keep_runs(dho_layout *l)
{
    const dho_table_spec *spec = l->spec;
    const size_t first = spec->row_axes, count = spec->axis_count - spec->row_axes;
    size_t values[DHO_TABLE_MAX_AXES], kept = 0;
    for (size_t c = 0; c < l->column_count; c++) {
        bool runs = true;
        dho_table_split(spec, first, count, l->columns[c], values);
        for (size_t a = 0; a < count; a++)
            runs &= spec->axes[first + a].values[values[a]].no_runs == NULL;
        if (runs) l->columns[kept++] = l->columns[c];
    }
    l->column_count = kept;
}

void dho_layout_free(dho_layout *l)
{
    dho_free(l->rows);
    dho_free(l->columns);
}

void dho_layout_head(const dho_layout *l, size_t column, size_t test,
                     const dho_table_contrast *less, char *out, size_t bytes)
{
    const dho_table_spec *spec = l->spec;
    size_t values[DHO_TABLE_MAX_AXES], used = 0;
    out[0] = '\0';
    dho_table_split(spec, spec->row_axes, spec->axis_count - spec->row_axes, l->columns[column],
                    values);
    for (size_t a = spec->row_axes; a < spec->axis_count && used < bytes; a++) {
        const dho_table_axis *axis = &spec->axes[a];
        const dho_table_value *value = &axis->values[values[a - spec->row_axes]];
        if (less != NULL && less->axis == a) continue;
        const bool own = strcmp(value->name, value->label) != 0;
        used += (size_t)snprintf(out + used, bytes - used, "%s%s%s%s%s", used > 0 ? ", " : "",
                                 own ? "" : axis->label, own ? "" : " ", value->label,
                                 value->no_runs != NULL ? " ‡" : "");
    }
    if (used < bytes && (spec->test_count > 1 || used == 0))
        snprintf(out + used, bytes - used, "%s%s", used > 0 ? ", " : "", spec->tests[test].label);
}

dho_status dho_layout_labels(const dho_layout *l, dho_grid *grid, size_t row, size_t grid_row,
                             size_t at, const dho_table_contrast *less)
{
    size_t values[DHO_TABLE_MAX_AXES];
    dho_table_split(l->spec, 0, l->spec->row_axes, l->rows[row], values);
    for (size_t a = 0; a < l->spec->row_axes; a++) {
        if (less != NULL && less->axis == a) continue;
        DHO_TRY(dho_grid_set(grid, 0, at, "%s", l->spec->axes[a].label));
        const dho_table_value *value = &l->spec->axes[a].values[values[a]];
        DHO_TRY(dho_grid_set(grid, grid_row, at++, "%s%s", value->label,
                             value->no_runs != NULL ? " ‡" : ""));
    }
    return DHO_OK;
}

dho_status dho_layout_accuracy(dho_grid *grid, size_t row, size_t column,
                               const dho_table_cell *cell)
{
    if (cell->top1.count == 0) return dho_grid_set(grid, row, column, "-");
    if (isnan(cell->top1.low))
        return dho_grid_set(grid, row, column, "%s%.1f (%zu)", cell->chosen_here ? "†" : "",
                            cell->top1.mean, cell->top1.count);
    return dho_grid_set(grid, row, column, "%s%.1f [%.1f %.1f] (%zu)", cell->chosen_here ? "†" : "",
                        cell->top1.mean, cell->top1.low, cell->top1.high, cell->top1.count);
}
