/* Image by image: each run against the first, on the images that both were evaluated on. */
#include "base/compare.h"
#include "dho/paired.h"
#include "report/report_page.h"

static const double row = 34;

/* Compares run r with the first on a set; false where that cannot be. */
static bool compare(const dho_report_page *page, const char *name, size_t r, dho_paired *out)
{
    const dho_set_detail *a = dho_report_run_detail(&page->runs[0], name),
                         *b = dho_report_run_detail(&page->runs[r], name);
    if (a == NULL || b == NULL || a->count == 0 || !dho_hits_are_paired(&a->hits, &b->hits))
        return false;
    *out = dho_paired_compare(&a->hits, &b->hits);
    return true;
}

/* One set: a line for each run that can be compared. */
static void add_panel(const dho_report_page *page, dho_figure *figure, const char *name)
{
    dho_paired pair;
    double low = 0, high = 0, y = 14;
    size_t rows = 0;
    for (size_t r = 1; r < page->run_count; r++) {
        if (!compare(page, name, r, &pair)) continue;
        low = dho_smaller(low, 100 * pair.low);
        high = dho_larger(high, 100 * pair.high);
        rows++;
    }
    if (rows == 0) return;
    dho_panel *panel = dho_figure_add(figure, name, (double)rows * row + DHO_INTERVAL_BOTTOM);
    if (panel == NULL) return;
    const dho_interval_plot plot = {panel, dho_scale_create(low, high, 4, false), 12, 12};
    dho_interval_axis(&plot, "axis", "points of top-1 against the first run (line: 95 %)");
    for (size_t r = 1; r < page->run_count; r++) {
        if (!compare(page, name, r, &pair)) continue;
        dho_text_add(&panel->body, "<text x=\"4\" y=\"%.1f\" class=\"name\">", y);
        dho_text_escape_cut(&panel->body, page->runs[r].name, DHO_PANEL_COLUMNS);
        dho_text_add(&panel->body, "</text>");
        dho_interval_draw(&plot, 100 * pair.low, 100 * pair.difference, 100 * pair.high, y + 10,
                          'o', (int)r);
        y += row;
    }
}

static void add_row(dho_report_page *page, const char *name, size_t r)
{
    dho_paired pair;
    dho_text_add(&page->html, "<tr><td>");
    dho_report_add_run_name(page, r);
    dho_text_add(&page->html, "</td><td class=\"left\">");
    dho_text_escape(&page->html, name);
    dho_text_add(&page->html, "</td>");
    if (!compare(page, name, r, &pair)) {
        dho_text_add(&page->html, "<td class=\"left\" colspan=\"5\">no stored outputs of the same "
                                  "images</td></tr>\n");
        return;
    }
    dho_text_add(&page->html,
                 "<td>%lld</td><td>%lld</td><td>%lld</td><td>%+.2f [%+.2f %+.2f]</td>"
                 "<td>%.2g</td></tr>\n",
                 (long long)pair.images, (long long)pair.only_b, (long long)pair.only_a,
                 100 * pair.difference, 100 * pair.low, 100 * pair.high, pair.p);
}

dho_status dho_report_add_paired(dho_report_page *page)
{
    const char *names[DHO_REPORT_MAX_SETS];
    const size_t count = dho_report_set_names(page, names);
    dho_figure figure = {.id = "paired", .title = "Difference of top-1 against the first run"};
    for (size_t s = 0; s < count && page->run_count > 1; s++) add_panel(page, &figure, names[s]);
    if (figure.panel_count == 0) return dho_report_add_figure(page, &figure);
    dho_text_add(&page->html, "<h3>Image by image against ");
    dho_report_add_run_name(page, 0);
    dho_text_add(&page->html, "</h3>\n");
    dho_text_add(
        &figure.caption,
        "Top-1 of the combined prediction less that of the first run on the same images. A "
        "line that does not reach 0 tells the two students apart. It says nothing about "
        "other seeds.");
    DHO_TRY(dho_report_add_figure(page, &figure));
    dho_report_open_table(page, "each run against the first, image by image");
    dho_text_add(&page->html,
                 "<tr><th>run</th><th class=\"left\">set</th><th>images</th><th>only this "
                 "run right</th><th>only the first right</th><th>difference, points "
                 "[95 %%]</th><th>p</th></tr>\n");
    for (size_t r = 1; r < page->run_count; r++)
        for (size_t s = 0; s < count; s++) add_row(page, names[s], r);
    dho_report_close_table(page);
    dho_report_add_missing(page,
                           "p: McNemar's exact test, two-sided, not corrected for the number of "
                           "runs. Interval: Bonett and Price 2012.");
    return page->html.status;
}
