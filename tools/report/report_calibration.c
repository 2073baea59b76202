/* Is a probability true? Reliability diagrams, and the numbers of eval.json. */
#include "dho/alloc.h"
#include "report/report_page.h"

#include <math.h>
#include <stdio.h>

static const double left = 40, right = 14, top = 6, bottom = 34, height = 300;

static double place_x(double confidence)
{
    return left + confidence * (DHO_PANEL_WIDTH - left - right);
}

static double place_y(double share)
{
    return top + (1 - share) * (height - top - bottom);
}

static void draw_axes(dho_panel *panel)
{
    char word[16];
    const double base = place_y(0);
    for (int i = 0; i <= 5; i++) {
        const double value = 0.2 * i;
        snprintf(word, sizeof word, "%.1f", value);
        dho_panel_line(panel, left, place_y(value), place_x(1), place_y(value), "grid");
        dho_panel_text(panel, left - 6, place_y(value) + 4, "end", "num", word);
        dho_panel_line(panel, place_x(value), base, place_x(value), base + 4, "axis");
        dho_panel_text(panel, place_x(value), base + 16, "middle", "num", word);
    }
    dho_panel_line(panel, left, base, place_x(1), base, "axis");
    dho_panel_line(panel, place_x(0), place_y(0), place_x(1), place_y(1), "ref");
    dho_panel_text(panel, place_x(0.5), base + 30, "middle", "", "probability of the first class");
}

/* A point a bin that has images: its mean probability and the share that is right. */
static void draw_bins(dho_panel *panel, const dho_calibration_bin *bins, int style)
{
    char css[48];
    bool open = false;
    snprintf(css, sizeof css, "whisker s%d", style % DHO_SERIES_STYLES);
    dho_text_add(&panel->body, "<path class=\"raw s%d\" d=\"", style % DHO_SERIES_STYLES);
    for (int b = 0; b < DHO_CALIBRATION_BINS; b++) {
        if (bins[b].count == 0) continue;
        const double n = (double)bins[b].count;
        dho_text_add(&panel->body, "%s%.1f %.1f", open ? "L" : "M", place_x(bins[b].confidence / n),
                     place_y((double)bins[b].right / n));
        open = true;
    }
    dho_text_add(&panel->body, "\"/>");
    for (int b = 0; b < DHO_CALIBRATION_BINS; b++) {
        double low, high;
        if (bins[b].count == 0) continue;
        const double n = (double)bins[b].count, x = place_x(bins[b].confidence / n);
        dho_wilson_interval(bins[b].right, bins[b].count, &low, &high);
        dho_panel_line(panel, x, place_y(low), x, place_y(high), css);
        dho_panel_marker(panel, x, place_y((double)bins[b].right / n), "osd"[style % 3], style);
    }
}

/* scaled: the runs that have a temperature, at it. */
static void add_panel(const dho_report_page *page, dho_figure *figure, const char *name,
                      bool scaled)
{
    char title[160];
    dho_panel *panel = NULL;
    snprintf(title, sizeof title, "%.120s: %s", name, scaled ? "at the temperature" : "as it is");
    for (size_t r = 0; r < page->run_count; r++) {
        const dho_set_detail *detail = dho_report_run_detail(&page->runs[r], name);
        if (detail == NULL || detail->count == 0) continue;
        if (scaled && page->runs[r].evaluation.scaled_on == NULL) continue;
        if (panel == NULL) {
            panel = dho_figure_add(figure, title, height);
            if (panel == NULL) return;
            draw_axes(panel);
        }
        draw_bins(panel, detail->bins[scaled], (int)r);
    }
}

/* Which share of the images each bin has: a curve a run. */
static dho_status add_shares(const dho_report_page *page, dho_figure *figure, const char *name)
{
    char title[160];
    dho_series *series;
    double *memory = NULL, x[DHO_CALIBRATION_BINS];
    size_t count = 0;
    dho_status status;
    DHO_TRY(dho_alloc(&series, page->run_count, sizeof *series, "calibration"));
    DHO_TRY_GOTO(
        dho_alloc(&memory, page->run_count * DHO_CALIBRATION_BINS, sizeof *memory, "calibration"));
    for (int b = 0; b < DHO_CALIBRATION_BINS; b++) x[b] = (b + 0.5) / DHO_CALIBRATION_BINS;
    for (size_t r = 0; r < page->run_count; r++) {
        const dho_set_detail *detail = dho_report_run_detail(&page->runs[r], name);
        if (detail == NULL || detail->count == 0) continue;
        double *y = memory + r * DHO_CALIBRATION_BINS;
        for (int b = 0; b < DHO_CALIBRATION_BINS; b++)
            y[b] = 100 * (double)detail->bins[0][b].count / (double)detail->count;
        series[count++] = (dho_series){
            .x = x, .y = y, .count = DHO_CALIBRATION_BINS, .stride = 1, .style = (int)r};
    }
    snprintf(title, sizeof title, "%.120s: how sure, %% of the images", name);
    const dho_line_chart chart = {.title = title,
                                  .x_label = "probability of the first class, as it is",
                                  .series = series,
                                  .series_count = count,
                                  .from_zero = true,
                                  .reference = NAN,
                                  .height = height};
    dho_chart_lines(figure, &chart);
fail:
    dho_free(series);
    dho_free(memory);
    return status;
}

static void add_numbers(dho_report_page *page, const dho_calibration *numbers)
{
    if (isnan(numbers->ece)) {
        dho_text_add(&page->html, "<td>–</td><td>–</td><td>–</td><td>–</td>");
        return;
    }
    dho_text_add(&page->html, "<td>%.2f</td><td>%.2f</td><td>%.4f</td><td>%.4f</td>",
                 100 * numbers->ece, 100 * numbers->ece_adaptive, numbers->nll, numbers->brier);
}

static void add_row(dho_report_page *page, size_t r, const dho_evaluated_set *set, int kind)
{
    static const char *const names[] = {"combined", "CE head", "KD head"};
    const dho_evaluation *evaluation = &page->runs[r].evaluation;
    const dho_score *score = &set->scores[kind];
    dho_text_add(&page->html, "<tr><td>");
    dho_report_add_run_name(page, r);
    dho_text_add(&page->html, "</td><td class=\"left\">");
    dho_text_escape(&page->html, set->name);
    dho_text_add(&page->html, "</td><td class=\"left\">%s</td>", names[kind]);
    if (isnan(score->macro))
        dho_text_add(&page->html, "<td>–</td>");
    else
        dho_text_add(&page->html, "<td>%.1f</td>", score->macro);
    add_numbers(page, &score->plain);
    if (evaluation->scaled_on != NULL)
        dho_text_add(&page->html, "<td>%.3f</td>", evaluation->temperatures[kind]);
    else
        dho_text_add(&page->html, "<td>–</td>");
    add_numbers(page, &score->scaled);
    dho_text_add(&page->html, "</tr>\n");
}

static void add_table(dho_report_page *page)
{
    dho_report_open_table(page, "calibration");
    dho_text_add(&page->html,
                 "<tr><th>run</th><th class=\"left\">set</th><th class=\"left\">prediction</th>"
                 "<th>macro top-1, %%</th><th>ECE, %%</th><th>adaptive</th><th>NLL</th>"
                 "<th>Brier</th><th>T</th><th>ECE, %%</th><th>adaptive</th><th>NLL</th>"
                 "<th>Brier</th></tr>\n");
    for (size_t r = 0; r < page->run_count; r++)
        for (size_t s = 0; s < page->runs[r].set_count; s++)
            for (int k = 0; k < DHO_SCORE_EXACT; k++)
                if (page->runs[r].sets[s].record->scores[k].present)
                    add_row(page, r, page->runs[r].sets[s].record, k);
    dho_report_close_table(page);
    dho_report_add_missing(
        page, "ECE: expected calibration error over 15 bins of equal width (Guo et al. 2017); "
              "adaptive: over 15 bins with equally many images. Behind T: the same at the "
              "temperature that has the least NLL on the set on which α and β were chosen; there "
              "its numbers are flattered. Macro top-1: the mean recall of the classes. – : "
              "<code>dho eval RUN --stored</code> adds what an older eval.json does not have.");
}

dho_status dho_report_add_calibration(dho_report_page *page)
{
    const char *names[DHO_REPORT_MAX_SETS];
    const size_t count = dho_report_set_names(page, names);
    dho_figure figure = {.id = "calibration",
                         .title = "Reliability of the combined prediction",
                         .legend = page->legend,
                         .legend_count = page->run_count};
    if (count == 0) {
        dho_report_add_missing(page, "No run was evaluated.");
        return page->html.status;
    }
    dho_status status = DHO_OK;
    for (size_t s = 0; s < count && status == DHO_OK; s++) {
        add_panel(page, &figure, names[s], false);
        add_panel(page, &figure, names[s], true);
        status = add_shares(page, &figure, names[s]);
    }
    if (status != DHO_OK) {
        dho_figure_free(&figure);
        return status;
    }
    dho_text_add(&figure.caption,
                 "Of the images that are predicted with probability p, the share that is right: on "
                 "the diagonal a probability is true, below it the student is too sure. Points: 15 "
                 "bins of equal width, with Wilson's 95 %% interval.");
    DHO_TRY(dho_report_add_figure(page, &figure));
    add_table(page);
    return page->html.status;
}
