/* Gradient conflict: do the supervised loss and the teacher's pull the same way? */
#include "base/compare.h"
#include "dho/alloc.h"
#include "report/report.h"
#include "report/report_page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COSINE, RATIO, MAX_BLOCK_PANELS = 60 };

/* The column of a block in a run; false when it has none. */
static bool find_block(const dho_metrics *metrics, const char *name, size_t *out)
{
    for (*out = 0; *out < metrics->block_count; ++*out)
        if (strcmp(metrics->blocks[*out], name) == 0) return true;
    return false;
}

/* All runs' curves of a block. */
static size_t gather(const dho_report_page *page, const char *block, int what, dho_series *series)
{
    size_t count = 0, column;
    for (size_t r = 0; r < page->run_count; r++) {
        const dho_metrics *metrics = &page->runs[r].metrics;
        if (metrics->conflict.count == 0 || !find_block(metrics, block, &column)) continue;
        series[count++] = (dho_series){.x = metrics->conflict.steps,
                                       .y = metrics->conflict.values + 2 * column + (size_t)what,
                                       .count = metrics->conflict.count,
                                       .stride = metrics->conflict.width,
                                       .style = (int)r};
    }
    return count;
}

static void add_chart(const dho_report_page *page, dho_figure *figure, const char *block, int what,
                      const char *title, double height, dho_series *series)
{
    const size_t count = gather(page, block, what, series);
    const dho_line_chart chart = {.title = title,
                                  .x_label = "optimiser step",
                                  .series = series,
                                  .series_count = count,
                                  .smooth = true,
                                  .log = what == RATIO,
                                  .reference = what == RATIO ? 1 : 0,
                                  .height = height,
                                  .y_ticks = height < 160 ? 3 : 5};
    dho_chart_lines(figure, &chart);
}

/* The blocks of all runs, each once, "features" left out. */
static size_t name_blocks(const dho_report_page *page, const char **out)
{
    size_t count = 0;
    for (size_t r = 0; r < page->run_count; r++)
        for (size_t b = 0; b < page->runs[r].metrics.block_count; b++) {
            const char *name = page->runs[r].metrics.blocks[b];
            size_t known = 0;
            while (known < count && strcmp(out[known], name) != 0) known++;
            if (known < count || strcmp(name, "features") == 0) continue;
            if (count < MAX_BLOCK_PANELS) out[count++] = name;
        }
    return count;
}

/* Median, 10th and 90th percentile of a curve; false when it has no finite value. */
static bool summarise(const dho_series *series, double *sorted, double out[3])
{
    size_t count = 0;
    for (size_t i = 0; i < series->count; i++) {
        const double y = series->y[i * series->stride];
        if (isfinite(y)) sorted[count++] = y;
    }
    if (count == 0) return false;
    qsort(sorted, count, sizeof *sorted, dho_compare_doubles);
    out[0] = sorted[(count - 1) / 2];
    out[1] = sorted[(count - 1) / 10];
    out[2] = sorted[(count - 1) - (count - 1) / 10];
    return true;
}

/* Is there anything for the summary to show? */
static bool has_cosines(const dho_report_page *page, const char *const *blocks, size_t count,
                        dho_series *series)
{
    for (size_t b = 0; b < count; b++) {
        const size_t runs = gather(page, blocks[b], COSINE, series);
        for (size_t r = 0; r < runs; r++)
            for (size_t i = 0; i < series[r].count; i++)
                if (isfinite(series[r].y[i * series[r].stride])) return true;
    }
    return false;
}

/* One row a block: where its cosine lay during the run. */
static dho_status add_summary(const dho_report_page *page, dho_figure *figure,
                              const char *const *blocks, size_t count, dho_series *series)
{
    const double left = 110, right = 12, bottom = 34;
    double *sorted, row = 6 + 8.0 * (double)page->run_count;
    size_t longest = 1;
    char css[32], word[32];
    if (row < 16) row = 16;
    const double height = (double)count * row + bottom;
    for (size_t r = 0; r < page->run_count; r++)
        if (page->runs[r].metrics.conflict.count > longest)
            longest = page->runs[r].metrics.conflict.count;
    if (!has_cosines(page, blocks, count, series)) return DHO_OK;
    DHO_TRY(dho_alloc(&sorted, longest, sizeof *sorted, "gradient conflict"));
    const dho_scale scale = dho_scale_fixed(-1, 1, 4);
    dho_panel *panel = dho_figure_add(figure, "Cosine by block: median, 10 to 90 %", height);
    for (size_t i = 0; panel != NULL && i < scale.tick_count; i++) {
        const double x =
            left + dho_scale_place(&scale, scale.ticks[i]) * (DHO_PANEL_WIDTH - left - right);
        dho_panel_line(panel, x, 0, x, height - bottom, scale.ticks[i] == 0 ? "axis" : "grid");
        dho_scale_word(&scale, i, word, sizeof word);
        dho_panel_text(panel, x, height - bottom + 15, "middle", "num", word);
    }
    if (panel != NULL)
        dho_panel_text(panel, left + (DHO_PANEL_WIDTH - left - right) / 2, height - bottom + 30,
                       "middle", "", "cosine");
    for (size_t b = 0; panel != NULL && b < count; b++) {
        const double middle = ((double)b + 0.5) * row;
        const size_t runs = gather(page, blocks[b], COSINE, series);
        dho_text_add(&panel->body, "<text x=\"4\" y=\"%.1f\">", middle + 4);
        dho_text_escape_cut(&panel->body, blocks[b], 17);
        dho_text_add(&panel->body, "</text>");
        for (size_t i = 0; i < runs; i++) {
            double of[3];
            const double y = middle + 8 * ((double)i - (double)(runs - 1) / 2);
            if (!summarise(&series[i], sorted, of)) continue;
            for (int k = 0; k < 3; k++)
                of[k] = left + dho_scale_place(&scale, fmin(fmax(of[k], -1), 1)) *
                                   (DHO_PANEL_WIDTH - left - right);
            snprintf(css, sizeof css, "whisker s%d", series[i].style % DHO_SERIES_STYLES);
            dho_panel_line(panel, of[1], y, of[2], y, css);
            dho_panel_marker(panel, of[0], y, "osd"[series[i].style % 3], series[i].style);
        }
    }
    dho_free(sorted);
    return DHO_OK;
}

/* The runs that have measured it. */
static size_t measured_runs(const dho_report_page *page, dho_legend_entry *out)
{
    size_t count = 0;
    for (size_t r = 0; r < page->run_count; r++)
        if (page->runs[r].metrics.conflict.count > 0) out[count++] = page->legend[r];
    return count;
}

static dho_status add_overview(dho_report_page *page, const char *const *blocks, size_t count,
                               dho_series *series)
{
    dho_legend_entry legend[DHO_REPORT_MAX_RUNS];
    dho_figure figure = {.id = "conflict",
                         .title = "Gradient conflict at the shared features",
                         .legend = legend,
                         .legend_count = measured_runs(page, legend)};
    add_chart(page, &figure, "features", COSINE, "Cosine of the two gradients at the features", 0,
              series);
    add_chart(page, &figure, "features", RATIO, "|∇ CE| / |∇ KD| at the features", 0, series);
    const dho_status status = add_summary(page, &figure, blocks, count, series);
    if (status != DHO_OK) {
        dho_figure_free(&figure);
        return status;
    }
    dho_text_add(
        &figure.caption,
        "∇ CE: gradient of λ_ce times the cross-entropy; ∇ KD: of everything that comes "
        "from the teacher. Below 0 the two losses pull in opposite directions. The features "
        "are what the heads see; blocks are the weights that both losses reach.");
    return dho_report_add_figure(page, &figure);
}

static dho_status add_blocks(dho_report_page *page, const char *const *blocks, size_t count,
                             int what, const char *id, const char *title, dho_series *series)
{
    dho_legend_entry legend[DHO_REPORT_MAX_RUNS];
    dho_figure figure = {
        .id = id, .title = title, .legend = legend, .legend_count = measured_runs(page, legend)};
    for (size_t b = 0; b < count; b++)
        add_chart(page, &figure, blocks[b], what, blocks[b], 140, series);
    if (figure.panel_count > 0)
        dho_text_add(&page->html, "<details><summary>%s</summary>\n", title);
    const bool any = figure.panel_count > 0;
    DHO_TRY(dho_report_add_figure(page, &figure));
    if (any) dho_text_add(&page->html, "</details>\n");
    return page->html.status;
}

dho_status dho_report_add_conflict(dho_report_page *page)
{
    const char *blocks[MAX_BLOCK_PANELS];
    const size_t count = name_blocks(page, blocks);
    size_t lines = 0;
    dho_series *series;
    for (size_t r = 0; r < page->run_count; r++) lines += page->runs[r].metrics.conflict.count;
    if (lines == 0) {
        dho_report_add_missing(page, "Not measured: <code>train.conflict_every: 50</code> measures "
                                     "it at every 50th step.");
        return page->html.status;
    }
    dho_status status;
    DHO_TRY(dho_alloc(&series, page->run_count, sizeof *series, "curves"));
    DHO_TRY_GOTO(add_overview(page, blocks, count, series));
    DHO_TRY_GOTO(add_blocks(page, blocks, count, COSINE, "conflict-cosine",
                            "Cosine of the gradients by block over time", series));
    status = add_blocks(page, blocks, count, RATIO, "conflict-ratio",
                        "Ratio of the gradients' norms by block over time", series);
fail:
    dho_free(series);
    return status;
}
