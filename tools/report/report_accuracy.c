/* Accuracy of each set: intervals side by side, and the numbers. */
#include "base/compare.h"
#include "report/report_page.h"

#include <math.h>
#include <stdio.h>

static const dho_legend_entry markers[] = {{"combined prediction", -1, 'o'},
                                           {"CE head alone (α = 1)", -1, 's'},
                                           {"KD head alone (α = 0, β = 1)", -1, 'd'}};

static const double row = 16, gap = 8;
enum { NAME_COLUMNS = 18 };

/* Where the axis begins: beside short names, below long ones. */
static double axis_left(const dho_report_page *page)
{
    for (size_t r = 0; r < page->run_count; r++)
        if (dho_text_columns(page->runs[r].name) > NAME_COLUMNS) return 12;
    return 128;
}

/* The scores that are shown, in the order of `markers`. */
static const dho_score_kind shown[3] = {DHO_SCORE_COMBINED, DHO_SCORE_CE_HEAD, DHO_SCORE_KD_HEAD};

static const dho_evaluated_set *set_of(const dho_report_run *run, const char *name)
{
    const size_t s = dho_report_run_find_set(run, name);
    return s < run->set_count ? run->sets[s].record : NULL;
}

/* The ends of all intervals, and the height that their rows need. */
static bool measure(const dho_report_page *page, const char *name, double name_row, double *low,
                    double *high, double *height)
{
    *low = INFINITY;
    *high = -INFINITY;
    *height = DHO_INTERVAL_BOTTOM;
    for (size_t r = 0; r < page->run_count; r++) {
        const dho_evaluated_set *set = set_of(&page->runs[r], name);
        double rows = 0;
        for (int i = 0; set != NULL && i < 3; i++) {
            const dho_score *score = &set->scores[shown[i]];
            if (!score->present) continue;
            *low = dho_smaller(*low, score->low);
            *high = dho_larger(*high, score->high);
            rows++;
        }
        if (rows > 0) *height += rows * row + gap + name_row;
    }
    return *low <= *high;
}

static void draw_score(const dho_interval_plot *plot, const dho_score *score, int i, int style,
                       double y)
{
    char word[16];
    dho_interval_draw(plot, score->low, score->top1, score->high, y, "osd"[i], style);
    snprintf(word, sizeof word, "%.1f", score->top1);
    dho_panel_text(plot->panel, DHO_PANEL_WIDTH - 4, y + 4, "end", i == 0 ? "num name" : "num",
                   word);
}

static void add_panel(const dho_report_page *page, dho_figure *figure, const char *name)
{
    const double left = axis_left(page);
    const bool above = left < 100;
    double low, high, height, y = gap;
    if (!measure(page, name, above ? row : 0, &low, &high, &height)) return;
    dho_panel *panel = dho_figure_add(figure, name, height);
    if (panel == NULL) return;
    const dho_interval_plot plot = {panel, dho_scale_create(low, high, 4, false), left, 46};
    dho_interval_axis(&plot, "grid", "top-1, % (line: 95 % interval)");
    for (size_t r = 0; r < page->run_count; r++) {
        const dho_evaluated_set *set = set_of(&page->runs[r], name);
        bool first = true;
        for (int i = 0; set != NULL && i < 3; i++) {
            const dho_score *score = &set->scores[shown[i]];
            if (!score->present) continue;
            if (first) {
                dho_text_add(&panel->body, "<text x=\"4\" y=\"%.1f\" class=\"name\">", y + 4);
                dho_text_escape_cut(&panel->body, page->runs[r].name,
                                    above ? DHO_PANEL_COLUMNS : NAME_COLUMNS);
                dho_text_add(&panel->body, "</text>");
                if (above) y += row;
            }
            first = false;
            draw_score(&plot, score, i, (int)r, y);
            y += row;
        }
        if (!first) y += gap;
    }
}

/* `old`: of an older checkpoint. */
static void add_cell(dho_report_page *page, const dho_evaluated_set *set, bool old)
{
    const char *const names[] = {"", "CE ", "KD "};
    dho_text_add(&page->html, "<td>");
    if (set == NULL) dho_text_add(&page->html, "–");
    for (int i = 0; set != NULL && i < 3; i++) {
        const dho_score *score = &set->scores[shown[i]];
        if (!score->present) continue;
        dho_text_add(&page->html,
                     i == 0 ? "%s%s%s%.1f [%.1f %.1f]"
                            : "<br><small>%s%s%s%.1f [%.1f %.1f]</small>",
                     i == 0 && old ? "!" : "", i == 0 && set->chosen_here ? "*" : "", names[i],
                     score->top1, score->low, score->high);
    }
    if (set != NULL && set->scores[DHO_SCORE_FIXED].present)
        dho_text_add(&page->html, "<br><small>fixed %.1f [%.1f %.1f]</small>",
                     set->scores[DHO_SCORE_FIXED].top1, set->scores[DHO_SCORE_FIXED].low,
                     set->scores[DHO_SCORE_FIXED].high);
    if (set != NULL && isfinite(set->scores[DHO_SCORE_COMBINED].top5))
        dho_text_add(&page->html, "<br><small>top-5 %.1f</small>",
                     set->scores[DHO_SCORE_COMBINED].top5);
    dho_text_add(&page->html, "</td>");
}

static void add_table(dho_report_page *page, const char *const *names, size_t count)
{
    dho_report_open_table(page, "accuracy of each run on each set");
    dho_text_add(&page->html, "<tr><th>run</th><th>α</th><th>β</th>");
    for (size_t s = 0; s < count; s++) {
        long long images = 0;
        for (size_t r = 0; r < page->run_count && images == 0; r++) {
            const dho_evaluated_set *set = set_of(&page->runs[r], names[s]);
            if (set != NULL) images = (long long)set->images;
        }
        dho_text_add(&page->html, "<th>");
        dho_text_escape(&page->html, names[s]);
        dho_text_add(&page->html, "<br><small>n = %lld</small></th>", images);
    }
    dho_text_add(&page->html, "</tr>\n");
    for (size_t r = 0; r < page->run_count; r++) {
        const dho_report_run *run = &page->runs[r];
        dho_text_add(&page->html, "<tr><td>");
        dho_report_add_run_name(page, r);
        if (!run->has_evaluation) {
            dho_text_add(&page->html,
                         "</td><td>–</td><td>–</td><td colspan=\"%zu\">not evaluated</td></tr>\n",
                         count);
            continue;
        }
        if (run->age != NULL) {
            dho_text_add(&page->html, "<br><small>! ");
            dho_text_escape(&page->html, run->age);
            dho_text_add(&page->html, "</small>");
        }
        if (run->evaluation.chosen_on != NULL)
            dho_text_add(&page->html, "</td><td>%g</td><td>%g</td>", run->evaluation.alpha,
                         run->evaluation.beta);
        else
            dho_text_add(&page->html, "</td><td>–</td><td>–</td>");
        for (size_t s = 0; s < count; s++) add_cell(page, set_of(run, names[s]), run->age != NULL);
        dho_text_add(&page->html, "</tr>\n");
    }
    dho_report_close_table(page);
}

dho_status dho_report_add_accuracy(dho_report_page *page)
{
    const char *names[DHO_REPORT_MAX_SETS];
    const size_t count = dho_report_set_names(page, names);
    dho_figure figure = {.id = "accuracy",
                         .title = "Top-1 accuracy by test set",
                         .legend = markers,
                         .legend_count = 1};
    if (count == 0) {
        dho_report_add_missing(page, "No run was evaluated: <code>dho eval</code> does it.");
        return page->html.status;
    }
    for (size_t r = 0; r < page->run_count; r++)
        for (size_t s = 0; s < page->runs[r].set_count; s++)
            if (page->runs[r].sets[s].record->scores[DHO_SCORE_CE_HEAD].present)
                figure.legend_count = 3;
    for (size_t s = 0; s < count; s++) add_panel(page, &figure, names[s]);
    dho_text_add(&figure.caption,
                 "Top-1 with Wilson's 95 %% interval. Intervals that overlap do not "
                 "tell two runs apart.");
    DHO_TRY(dho_report_add_figure(page, &figure));
    add_table(page, names, count);
    dho_report_add_missing(page,
                           "Top-1 % [95 % interval] of the combined prediction, below it each "
                           "head alone, and, where α and β were chosen, at the configuration's "
                           "(fixed). * They were chosen on this very set; ! of an older "
                           "checkpoint than the run's newest.");
    return dho_report_add_paired(page);
}
