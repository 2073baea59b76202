/* Curves of training: losses, learning rate, speed. */
#include "dho/alloc.h"
#include "report/report_page.h"

#include <math.h>

typedef struct curve_choice {
    dho_metric metric;
    const char *title;
    bool smooth, log_if_wide, from_zero;
} curve_choice;

static const curve_choice losses[] = {
    {DHO_METRIC_LOSS, "Loss, weighted sum (nats)", true, true, false},
    {DHO_METRIC_CE, "Cross-entropy of labelled images (nats)", true, true, false},
    {DHO_METRIC_KD_LABELLED, "KL to the teacher × T², labelled (nats)", true, true, false},
    {DHO_METRIC_KD_UNLABELLED, "KL to the teacher × T², unlabelled (nats)", true, true, false},
    {DHO_METRIC_FEATURE_LABELLED, "Feature distance, labelled", true, true, false},
    {DHO_METRIC_FEATURE_UNLABELLED, "Feature distance, unlabelled", true, true, false},
    {DHO_METRIC_ACCURACY, "Labelled training images right (share)", true, false, true},
    {DHO_METRIC_GRADIENT_NORM, "Norm of the gradient", true, true, true},
    {DHO_METRIC_LR, "Learning rate", false, false, true},
};

static const curve_choice speeds[] = {
    {DHO_METRIC_IMAGES_PER_SECOND, "Images a second, all ranks", true, false, true},
    {DHO_METRIC_STEP_SECONDS, "Seconds a step", true, false, true},
    {DHO_METRIC_DATA_SECONDS, "Seconds a step waiting for images", true, false, true},
    {DHO_METRIC_COMM_SECONDS, "Seconds a step in communication, rank 0", true, false, true},
};

/* A run's column is shown when it has a number other than 0 (a ce run has no KL). */
static bool has_values(const dho_series *series)
{
    for (size_t i = 0; i < series->count; i++) {
        const double y = series->y[i * series->stride];
        if (isfinite(y) && y != 0) return true;
    }
    return false;
}

static void add_curve(const dho_report_page *page, dho_figure *figure, const curve_choice *curve,
                      dho_series *series)
{
    size_t count = 0;
    for (size_t r = 0; r < page->run_count; r++) {
        const dho_columns *columns = &page->runs[r].metrics.training;
        const dho_series own = {.x = columns->steps,
                                .y = columns->values + curve->metric,
                                .count = columns->count,
                                .stride = columns->width,
                                .style = (int)r};
        if (columns->count > 0 && has_values(&own)) series[count++] = own;
    }
    const dho_line_chart chart = {.title = curve->title,
                                  .x_label = "optimiser step",
                                  .series = series,
                                  .series_count = count,
                                  .smooth = curve->smooth,
                                  .log_if_wide = curve->log_if_wide,
                                  .from_zero = curve->from_zero,
                                  .reference = NAN};
    dho_chart_lines(figure, &chart);
}

static dho_status add_group(dho_report_page *page, const char *id, const char *title,
                            const curve_choice *curves, size_t count, dho_series *series,
                            const char *caption)
{
    dho_figure figure = {
        .id = id, .title = title, .legend = page->legend, .legend_count = page->run_count};
    for (size_t i = 0; i < count; i++) add_curve(page, &figure, &curves[i], series);
    dho_text_add(&figure.caption, "%s", caption);
    return dho_report_add_figure(page, &figure);
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
    dho_status status;
    DHO_TRY_GOTO(add_group(page, "training", "Training", losses, sizeof losses / sizeof *losses,
                           series,
                           "Each point is the mean of <code>train.log_every</code> steps. Strong: "
                           "moving mean over 5 % of the points; pale: the points themselves. Gaps "
                           "are values that are not finite. One curve where there are fewer than "
                           "40 points."));
    dho_text_add(&page->html, "<h3>Speed</h3>\n");
    status = add_group(page, "speed", "Speed of training", speeds, sizeof speeds / sizeof *speeds,
                       series, "Measured on rank 0; images of all ranks.");
fail:
    dho_free(series);
    return status;
}
