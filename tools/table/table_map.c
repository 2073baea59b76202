/* A table's differences as maps: one axis across, the others down, a colour for who is better. */
#include "report/report_chart.h"
#include "table/table_write.h"

#include <math.h>
#include <stdio.h>

/* In the units of a panel; deep: the difference, in points, that has the full colour. */
static const double label_width = 104, cell_height = 34, head = 30, foot = 36, deep = 10;

typedef struct map {
    const dho_table *table;
    const dho_table_spec *spec;
    const dho_table_contrast *contrast;
    size_t test, across; /* across: the axis */
    size_t columns, rows;
} map;

static bool is_shown(const dho_table_value *value)
{
    return value->wanted && value->no_runs == NULL;
}

static size_t shown_values(const dho_table_axis *axis)
{
    size_t count = 0;
    for (size_t i = 0; i < axis->count; i++) count += is_shown(&axis->values[i]);
    return count;
}

/* The last axis that is not the contrast's; *out stays as it is where there is none. */
static bool find_across(const dho_table_spec *spec, const dho_table_contrast *contrast, size_t *out)
{
    size_t a = spec->axis_count - 1;
    if (a == contrast->axis && a-- == 0) return false;
    *out = a;
    return true;
}

/* All but the contrast's axis and the one across stand at values that are shown, both of these at
 * their first: a combination is a row. */
static bool is_row(const map *m, size_t combination, size_t *values)
{
    dho_table_split(m->spec, 0, m->spec->axis_count, combination, values);
    for (size_t a = 0; a < m->spec->axis_count; a++) {
        if (a == m->contrast->axis || a == m->across) {
            if (values[a] != 0) return false;
        } else if (!is_shown(&m->spec->axes[a].values[values[a]])) {
            return false;
        }
    }
    return true;
}

static void write_row_label(const map *m, const size_t *values, char *out, size_t bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t a = 0; a < m->spec->axis_count && used < bytes; a++)
        if (a != m->contrast->axis && a != m->across && m->spec->axes[a].count > 1)
            used += (size_t)snprintf(out + used, bytes - used, "%s%s", used > 0 ? ", " : "",
                                     m->spec->axes[a].values[values[a]].label);
}

/* Whether it has an interval: there is none with one seed. */
static bool draw_cell(dho_panel *panel, double x, double y, double width,
                      const dho_table_cell *cell)
{
    char text[64];
    const dho_estimate *d = &cell->top1;
    const double middle = x + width / 2;
    if (d->count == 0) {
        dho_panel_text(panel, middle, y + 20, "middle", "", "–");
        return false;
    }
    const bool sure = d->count > 1 && (d->low > 0 || d->high < 0);
    dho_text_add(&panel->body,
                 "<rect class=\"f%d\" fill-opacity=\"%.2f\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                 "height=\"%.1f\"/>",
                 d->mean < 0, 0.7 * fmin(fabs(d->mean) / deep, 1), x + 1, y + 1, width - 2,
                 cell_height - 2);
    snprintf(text, sizeof text, "%s%+.1f", cell->chosen_here ? "†" : "", d->mean);
    dho_panel_text(panel, middle, y + (d->count > 1 ? 15 : 21), "middle",
                   sure ? "num title" : "num", text);
    if (d->count == 1) return false;
    snprintf(text, sizeof text, "%+.1f %+.1f", d->low, d->high);
    dho_panel_text(panel, middle, y + 27, "middle", "num small", text);
    return true;
}

static bool draw_row(const map *m, dho_panel *panel, size_t *values, double y, double width)
{
    const dho_table_axis *axis = &m->spec->axes[m->across];
    double x = label_width;
    bool intervals = false;
    char label[128];
    write_row_label(m, values, label, sizeof label);
    dho_panel_text(panel, label_width - 6, y + 21, "end", "", label);
    for (size_t i = 0; i < axis->count; i++) {
        if (!is_shown(&axis->values[i])) continue;
        values[m->across] = i;
        const dho_table_cell cell =
            dho_table_difference(m->table, m->contrast, dho_table_join(m->spec, values), m->test);
        intervals |= draw_cell(panel, x, y, width, &cell);
        x += width;
    }
    return intervals;
}

static void draw_head(const map *m, dho_panel *panel, double width)
{
    const dho_table_axis *axis = &m->spec->axes[m->across];
    double x = label_width + width / 2;
    dho_panel_text(panel, label_width - 6, head - 8, "end", "", axis->label);
    for (size_t i = 0; i < axis->count; i++) {
        if (!is_shown(&axis->values[i])) continue;
        dho_panel_text(panel, x, head - 8, "middle", "num", axis->values[i].label);
        x += width;
    }
}

static void draw_map(const map *m, dho_figure *figure)
{
    const dho_table_axis *axis = &m->spec->axes[m->contrast->axis];
    const size_t combinations = dho_table_combinations(m->spec, 0, m->spec->axis_count);
    const double width = (DHO_PANEL_WIDTH - label_width) / (double)m->columns;
    const double height = head + cell_height * (double)m->rows + foot;
    size_t values[DHO_TABLE_MAX_AXES];
    char title[256];
    double y = head;
    bool intervals = false;
    snprintf(title, sizeof title, "%s minus %s%s%s", axis->values[m->contrast->of].label,
             axis->values[m->contrast->minus].label, m->spec->test_count > 1 ? ", " : "",
             m->spec->test_count > 1 ? m->spec->tests[m->test].label : "");
    dho_panel *panel = dho_figure_add(figure, title, height);
    if (panel == NULL) return;
    draw_head(m, panel, width);
    for (size_t c = 0; c < combinations; c++) {
        if (!is_row(m, c, values)) continue;
        intervals |= draw_row(m, panel, values, y, width);
        y += cell_height;
    }
    dho_panel_text(panel, 4, y + 16, "start", "",
                   intervals ? "points of top-1, 95 % interval over the seeds;"
                             : "points of top-1; one seed: no interval");
    if (intervals)
        dho_panel_text(panel, 4, y + 29, "start", "", "bold: the interval leaves out 0");
}

dho_status dho_table_write_maps(const dho_table *table, FILE *out)
{
    const dho_table_spec *spec = &table->spec;
    const size_t combinations = dho_table_combinations(spec, 0, spec->axis_count);
    dho_figure figure = {.id = "maps", .title = spec->title};
    dho_text text = {0};
    if (spec->contrast_count == 0)
        return dho_fail(DHO_ERR_CONFIG, "%s: compare: a map shows differences, and there are none",
                        spec->path);
    for (size_t c = 0; c < spec->contrast_count; c++)
        for (size_t t = 0; t < spec->test_count; t++) {
            size_t values[DHO_TABLE_MAX_AXES];
            map m = {.table = table, .spec = spec, .contrast = &spec->contrasts[c], .test = t};
            if (!find_across(spec, m.contrast, &m.across))
                return dho_fail(DHO_ERR_CONFIG, "%s: a map needs a second axis", spec->path);
            m.columns = shown_values(&spec->axes[m.across]);
            for (size_t i = 0; i < combinations; i++) m.rows += is_row(&m, i, values);
            draw_map(&m, &figure);
        }
    dho_status status = dho_figure_status(&figure);
    if (status == DHO_OK) {
        dho_figure_write_svg(&figure, &text);
        status = text.status;
    }
    if (status == DHO_OK) fputs(text.data, out);
    dho_text_free(&text);
    dho_figure_free(&figure);
    return status;
}
