/* Several runs: panels, or a table. */
#include "watch/watch_view.h"

#include <math.h>
#include <stdio.h>

enum { NAME_LEAST = 12, NAME_MOST = 40, CHART_LEAST = 12, CELL_BYTES = 32 };

/* --- columns of the table: empty where there is no number ---------------------------------------
 */

static void cell_state(const dho_watch_run *run, char out[CELL_BYTES])
{
    snprintf(out, CELL_BYTES, "%s", dho_watch_state_names[run->state]);
}

static void cell_done(const dho_watch_run *run, char out[CELL_BYTES])
{
    if (run->total_steps > 0)
        snprintf(out, CELL_BYTES, "%.0f %%", floor(100 * fmin(run->step / run->total_steps, 1)));
}

static void cell_left(const dho_watch_run *run, char out[CELL_BYTES])
{
    if (!isnan(run->left) && run->state != DHO_WATCH_FINISHED) dho_watch_duration(run->left, out);
}

static void put_last(const dho_watch_run *run, dho_metric metric, const char *format,
                     char out[CELL_BYTES])
{
    const double value = dho_watch_run_last(run, metric);
    if (!isnan(value)) snprintf(out, CELL_BYTES, format, value);
}

static void cell_loss(const dho_watch_run *run, char out[CELL_BYTES])
{
    put_last(run, DHO_METRIC_LOSS, "%.4g", out);
}

static void cell_accuracy(const dho_watch_run *run, char out[CELL_BYTES])
{
    put_last(run, DHO_METRIC_ACCURACY, "%.3f", out);
}

/* Of dho eval, or else of the newest evaluation while training. */
static void cell_evaluation(const dho_watch_run *run, char out[CELL_BYTES])
{
    const double newest = dho_watch_run_last(run, DHO_METRIC_EVAL_TOP1);
    if (!isnan(newest)) snprintf(out, CELL_BYTES, "%.2f %%", 100 * newest);
    if (run->evaluated && run->evaluation.set_count > 0)
        snprintf(out, CELL_BYTES, "%.2f %%",
                 run->evaluation.sets[0].scores[DHO_SCORE_COMBINED].top1);
}

static void cell_images(const dho_watch_run *run, char out[CELL_BYTES])
{
    put_last(run, DHO_METRIC_IMAGES_PER_SECOND, "%.1f", out);
}

static const struct column {
    const char *title;
    int width; /* with the blank before it */
    void (*cell)(const dho_watch_run *run, char out[CELL_BYTES]);
} columns[] = {{"state", 9, cell_state},    {"done", 6, cell_done},    {"left", 9, cell_left},
               {"loss", 9, cell_loss},      {"acc", 6, cell_accuracy}, {"eval", 9, cell_evaluation},
               {"images/s", 9, cell_images}};
enum { COLUMNS = sizeof columns / sizeof *columns };

static void put_right(dho_page *page, dho_style style, const char *text, int end)
{
    dho_page_pad(page, end - dho_page_columns(page, text));
    dho_page_put(page, style, "%s", text);
}

/* As many columns as fit, the curve of the loss behind them. */
static void draw_table(dho_page *page, const dho_watch_run *runs, size_t count)
{
    int shown = 0, name = NAME_LEAST, longest = 0, used = 0;
    for (size_t r = 0; r < count; r++) {
        const int taken = dho_page_columns(page, runs[r].path);
        if (taken > longest) longest = taken;
    }
    while (shown < COLUMNS && name + used + columns[shown].width <= page->width)
        used += columns[shown++].width;
    if (name < longest) name = longest < NAME_MOST ? longest : NAME_MOST;
    if (name > page->width - used) name = page->width - used;
    const int chart_columns = page->width - name - used - 1;
    dho_page_put(page, DHO_STYLE_FAINT, "run");
    for (int c = 0, end = name; c < shown; c++)
        put_right(page, DHO_STYLE_FAINT, columns[c].title, end += columns[c].width);
    dho_page_end_line(page);
    for (size_t r = 0; r < count; r++) {
        const dho_style state = dho_watch_state_style(runs[r].state);
        dho_page_put_name(page, DHO_STYLE_BOLD, runs[r].path, name);
        for (int c = 0, end = name; c < shown; c++) {
            char cell[CELL_BYTES] = "";
            columns[c].cell(&runs[r], cell);
            put_right(page, c == 0 ? state : DHO_STYLE_PLAIN, cell, end += columns[c].width);
        }
        if (chart_columns >= CHART_LEAST) {
            dho_page_put(page, DHO_STYLE_PLAIN, " ");
            dho_watch_draw_curve(page, &runs[r], DHO_METRIC_LOSS, chart_columns);
        }
        dho_page_end_line(page);
    }
}

void dho_watch_draw(dho_page *page, const dho_watch_run *runs, size_t count, int height)
{
    const int each = (height - (int)count + 1) / (int)count; /* a blank line between two */
    if (height > 0 && count > 1 && each < DHO_PANEL_LEAST) {
        draw_table(page, runs, count);
        return;
    }
    for (size_t r = 0; r < count; r++) {
        if (r > 0) dho_page_end_line(page);
        dho_watch_draw_panel(page, &runs[r], height > 0 ? each : 0);
    }
}
