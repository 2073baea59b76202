/* Curves of training: losses, learning rate, speed. */
#include "dho/alloc.h"
#include "report/report_page.h"

#include <math.h>
#include <stdio.h>

/* A run's column is shown when it has a number other than 0 (a ce run has no KL). */
static bool has_values(const dho_series *series)
{
    for (size_t i = 0; i < series->count; i++) {
        const double y = series->y[i * series->stride];
        if (isfinite(y) && y != 0) return true;
    }
    return false;
}

static void add_curve(const dho_report_page *page, dho_figure *figure, dho_metric metric,
                      dho_series *series)
{
    const dho_metric_row *row = &dho_metric_table[metric];
    char title[128];
    size_t count = 0;
    for (size_t r = 0; r < page->run_count; r++) {
        const dho_metrics *metrics = &page->runs[r].metrics;
        const dho_columns *columns = row->evaluation ? &metrics->evaluation : &metrics->training;
        const dho_series own = {.x = columns->steps,
                                .y = columns->values + metric,
                                .count = columns->count,
                                .stride = columns->width,
                                .style = (int)r};
        if (columns->count > 0 && has_values(&own)) series[count++] = own;
    }
    snprintf(title, sizeof title, row->unit != NULL ? "%s (%s)" : "%s", row->what, row->unit);
    const dho_line_chart chart = {.title = title,
                                  .x_label = "optimiser step",
                                  .series = series,
                                  .series_count = count,
                                  .smooth = row->smooth,
                                  .log_if_wide = row->log_if_wide,
                                  .from_zero = row->from_zero,
                                  .reference = NAN};
    dho_chart_lines(figure, &chart);
}

/* One figure: the curves of one kind and, behind them, those of another. */
static dho_status add_group(dho_report_page *page, const char *id, const char *title,
                            const dho_metric_chart charts[2], dho_series *series,
                            const char *caption)
{
    dho_figure figure = {
        .id = id, .title = title, .legend = page->legend, .legend_count = page->run_count};
    for (int i = 0; i < 2; i++)
        for (dho_metric m = 0; m < DHO_METRIC_COUNT && charts[i] != DHO_CHART_NONE; m++)
            if (dho_metric_table[m].chart == charts[i]) add_curve(page, &figure, m, series);
    dho_text_add(&figure.caption, "%s", caption);
    return dho_report_add_figure(page, &figure);
}

static bool has_evaluations(const dho_report_page *page)
{
    for (size_t r = 0; r < page->run_count; r++)
        if (page->runs[r].metrics.evaluation.count > 0) return true;
    return false;
}

dho_status dho_report_add_training(dho_report_page *page)
{
    dho_series *series;
    size_t lines = 0;
    for (size_t r = 0; r < page->run_count; r++) lines += page->runs[r].metrics.training.count;
    if (lines == 0) {
        dho_report_add_missing(page, "No run has metrics.");
        return page->html.status;
    }
    DHO_TRY(dho_alloc(&series, page->run_count, sizeof *series, "curves"));
    static const dho_metric_chart training[2] = {DHO_CHART_TRAINING, DHO_CHART_SCHEDULE};
    static const dho_metric_chart speed[2] = {DHO_CHART_SPEED, DHO_CHART_NONE};
    static const dho_metric_chart evaluation[2] = {DHO_CHART_EVALUATION, DHO_CHART_NONE};
    dho_status status;
    DHO_TRY_GOTO(add_group(page, "training", "Training", training, series,
                           "Each point is the mean of <code>train.log_every</code> steps. Strong: "
                           "moving mean over 5 % of the points; pale: the points themselves. Gaps "
                           "are values that are not finite. One curve where there are fewer than "
                           "40 points."));
    if (has_evaluations(page))
        DHO_TRY_GOTO(add_group(page, "evaluations", "Evaluations while training", evaluation,
                               series,
                               "On <code>train.eval_on</code>, every <code>train.eval_every</code> "
                               "steps."));
    dho_text_add(&page->html, "<h3>Speed</h3>\n");
    status = add_group(page, "speed", "Speed of training", speed, series,
                       "Measured on rank 0; images of all ranks.");
fail:
    dho_free(series);
    return status;
}
