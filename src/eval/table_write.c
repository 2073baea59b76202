/* A table as text and as Markdown. */
#include "eval/table_write.h"
#include "dho/alloc.h"
#include "eval/table_grid.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* --- what stands where --------------------------------------------------------------------------
 */

/* Walks the rows, and in each the columns, that a grid has. */
typedef struct layout {
    const dho_table *table;
    const dho_table_spec *spec;
    size_t *rows, *columns; /* owned: the wanted combinations of row and column axes */
    size_t row_count, column_count;
    bool *published; /* owned, [column_count][test_count]: some row has a published figure */
} layout;

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

static size_t combination_at(const layout *l, size_t row, size_t column)
{
    const size_t columns =
        dho_table_combinations(l->spec, l->spec->row_axes, l->spec->axis_count - l->spec->row_axes);
    return l->rows[row] * columns + l->columns[column];
}

static dho_status find_published(layout *l)
{
    const size_t tests = l->spec->test_count;
    size_t values[DHO_TABLE_MAX_AXES];
    DHO_TRY(dho_alloc_zero(&l->published, l->column_count * tests, sizeof(bool), "table"));
    for (size_t c = 0; c < l->column_count; c++)
        for (size_t r = 0; r < l->row_count; r++) {
            dho_table_split(l->spec, 0, l->spec->axis_count, combination_at(l, r, c), values);
            for (size_t t = 0; t < tests; t++)
                l->published[c * tests + t] |= !isnan(dho_table_published(l->spec, values, t));
        }
    return DHO_OK;
}

static dho_status lay_out(layout *out, const dho_table *table, const dho_table_contrast *contrast)
{
    const dho_table_spec *spec = &table->spec;
    *out = (layout){.table = table, .spec = spec};
    DHO_TRY(choose(spec, 0, spec->row_axes, contrast, &out->rows, &out->row_count));
    DHO_TRY(choose(spec, spec->row_axes, spec->axis_count - spec->row_axes, contrast, &out->columns,
                   &out->column_count));
    return find_published(out);
}

static void free_layout(layout *l)
{
    dho_free(l->rows);
    dho_free(l->columns);
    dho_free(l->published);
}

/* "4 shots", "shots 4", "val", "shots 4, val": column and test. */
static void column_head(const layout *l, size_t column, size_t test, const dho_table_contrast *less,
                        char *out, size_t bytes)
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
        used += (size_t)snprintf(out + used, bytes - used, "%s%s%s%s", used > 0 ? ", " : "",
                                 own ? "" : axis->label, own ? "" : " ", value->label);
    }
    if (used < bytes && (spec->test_count > 1 || used == 0))
        snprintf(out + used, bytes - used, "%s%s", used > 0 ? ", " : "", spec->tests[test].label);
}

/* The row's labels into the grid's columns from `at` on; one axis may be left out. */
static dho_status set_labels(const layout *l, dho_grid *grid, size_t row, size_t grid_row,
                             size_t at, const dho_table_contrast *less)
{
    size_t values[DHO_TABLE_MAX_AXES];
    dho_table_split(l->spec, 0, l->spec->row_axes, l->rows[row], values);
    for (size_t a = 0; a < l->spec->row_axes; a++) {
        if (less != NULL && less->axis == a) continue;
        DHO_TRY(dho_grid_set(grid, 0, at, "%s", l->spec->axes[a].label));
        DHO_TRY(dho_grid_set(grid, grid_row, at++, "%s", l->spec->axes[a].values[values[a]].label));
    }
    return DHO_OK;
}

static dho_status set_accuracy(dho_grid *grid, size_t row, size_t column,
                               const dho_table_cell *cell)
{
    if (cell->top1.count == 0) return dho_grid_set(grid, row, column, "-");
    return dho_grid_set(grid, row, column, "%s%.1f [%.1f %.1f] (%zu)", cell->chosen_here ? "†" : "",
                        cell->top1.mean, cell->top1.low, cell->top1.high, cell->top1.count);
}

/* --- measured beside published ------------------------------------------------------------------
 */

static dho_status set_published(dho_grid *grid, size_t row, size_t column,
                                const dho_table_cell *cell)
{
    if (isnan(cell->published)) {
        DHO_TRY(dho_grid_set(grid, row, column, "-"));
        return dho_grid_set(grid, row, column + 1, "-");
    }
    DHO_TRY(dho_grid_set(grid, row, column, "%.1f", cell->published));
    if (cell->top1.count == 0) return dho_grid_set(grid, row, column + 1, "-");
    return dho_grid_set(grid, row, column + 1, "%+.1f", cell->top1.mean - cell->published);
}

static dho_status fill_measured(const layout *l, dho_grid *grid, bool *chosen)
{
    char head[256];
    size_t at = l->spec->row_axes;
    for (size_t r = 0; r < l->row_count; r++) DHO_TRY(set_labels(l, grid, r, r + 1, 0, NULL));
    for (size_t c = 0; c < l->column_count; c++) {
        for (size_t t = 0; t < l->spec->test_count; t++) {
            const bool published = l->published[c * l->spec->test_count + t];
            column_head(l, c, t, NULL, head, sizeof head);
            DHO_TRY(dho_grid_set(grid, 0, at, "%s", head));
            if (published) {
                DHO_TRY(dho_grid_set(grid, 0, at + 1, "published"));
                DHO_TRY(dho_grid_set(grid, 0, at + 2, "difference"));
            }
            for (size_t r = 0; r < l->row_count; r++) {
                const dho_table_cell cell =
                    dho_table_cell_of(l->table, combination_at(l, r, c), t, l->spec->tests[t].head);
                *chosen |= cell.chosen_here;
                DHO_TRY(set_accuracy(grid, r + 1, at, &cell));
                if (published) DHO_TRY(set_published(grid, r + 1, at + 1, &cell));
            }
            at += published ? 3 : 1;
        }
    }
    return DHO_OK;
}

static dho_status write_measured(const dho_table *table, bool markdown, FILE *out)
{
    const dho_table_spec *spec = &table->spec;
    layout l;
    dho_grid grid = {0};
    bool chosen = false;
    size_t columns = spec->row_axes;
    dho_status status;
    DHO_TRY_GOTO(lay_out(&l, table, NULL));
    for (size_t i = 0; i < l.column_count * spec->test_count; i++)
        columns += l.published[i] ? 3 : 1;
    DHO_TRY_GOTO(dho_grid_create(&grid, l.row_count + 1, columns, spec->row_axes));
    DHO_TRY_GOTO(fill_measured(&l, &grid, &chosen));
    dho_grid_print(&grid, markdown, out);
    fprintf(out,
            "\ntop-1 %%, mean [95 %% interval] (seeds): from two seeds on Student's t over the "
            "seeds, for one Wilson's over the images.\n");
    if (chosen) fputs("† alpha and beta were chosen on this very set.\n", out);
    if (spec->figure_count > 0)
        fprintf(out, "published: %s; difference: measured minus published.\n", spec->source);
fail:
    dho_grid_free(&grid);
    free_layout(&l);
    return status;
}

/* --- each head alone ----------------------------------------------------------------------------
 */

static bool has_heads(const layout *l, size_t row)
{
    for (size_t c = 0; c < l->column_count; c++)
        for (size_t t = 0; t < l->spec->test_count; t++)
            if (dho_table_cell_of(l->table, combination_at(l, row, c), t, DHO_SCORE_KD_HEAD)
                    .top1.count > 0)
                return true;
    return false;
}

static dho_status fill_heads(const layout *l, dho_grid *grid)
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
            DHO_TRY(set_labels(l, grid, r, row, 0, NULL));
            DHO_TRY(dho_grid_set(grid, 0, labels, "head"));
            DHO_TRY(dho_grid_set(grid, row, labels, "%s", names[h]));
            for (size_t c = 0; c < l->column_count; c++) {
                for (size_t t = 0; t < l->spec->test_count; t++, at++) {
                    const dho_table_cell cell =
                        dho_table_cell_of(l->table, combination_at(l, r, c), t, heads[h]);
                    column_head(l, c, t, NULL, head, sizeof head);
                    DHO_TRY(dho_grid_set(grid, 0, at, "%s", head));
                    DHO_TRY(set_accuracy(grid, row, at, &cell));
                }
            }
        }
    }
    return DHO_OK;
}

static dho_status write_heads(const dho_table *table, bool markdown, FILE *out)
{
    layout l;
    dho_grid grid = {0};
    size_t rows = 0;
    dho_status status;
    DHO_TRY_GOTO(lay_out(&l, table, NULL));
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
    free_layout(&l);
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

/* Rows from grid row `first` on. */
static dho_status fill_contrast(const layout *l, const dho_table_contrast *contrast, dho_grid *grid,
                                size_t first)
{
    const dho_table_axis *axis = &l->spec->axes[contrast->axis];
    char head[256];
    DHO_TRY(dho_grid_set(grid, 0, 0, "%s", axis->label));
    for (size_t r = 0; r < l->row_count; r++) {
        const size_t row = first + r;
        size_t at = grid->labels;
        DHO_TRY(dho_grid_set(grid, row, 0, "%s minus %s", axis->values[contrast->of].label,
                             axis->values[contrast->minus].label));
        DHO_TRY(set_labels(l, grid, r, row, 1, contrast));
        for (size_t c = 0; c < l->column_count; c++) {
            for (size_t t = 0; t < l->spec->test_count; t++, at++) {
                const dho_table_cell difference =
                    dho_table_difference(l->table, contrast, combination_at(l, r, c), t);
                column_head(l, c, t, contrast, head, sizeof head);
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
    layout l;
    dho_status status;
    DHO_TRY_GOTO(lay_out(&l, table, contrast));
    if (l.row_count == 0 || l.column_count == 0) goto fail; /* not wanted */
    if (grid->cells == NULL) {
        const size_t labels = 1 + spec->row_axes - (contrast->axis < spec->row_axes);
        const size_t columns = labels + l.column_count * spec->test_count;
        DHO_TRY_GOTO(dho_grid_create(grid, l.row_count * count + 1, columns, labels));
    }
    DHO_TRY_GOTO(fill_contrast(&l, contrast, grid, *at));
    *at += l.row_count;
fail:
    free_layout(&l);
    return status;
}

static dho_status write_contrasts(const dho_table *table, bool markdown, FILE *out)
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
        if (status == DHO_OK && at < grid.rows) grid.rows = at; /* some are not wanted */
        if (status == DHO_OK && at > 1) {
            fprintf(out, markdown ? "\n**%s**\n\n" : "\n%s\n", text);
            dho_grid_print(&grid, markdown, out);
        }
        dho_grid_free(&grid);
        DHO_TRY(status);
    }
    return DHO_OK;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

static dho_status write_text(const dho_table *table, bool markdown, FILE *out)
{
    const dho_table_spec *spec = &table->spec;
    fprintf(out, markdown ? "### %s\n\n" : "%s\n", spec->title);
    DHO_TRY(write_measured(table, markdown, out));
    for (size_t i = 0; i < spec->notes.count; i++) fprintf(out, "%s\n", spec->notes.items[i]);
    DHO_TRY(write_heads(table, markdown, out));
    DHO_TRY(write_contrasts(table, markdown, out));
    dho_table_write_missing(table, markdown, out);
    return DHO_OK;
}

dho_status dho_table_write(const dho_table *table, dho_table_format format, const char *program,
                           FILE *out)
{
    dho_status status = DHO_OK;
    switch (format) {
    case DHO_TABLE_TEXT:
    case DHO_TABLE_MARKDOWN:
        status = write_text(table, format == DHO_TABLE_MARKDOWN, out);
        break;
    case DHO_TABLE_JSON:
        status = dho_table_write_json(table, out);
        break;
    case DHO_TABLE_SCRIPT:
        dho_table_write_script(table, program, out);
        break;
    }
    if (status == DHO_OK && (fflush(out) != 0 || ferror(out)))
        status = dho_fail(DHO_ERR_IO, "%s: cannot write the table: %s", table->spec.name,
                          strerror(errno));
    return status;
}
