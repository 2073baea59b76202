/* A table as text and as Markdown: measured beside published. */
#include "table/table_write.h"
#include "dho/alloc.h"
#include "table/table_layout.h"

#include <errno.h>
#include <string.h>

/* The grid of the accuracies: which of its rows and columns have what. */
typedef struct measured_grid {
    dho_layout l;
    dho_grid grid;
    bool *measured, *published; /* owned, [column_count * test_count]: some row has it */
    size_t left_out;            /* rows with neither that have runs */
    bool any_measured, chosen;  /* chosen: a cell's alpha and beta were chosen on its own set */
    size_t figures[DHO_TABLE_CERTAINTIES];
} measured_grid;

enum { MOST_NAMED = 8, MOST_WITHOUT_RUNS = 200 };

/* What a published figure's certainty adds to it. */
static const char *const certainty_marks[DHO_TABLE_CERTAINTIES] = {"", "¶", "?"};

static dho_table_cell cell_at(const dho_layout *l, size_t row, size_t column, size_t test)
{
    return dho_table_cell_of(l->table, dho_layout_at(l, row, column), test,
                             l->spec->tests[test].head);
}

/* --- which rows and columns ---------------------------------------------------------------------
 */

/* Notes what is there, and leaves out the rows that have nothing. */
static dho_status look(measured_grid *g)
{
    dho_layout *l = &g->l;
    const size_t tests = l->spec->test_count;
    size_t kept = 0;
    DHO_TRY(dho_alloc_zero(&g->measured, l->column_count * tests + 1, sizeof(bool), "table"));
    DHO_TRY(dho_alloc_zero(&g->published, l->column_count * tests + 1, sizeof(bool), "table"));
    for (size_t r = 0; r < l->row_count; r++) {
        bool anything = false, runs = false;
        for (size_t i = 0; i < l->column_count * tests; i++) {
            const dho_table_cell cell = cell_at(l, r, i / tests, i % tests);
            g->measured[i] |= cell.top1.count > 0;
            g->published[i] |= cell.published != NULL;
            g->any_measured |= cell.top1.count > 0;
            g->chosen |= cell.chosen_here;
            if (cell.published != NULL) g->figures[cell.published->certainty]++;
            anything |= cell.top1.count > 0 || cell.published != NULL;
            runs |= dho_table_has_run(l->spec, dho_layout_at(l, r, i / tests));
        }
        if (anything) l->rows[kept++] = l->rows[r];
        g->left_out += !anything && runs;
    }
    l->row_count = kept;
    return DHO_OK;
}

/* Of a column with both: measured, published, difference. */
static size_t width(const measured_grid *g, size_t i)
{
    return g->measured[i] && g->published[i] ? 3 : 1;
}

/* --- the grid -----------------------------------------------------------------------------------
 */

static dho_status set_figure(dho_grid *grid, size_t row, size_t column, const dho_table_cell *cell)
{
    const dho_table_figure *figure = cell->published;
    if (figure == NULL) return dho_grid_set(grid, row, column, "-");
    return dho_grid_set(grid, row, column, "%.*f%s", figure->decimals, figure->top1,
                        certainty_marks[figure->certainty]);
}

static dho_status set_difference(dho_grid *grid, size_t row, size_t column,
                                 const dho_table_cell *cell)
{
    if (cell->published == NULL || cell->top1.count == 0)
        return dho_grid_set(grid, row, column, "-");
    return dho_grid_set(grid, row, column, "%+.1f", cell->top1.mean - cell->published->top1);
}

static dho_status fill_column(measured_grid *g, size_t i, size_t at)
{
    const size_t tests = g->l.spec->test_count;
    const bool both = width(g, i) == 3, figures = g->published[i] && !both;
    char head[256];
    dho_layout_head(&g->l, i / tests, i % tests, NULL, head, sizeof head);
    DHO_TRY(dho_grid_set(&g->grid, 0, at, "%s%s", head,
                         figures && g->any_measured ? ", published" : ""));
    if (both) {
        DHO_TRY(dho_grid_set(&g->grid, 0, at + 1, "published"));
        DHO_TRY(dho_grid_set(&g->grid, 0, at + 2, "difference"));
    }
    for (size_t r = 0; r < g->l.row_count; r++) {
        const dho_table_cell cell = cell_at(&g->l, r, i / tests, i % tests);
        DHO_TRY(figures ? set_figure(&g->grid, r + 1, at, &cell)
                        : dho_layout_accuracy(&g->grid, r + 1, at, &cell));
        if (!both) continue;
        DHO_TRY(set_figure(&g->grid, r + 1, at + 1, &cell));
        DHO_TRY(set_difference(&g->grid, r + 1, at + 2, &cell));
    }
    return DHO_OK;
}

static dho_status fill(measured_grid *g)
{
    const size_t all = g->l.column_count * g->l.spec->test_count, labels = g->l.spec->row_axes;
    size_t columns = labels, at = labels;
    for (size_t i = 0; i < all; i++) columns += width(g, i);
    DHO_TRY(dho_grid_create(&g->grid, g->l.row_count + 1, columns, labels));
    for (size_t r = 0; r < g->l.row_count; r++)
        DHO_TRY(dho_layout_labels(&g->l, &g->grid, r, r + 1, 0, NULL));
    for (size_t i = 0; i < all; i++) {
        DHO_TRY(fill_column(g, i, at));
        at += width(g, i);
    }
    return DHO_OK;
}

/* --- what stands below --------------------------------------------------------------------------
 */

/* The figure stands in the part of the table that is wanted. */
static bool is_shown(const dho_table_spec *spec, const dho_table_figure *figure)
{
    for (size_t a = 0; a < spec->axis_count; a++)
        if (figure->at[a] != DHO_TABLE_ANY && !spec->axes[a].values[figure->at[a]].wanted)
            return false;
    return true;
}

/* True at the first of the figures with this table, certainty and remark. */
static bool is_new_remark(const dho_table_spec *spec, size_t f)
{
    const dho_table_figure *own = &spec->figures[f];
    for (size_t i = 0; i < f; i++) {
        const dho_table_figure *other = &spec->figures[i];
        if (other->remark != NULL && is_shown(spec, other) && other->certainty == own->certainty &&
            strcmp(other->remark, own->remark) == 0 &&
            strcmp(other->table != NULL ? other->table : "",
                   own->table != NULL ? own->table : "") == 0)
            return false;
    }
    return true;
}

static void write_source(const measured_grid *g, FILE *out)
{
    const dho_table_spec *spec = g->l.spec;
    static const char *const says[DHO_TABLE_CERTAINTIES] = {"certain", "from a sentence (¶)",
                                                            "doubtful (?)"};
    const char *before = ": ";
    fprintf(out, "published: %s", spec->source);
    for (int k = 0; k < DHO_TABLE_CERTAINTIES; k++) {
        if (g->figures[k] == 0) continue;
        fprintf(out, "%s%zu %s", before, g->figures[k], says[k]);
        before = ", ";
    }
    fputs(g->any_measured ? "; difference: measured minus published.\n" : ".\n", out);
    for (size_t f = 0; f < spec->figure_count; f++) {
        const dho_table_figure *figure = &spec->figures[f];
        if (figure->remark == NULL || !is_shown(spec, figure) || !is_new_remark(spec, f)) continue;
        fprintf(out, "%s%s%s%s%s%s.\n", certainty_marks[figure->certainty],
                figure->certainty == DHO_FIGURE_CERTAIN ? "" : " ",
                figure->table != NULL ? "table " : "", figure->table != NULL ? figure->table : "",
                figure->table != NULL ? ": " : "", figure->remark);
    }
}

/* The values with the reason of `first`, from it on: "‡ SSKD; DHKD: dho does not have this
 * method." Notes them as written. */
static void write_reason(const dho_table_value **first, const dho_table_value *const *end,
                         FILE *out)
{
    const char *reason = (*first)->no_runs;
    size_t count = 0;
    for (const dho_table_value **at = first; at != end; at++)
        count += *at != NULL && strcmp((*at)->no_runs, reason) == 0;
    fprintf(out, "‡ %s", (*first)->label);
    if (count > MOST_NAMED) fprintf(out, " and %zu more", count - 1);
    for (const dho_table_value **at = first; at != end; at++) {
        if (*at == NULL || strcmp((*at)->no_runs, reason) != 0) continue;
        if (at != first && count <= MOST_NAMED) fprintf(out, "; %s", (*at)->label);
        *at = NULL;
    }
    fprintf(out, ": %s.\n", reason);
}

/* A value of a column, or of a row that is not left out. */
static bool is_in_grid(const dho_layout *l, size_t axis, size_t value)
{
    size_t values[DHO_TABLE_MAX_AXES];
    if (!l->spec->axes[axis].values[value].wanted) return false;
    for (size_t r = 0; r < l->row_count && axis < l->spec->row_axes; r++) {
        dho_table_split(l->spec, 0, l->spec->row_axes, l->rows[r], values);
        if (values[axis] == value) return true;
    }
    return axis >= l->spec->row_axes;
}

static void write_no_runs(const dho_layout *l, FILE *out)
{
    const dho_table_spec *spec = l->spec;
    const dho_table_value *all[MOST_WITHOUT_RUNS];
    size_t count = 0;
    for (size_t a = 0; a < spec->axis_count; a++)
        for (size_t i = 0; i < spec->axes[a].count; i++)
            if (spec->axes[a].values[i].no_runs != NULL && count < MOST_WITHOUT_RUNS &&
                is_in_grid(l, a, i))
                all[count++] = &spec->axes[a].values[i];
    for (size_t i = 0; i < count; i++)
        if (all[i] != NULL) write_reason(&all[i], all + count, out);
}

static void write_notes(const measured_grid *g, FILE *out)
{
    const dho_table_spec *spec = g->l.spec;
    if (g->any_measured)
        fputs("top-1 %, mean [95 % interval] (seeds): from two seeds on Student's t over the "
              "seeds, for one Wilson's over the images.\n",
              out);
    if (g->chosen) fputs("† alpha and beta were chosen on this very set.\n", out);
    if (spec->figure_count > 0) write_source(g, out);
    if (g->l.row_count > 0) write_no_runs(&g->l, out);
    if (g->left_out > 0 && g->l.row_count > 0)
        fprintf(out, "%zu more rows have nothing measured yet and nothing published.\n",
                g->left_out);
    for (size_t i = 0; i < spec->notes.count; i++) fprintf(out, "%s\n", spec->notes.items[i]);
}

static dho_status write_measured(const dho_table *table, bool markdown, FILE *out)
{
    measured_grid g = {.left_out = 0};
    dho_status status;
    DHO_TRY_GOTO(dho_layout_create(&g.l, table, NULL));
    DHO_TRY_GOTO(look(&g));
    DHO_TRY_GOTO(fill(&g));
    if (!g.any_measured)
        fprintf(out, "Nothing is measured yet%s\n%s",
                g.l.row_count > 0 ? "; these are the published figures (top-1 %):" : ".",
                markdown ? "\n" : "");
    if (g.l.row_count > 0) {
        dho_grid_print(&g.grid, markdown, out);
        fputc('\n', out);
    }
    write_notes(&g, out);
fail:
    dho_grid_free(&g.grid);
    dho_layout_free(&g.l);
    dho_free(g.measured);
    dho_free(g.published);
    return status;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

static dho_status write_text(const dho_table *table, bool markdown, FILE *out)
{
    fprintf(out, markdown ? "### %s\n\n" : "%s\n", table->spec.title);
    DHO_TRY(write_measured(table, markdown, out));
    DHO_TRY(dho_table_write_heads(table, markdown, out));
    DHO_TRY(dho_table_write_contrasts(table, markdown, out));
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
    case DHO_TABLE_SVG:
        status = dho_table_write_maps(table, out);
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
