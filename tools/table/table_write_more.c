/* A table as text and as Markdown: each head alone, and the differences. */
#include "table/table_layout.h"
#include "table/table_write.h"

/* --- each head alone ----------------------------------------------------------------------------
 */

static bool has_heads(const dho_layout *l, size_t row)
{
    for (size_t c = 0; c < l->column_count; c++)
        for (size_t t = 0; t < l->spec->test_count; t++)
            if (dho_table_cell_of(l->table, dho_layout_at(l, row, c), t, DHO_SCORE_KD_HEAD)
                    .top1.count > 0)
                return true;
    return false;
}

static dho_status fill_heads(const dho_layout *l, dho_grid *grid)
{
    static const dho_score_kind heads[3] = {DHO_SCORE_COMBINED, DHO_SCORE_CE_HEAD,
                                            DHO_SCORE_KD_HEAD};
    static const char *const names[3] = {"combined", "CE", "KD"};
    const size_t labels = l->spec->row_axes;
    size_t row = 1;
    char head[256];
    for (size_t r = 0; r < l->row_count; r++) {
        if (!has_heads(l, r)) continue;
        for (int h = 0; h < 3; h++, row++) {
            size_t at = labels + 1;
            DHO_TRY(dho_layout_labels(l, grid, r, row, 0, NULL));
            DHO_TRY(dho_grid_set(grid, 0, labels, "head"));
            DHO_TRY(dho_grid_set(grid, row, labels, "%s", names[h]));
            for (size_t c = 0; c < l->column_count; c++) {
                for (size_t t = 0; t < l->spec->test_count; t++, at++) {
                    /* "combined": as the test combines, which may be at fixed alpha and beta */
                    const dho_score_kind kind = h == 0 ? l->spec->tests[t].head : heads[h];
                    const dho_table_cell cell =
                        dho_table_cell_of(l->table, dho_layout_at(l, r, c), t, kind);
                    dho_layout_head(l, c, t, NULL, head, sizeof head);
                    DHO_TRY(dho_grid_set(grid, 0, at, "%s", head));
                    DHO_TRY(dho_layout_accuracy(grid, row, at, &cell));
                }
            }
        }
    }
    return DHO_OK;
}

dho_status dho_table_write_heads(const dho_table *table, bool markdown, FILE *out)
{
    dho_layout l;
    dho_grid grid = {0};
    size_t rows = 0;
    dho_status status;
    DHO_TRY_GOTO(dho_layout_create(&l, table, NULL));
    dho_layout_keep_runs(&l);
    for (size_t r = 0; r < l.row_count; r++) rows += has_heads(&l, r) ? 3 : 0;
    if (rows == 0) goto fail;
    DHO_TRY_GOTO(dho_grid_create(&grid, rows + 1,
                                 table->spec.row_axes + 1 + l.column_count * table->spec.test_count,
                                 table->spec.row_axes + 1));
    DHO_TRY_GOTO(fill_heads(&l, &grid));
    fputs(markdown ? "\n**Each head alone**\n\n" : "\nEach head alone\n", out);
    dho_grid_print(&grid, markdown, out);
fail:
    dho_grid_free(&grid);
    dho_layout_free(&l);
    return status;
}

/* --- differences, seed by seed ------------------------------------------------------------------
 */

static dho_status set_difference(dho_grid *grid, size_t row, size_t column,
                                 const dho_table_cell *cell)
{
    const dho_estimate *difference = &cell->top1;
    const char *mark = cell->chosen_here ? "†" : "";
    if (difference->count == 0) return dho_grid_set(grid, row, column, "-");
    if (difference->count == 1)
        return dho_grid_set(grid, row, column, "%s%+.1f (1)", mark, difference->mean);
    return dho_grid_set(grid, row, column, "%s%+.1f [%+.1f %+.1f] (%zu)", mark, difference->mean,
                        difference->low, difference->high, difference->count);
}

static bool has_difference(const dho_layout *l, const dho_table_contrast *contrast, size_t row)
{
    for (size_t c = 0; c < l->column_count; c++)
        for (size_t t = 0; t < l->spec->test_count; t++)
            if (dho_table_difference(l->table, contrast, dho_layout_at(l, row, c), t).top1.count >
                0)
                return true;
    return false;
}

/* Rows from grid row *inout_row on. */
static dho_status fill_contrast(const dho_layout *l, const dho_table_contrast *contrast,
                                dho_grid *grid, size_t *inout_row)
{
    const dho_table_axis *axis = &l->spec->axes[contrast->axis];
    char head[256];
    DHO_TRY(dho_grid_set(grid, 0, 0, "%s", axis->label));
    for (size_t r = 0; r < l->row_count; r++) {
        const size_t row = *inout_row;
        size_t at = grid->labels;
        if (!has_difference(l, contrast, r)) continue;
        (*inout_row)++;
        DHO_TRY(dho_grid_set(grid, row, 0, "%s minus %s", axis->values[contrast->of].label,
                             axis->values[contrast->minus].label));
        DHO_TRY(dho_layout_labels(l, grid, r, row, 1, contrast));
        for (size_t c = 0; c < l->column_count; c++) {
            for (size_t t = 0; t < l->spec->test_count; t++, at++) {
                const dho_table_cell difference =
                    dho_table_difference(l->table, contrast, dho_layout_at(l, r, c), t);
                dho_layout_head(l, c, t, contrast, head, sizeof head);
                DHO_TRY(dho_grid_set(grid, 0, at, "%s", head));
                DHO_TRY(set_difference(grid, row, at, &difference));
            }
        }
    }
    return DHO_OK;
}

/* Contrasts of one axis share a grid: rows [*at, ...) are this one's. The first makes the grid, for
 * `count` of them. */
static dho_status add_contrast(const dho_table *table, const dho_table_contrast *contrast,
                               size_t count, dho_grid *grid, size_t *at)
{
    const dho_table_spec *spec = &table->spec;
    dho_layout l;
    dho_status status;
    DHO_TRY_GOTO(dho_layout_create(&l, table, contrast));
    dho_layout_keep_runs(&l);
    if (l.row_count == 0 || l.column_count == 0) goto fail; /* not wanted */
    if (grid->cells == NULL) {
        const size_t labels = 1 + spec->row_axes - (contrast->axis < spec->row_axes);
        const size_t columns = labels + l.column_count * spec->test_count;
        DHO_TRY_GOTO(dho_grid_create(grid, l.row_count * count + 1, columns, labels));
    }
    DHO_TRY_GOTO(fill_contrast(&l, contrast, grid, at));
fail:
    dho_layout_free(&l);
    return status;
}

dho_status dho_table_write_contrasts(const dho_table *table, bool markdown, FILE *out)
{
    static const char text[] = "Differences of top-1 in points, seed by seed: mean [95 % Student's "
                               "t] (pairs)";
    const dho_table_spec *spec = &table->spec;
    for (size_t i = 0, next; i < spec->contrast_count; i = next) {
        dho_grid grid = {0};
        size_t at = 1;
        dho_status status = DHO_OK;
        for (next = i + 1;
             next < spec->contrast_count && spec->contrasts[next].axis == spec->contrasts[i].axis;)
            next++;
        for (size_t k = i; k < next && status == DHO_OK; k++)
            status = add_contrast(table, &spec->contrasts[k], next - i, &grid, &at);
        if (status == DHO_OK && at < grid.rows) grid.rows = at; /* some have nothing */
        if (status == DHO_OK && at > 1) {
            fprintf(out, markdown ? "\n**%s**\n\n" : "\n%s\n", text);
            dho_grid_print(&grid, markdown, out);
        }
        dho_grid_free(&grid);
        DHO_TRY(status);
    }
    return DHO_OK;
}
