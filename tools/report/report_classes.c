/* Per-class accuracy and confusions. */
#include "dho/alloc.h"
#include "report/report_page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* How many of the worst classes are shown; sets of at most LISTED classes show all of them. */
enum { WORST = 12, LISTED = 200 };

/* One class that has images, for sorting. */
typedef struct ranked {
    int32_t label;
    int64_t total, right;
} ranked;

/* By share of hits, then the more images (the surer one) first, then by label. */
static int compare(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    const double p = (double)x->right / (double)x->total, q = (double)y->right / (double)y->total;
    if (p != q) return p < q ? -1 : 1;
    if (x->total != y->total) return x->total > y->total ? -1 : 1;
    return (x->label > y->label) - (x->label < y->label);
}

/* The classes of a set, the worst first; *out owned by the caller. */
static dho_status rank_classes(const dho_set_detail *detail, ranked **out, size_t *out_count)
{
    DHO_TRY(dho_alloc(out, (size_t)detail->classes, sizeof **out, "classes"));
    *out_count = 0;
    for (int32_t c = 0; c < detail->classes; c++)
        if (detail->counts[c].images > 0)
            (*out)[(*out_count)++] = (ranked){c, detail->counts[c].images, detail->counts[c].right};
    if (*out_count > 0) qsort(*out, *out_count, sizeof **out, compare);
    return DHO_OK;
}

/* The curve of a set over its classes, into x and y, [classes]. */
static dho_status fill_curve(const dho_set_detail *detail, double *x, double *y, size_t *out_count)
{
    ranked *classes;
    DHO_TRY(rank_classes(detail, &classes, out_count));
    for (size_t i = 0; i < *out_count; i++) {
        x[i] = (double)(i + 1);
        y[i] = 100.0 * (double)classes[i].right / (double)classes[i].total;
    }
    dho_free(classes);
    return DHO_OK;
}

/* All runs' curves of one set: a panel. */
static dho_status add_curves(const dho_report_page *page, dho_figure *figure, const char *name,
                             dho_series *series)
{
    double *memory = NULL;
    size_t floats = 0, used = 0, count = 0;
    dho_status status = DHO_OK;
    for (size_t r = 0; r < page->run_count; r++) {
        const dho_set_detail *detail = dho_report_run_detail(&page->runs[r], name);
        if (detail != NULL) floats += 2 * (size_t)detail->classes;
    }
    DHO_TRY(dho_alloc(&memory, floats, sizeof *memory, "classes"));
    for (size_t r = 0; r < page->run_count; r++) {
        const dho_set_detail *detail = dho_report_run_detail(&page->runs[r], name);
        if (detail == NULL) continue;
        double *x = memory + used, *y = x + detail->classes;
        dho_series *own = &series[count++];
        *own = (dho_series){.x = x, .y = y, .stride = 1, .style = (int)r};
        DHO_TRY_GOTO(fill_curve(detail, x, y, &own->count));
        used += 2 * (size_t)detail->classes;
    }
    char title[160];
    snprintf(title, sizeof title, "%.120s: top-1 of each class, %%", name);
    const dho_line_chart chart = {.title = title,
                                  .x_label = "classes, the worst first",
                                  .series = series,
                                  .series_count = count,
                                  .low = 0,
                                  .high = 100,
                                  .reference = NAN,
                                  .height = 190,
                                  .y_ticks = 5};
    dho_chart_lines(figure, &chart);
fail:
    dho_free(memory);
    return status;
}

static void add_class(dho_report_page *page, const dho_set_detail *detail, const ranked *class)
{
    char buffer[24];
    double low, high;
    const dho_confusion *rival = &detail->worst_rival[class->label];
    const int64_t predicted = detail->counts[class->label].predicted;
    dho_wilson_interval(class->right, class->total, &low, &high);
    dho_text_add(&page->html, "<tr><td><bdi>");
    dho_text_escape(&page->html, dho_class_word(detail, class->label, buffer));
    dho_text_add(&page->html, "</bdi></td><td>%lld</td><td>%.1f [%.0f %.0f]</td><td>",
                 (long long)class->total, 100.0 * (double)class->right / (double)class->total,
                 100 * low, 100 * high);
    if (predicted > 0)
        dho_text_add(&page->html, "%.1f", 100.0 * (double)class->right / (double)predicted);
    else
        dho_text_add(&page->html, "–");
    dho_text_add(&page->html, "</td><td class=\"left\"><bdi>");
    if (rival->count > 0) {
        dho_text_escape(&page->html, dho_class_word(detail, rival->predicted, buffer));
        dho_text_add(&page->html, "</bdi> <small>%lld</small>", (long long)rival->count);
    } else {
        dho_text_add(&page->html, "–</bdi>");
    }
    dho_text_add(&page->html, "</td></tr>\n");
}

static void add_list(dho_report_page *page, const dho_set_detail *detail, const ranked *classes,
                     size_t count, const char *name)
{
    dho_report_open_table(page, name);
    dho_text_add(&page->html, "<tr><th>class</th><th>images</th><th>recall, %% [95 %%]</th>"
                              "<th>precision, %%</th><th class=\"left\">most often taken "
                              "for</th></tr>\n");
    for (size_t i = 0; i < count; i++) add_class(page, detail, &classes[i]);
    dho_report_close_table(page);
}

static dho_status add_worst(dho_report_page *page, const dho_set_detail *detail)
{
    ranked *classes;
    size_t count;
    DHO_TRY(rank_classes(detail, &classes, &count));
    dho_text_add(&page->html, "<div><h3>Worst classes</h3>");
    add_list(page, detail, classes, count < WORST ? count : WORST, "worst classes");
    if (count > WORST && count <= LISTED) {
        dho_text_add(&page->html, "<details><summary>All %zu classes</summary>\n", count);
        add_list(page, detail, classes, count, "all classes");
        dho_text_add(&page->html, "</details>\n");
    }
    dho_text_add(&page->html, "</div>\n");
    dho_free(classes);
    return page->html.status;
}

static void add_confusions(dho_report_page *page, const dho_set_detail *detail)
{
    char buffer[24];
    if (detail->confusion_count == 0) return;
    dho_text_add(&page->html, "<div><h3>Most frequent confusions</h3>");
    dho_report_open_table(page, "most frequent confusions");
    dho_text_add(
        &page->html,
        "<tr><th>is</th><th class=\"left\">taken for</th><th>images</th><th>of</th></tr>\n");
    for (size_t i = 0; i < detail->confusion_count; i++) {
        const dho_confusion *pair = &detail->confusions[i];
        dho_text_add(&page->html, "<tr><td><bdi>");
        dho_text_escape(&page->html, dho_class_word(detail, pair->label, buffer));
        dho_text_add(&page->html, "</bdi></td><td class=\"left\"><bdi>");
        dho_text_escape(&page->html, dho_class_word(detail, pair->predicted, buffer));
        dho_text_add(&page->html, "</bdi></td><td>%lld</td><td>%lld</td></tr>\n",
                     (long long)pair->count, (long long)detail->counts[pair->label].images);
    }
    dho_report_close_table(page);
    dho_text_add(&page->html, "</div>\n");
}

static dho_status add_run(dho_report_page *page, size_t r, bool open)
{
    const dho_report_run *run = &page->runs[r];
    bool first = open;
    for (size_t s = 0; s < run->set_count; s++) {
        if (!run->sets[s].has_detail) continue;
        dho_text_add(&page->html, "<details%s><summary>", first ? " open" : "");
        dho_report_add_run_name(page, r);
        dho_text_add(&page->html, " on ");
        dho_text_escape(&page->html, run->sets[s].record->name);
        dho_text_add(&page->html, "</summary>\n<div class=\"two\">\n");
        DHO_TRY(add_worst(page, &run->sets[s].detail));
        add_confusions(page, &run->sets[s].detail);
        dho_text_add(&page->html, "</div></details>\n");
        first = false;
    }
    return page->html.status;
}

dho_status dho_report_add_classes(dho_report_page *page)
{
    const char *names[DHO_REPORT_MAX_SETS];
    const size_t count = dho_report_set_names(page, names);
    dho_series *series;
    bool any = false;
    for (size_t r = 0; r < page->run_count; r++)
        for (size_t s = 0; s < page->runs[r].set_count; s++)
            any |= page->runs[r].sets[s].has_detail;
    if (!any) {
        dho_report_add_missing(page, "No run has stored head outputs.");
        return page->html.status;
    }
    dho_figure figure = {.id = "classes",
                         .title = "Accuracy of each class",
                         .legend = page->legend,
                         .legend_count = page->run_count};
    DHO_TRY(dho_alloc(&series, page->run_count, sizeof *series, "curves"));
    dho_status status = DHO_OK;
    for (size_t s = 0; s < count && status == DHO_OK; s++)
        status = add_curves(page, &figure, names[s], series);
    dho_free(series);
    if (status != DHO_OK) {
        dho_figure_free(&figure);
        return status;
    }
    dho_text_add(&figure.caption, "Top-1 %% of the combined prediction in each class, each run's "
                                  "classes sorted by themselves.");
    DHO_TRY(dho_report_add_figure(page, &figure));
    dho_report_add_missing(page,
                           "Recall: the share of the class's images that are predicted right. "
                           "Precision: the share right among the images that are predicted "
                           "as this class. All classes: "
                           "<code>RUN/eval/SET.classes.csv</code>.");
    for (size_t r = 0; r < page->run_count; r++) DHO_TRY(add_run(page, r, r == 0));
    return page->html.status;
}
