/* One run: how far it is, how fast, how good, and its curves. */
#include "base/clock.h"
#include "watch/watch_chart.h"
#include "watch/watch_view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    HEAD_LINES = 3,
    NAME_COLUMNS = 18, /* "feature_unlabelled" */
    VALUE_COLUMNS = 10,
    LABEL_COLUMNS = NAME_COLUMNS + 1 + VALUE_COLUMNS + 1,
    LEAST_BAR = 10,
    MOST_BAR = 40,
    MOST_ROWS = 3,       /* of a curve */
    MOST_FIRST_ROWS = 12 /* of the first */
};

/* Of these first, where there is no room for all curves. */
static const dho_metric preferred[] = {DHO_METRIC_LOSS, DHO_METRIC_EVAL_TOP1, DHO_METRIC_ACCURACY,
                                       DHO_METRIC_IMAGES_PER_SECOND};
enum { PREFERRED = sizeof preferred / sizeof *preferred };

void dho_watch_duration(double seconds, char out[32])
{
    const double day = 24 * 3600;
    if (seconds < 2 * day)
        dho_format_duration(seconds, out, 32);
    else
        snprintf(out, 32, "%.0f days", floor(seconds / day));
}

dho_style dho_watch_state_style(dho_watch_state state)
{
    switch (state) {
    case DHO_WATCH_STALLED:
        return DHO_STYLE_RED;
    case DHO_WATCH_STOPPED:
        return DHO_STYLE_YELLOW;
    default:
        return DHO_STYLE_GREEN;
    }
}

/* The line about the speed is two then. */
static bool is_narrow(const dho_page *page)
{
    return page->width < 64;
}

static void put_title(dho_page *page, const dho_watch_run *run)
{
    char silent[32];
    const int most = page->width > 60 ? page->width - 40 : page->width / 2;
    const dho_style style = dho_watch_state_style(run->state);
    dho_page_put_name(page, DHO_STYLE_BOLD, run->path, most);
    dho_page_put(page, style, "  %s", dho_watch_state_names[run->state]);
    dho_watch_duration(run->silent, silent);
    if (run->state == DHO_WATCH_STALLED)
        dho_page_put(page, style, ": no new line for %s", silent);
    else if (run->state == DHO_WATCH_STOPPED || run->state == DHO_WATCH_FINISHED)
        dho_page_put(page, style, " %s ago", silent);
    if (run->sessions.count > 0) {
        const dho_session *session = &run->sessions.items[run->sessions.count - 1];
        if (session->host != NULL && session->ranks >= 1)
            dho_page_put(page, DHO_STYLE_FAINT, "  %.0f rank%s, %s", session->ranks,
                         session->ranks == 1 ? "" : "s", session->host);
    }
    dho_page_end_line(page);
}

static void put_many(dho_page *page, dho_style style, const char *glyph, int count)
{
    char text[4 * MOST_BAR + 1] = "";
    size_t used = 0;
    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", glyph);
    dho_page_put(page, style, "%s", text);
}

static void put_progress(dho_page *page, const dho_watch_run *run)
{
    char left[32];
    const double epoch = dho_watch_run_last(run, DHO_METRIC_EPOCH);
    if (run->total_steps > 0) {
        const double share = fmin(run->step / run->total_steps, 1);
        const int quarter = page->width / 4;
        const int width = quarter < LEAST_BAR ? LEAST_BAR : quarter > MOST_BAR ? MOST_BAR : quarter;
        const int done = (int)floor(share * width);
        put_many(page, DHO_STYLE_BLUE, page->utf8 ? "█" : "#", done);
        put_many(page, DHO_STYLE_FAINT, page->utf8 ? "░" : ".", width - done);
        dho_page_put(page, DHO_STYLE_PLAIN, " %.0f %%", floor(100 * share));
        if (!isnan(run->left) && run->state != DHO_WATCH_FINISHED) {
            dho_watch_duration(run->left, left);
            dho_page_put(page, DHO_STYLE_BOLD, "  %s left", left);
        }
        dho_page_put(page, DHO_STYLE_PLAIN, "  step %.0f of %.0f", run->step, run->total_steps);
    } else {
        dho_page_put(page, DHO_STYLE_PLAIN, "step %.0f", run->step);
    }
    if (!isnan(epoch)) dho_page_put(page, DHO_STYLE_PLAIN, "  epoch %.2f", epoch);
    dho_page_end_line(page);
}

static void put_speed(dho_page *page, const dho_watch_run *run)
{
    const double images = dho_watch_run_last(run, DHO_METRIC_IMAGES_PER_SECOND);
    const double step = dho_watch_run_last(run, DHO_METRIC_STEP_SECONDS);
    const double data = dho_watch_run_last(run, DHO_METRIC_DATA_SECONDS);
    const double comm = dho_watch_run_last(run, DHO_METRIC_COMM_SECONDS);
    if (!isnan(images)) dho_page_put(page, DHO_STYLE_PLAIN, "%.1f images/s", images);
    if (step > 0) dho_page_put(page, DHO_STYLE_PLAIN, "  %.3g s a step: ", step);
    if (run->metrics.training.count == 0) dho_page_put(page, DHO_STYLE_FAINT, "no metrics yet");
    if (is_narrow(page)) dho_page_end_line(page);
    if (step > 0 && !isnan(data))
        dho_page_put(page, DHO_STYLE_PLAIN, "%.0f %% data wait", 100 * data / step);
    if (step > 0 && !isnan(comm))
        dho_page_put(page, DHO_STYLE_PLAIN, ", %.0f %% communication", 100 * comm / step);
    dho_page_end_line(page);
}

static void put_set(dho_page *page, const dho_watch_run *run, const dho_evaluated_set *set)
{
    const dho_score *all = &set->scores[DHO_SCORE_COMBINED];
    const dho_score *ce = &set->scores[DHO_SCORE_CE_HEAD], *kd = &set->scores[DHO_SCORE_KD_HEAD];
    dho_page_put_name(page, DHO_STYLE_PLAIN, set->name, NAME_COLUMNS);
    dho_page_pad(page, NAME_COLUMNS);
    dho_page_put(page, DHO_STYLE_BOLD, " %6.2f %%", all->top1);
    dho_page_put(page, DHO_STYLE_PLAIN, " [%.2f %.2f]", all->low, all->high);
    if (ce->present && kd->present)
        dho_page_put(page, DHO_STYLE_PLAIN, "  CE head %.2f %%, KD head %.2f %%", ce->top1,
                     kd->top1);
    dho_page_put(page, DHO_STYLE_FAINT, "  dho eval, step %lld", (long long)run->evaluation.step);
    dho_page_end_line(page);
}

static dho_curve curve_of(const dho_watch_run *run, dho_metric metric)
{
    const dho_columns *lines = dho_watch_run_lines(run, metric);
    return (dho_curve){.x = lines->steps,
                       .y = lines->count > 0 ? lines->values + metric : NULL,
                       .count = lines->count,
                       .stride = lines->width,
                       .log_if_wide = dho_metric_table[metric].log_if_wide,
                       .from_zero = dho_metric_table[metric].from_zero};
}

/* A column is shown when it has a number other than 0 (a run of method ce has no KL). */
static bool is_shown(const dho_watch_run *run, dho_metric metric)
{
    const dho_curve curve = curve_of(run, metric);
    if (dho_metric_table[metric].chart == DHO_CHART_NONE) return false;
    for (size_t i = 0; i < curve.count; i++) {
        const double y = curve.y[i * curve.stride];
        if (isfinite(y) && y != 0) return true;
    }
    return false;
}

void dho_watch_draw_curve(dho_page *page, const dho_watch_run *run, dho_metric metric, int columns)
{
    const dho_curve curve = curve_of(run, metric);
    const dho_chart chart = dho_chart_create(&curve, columns, 1);
    dho_chart_put_row(&chart, 0, page, DHO_STYLE_BLUE);
}

static void put_curve(dho_page *page, const dho_watch_run *run, dho_metric metric, int rows)
{
    char value[32];
    const dho_curve curve = curve_of(run, metric);
    const dho_chart chart = dho_chart_create(&curve, page->width - LABEL_COLUMNS, rows);
    for (int row = 0; row < rows; row++) {
        if (row == 0) {
            dho_page_put(page, DHO_STYLE_PLAIN, "%s", dho_metric_table[metric].name);
            snprintf(value, sizeof value, "%.5g", dho_watch_run_last(run, metric));
            dho_page_pad(page, LABEL_COLUMNS - 1 - (int)strlen(value));
            dho_page_put(page, DHO_STYLE_BOLD, "%s", value);
        } else if (row == rows - 1 && !isnan(chart.low)) {
            dho_page_put(page, DHO_STYLE_FAINT, "  %.5g to %.5g", chart.low, chart.high);
        }
        dho_page_pad(page, LABEL_COLUMNS);
        if (chart.columns > 0) dho_chart_put_row(&chart, row, page, DHO_STYLE_BLUE);
        dho_page_end_line(page);
    }
}

/* Rows of each curve in `room` lines; 0: not shown. */
static void share_rows(const dho_watch_run *run, int room, int rows[DHO_METRIC_COUNT])
{
    int shown = 0, first = -1;
    memset(rows, 0, DHO_METRIC_COUNT * sizeof *rows);
    for (int i = 0; i < PREFERRED + DHO_METRIC_COUNT && shown < room; i++) {
        const int m = i < PREFERRED ? (int)preferred[i] : i - PREFERRED;
        if (rows[m] > 0 || !is_shown(run, (dho_metric)m)) continue;
        rows[m] = 1;
        shown++;
    }
    if (shown == 0) return;
    const int each = room / shown < MOST_ROWS ? room / shown : MOST_ROWS;
    for (int m = 0; m < DHO_METRIC_COUNT; m++) {
        if (rows[m] > 0 && first < 0) first = m;
        rows[m] *= each;
    }
    const int rest = rows[first] + room - each * shown;
    rows[first] = rest < MOST_FIRST_ROWS ? rest : MOST_FIRST_ROWS;
}

void dho_watch_draw_panel(dho_page *page, const dho_watch_run *run, int height)
{
    const size_t sets = run->evaluated ? run->evaluation.set_count : 0;
    int rows[DHO_METRIC_COUNT], room = height - HEAD_LINES - is_narrow(page);
    size_t most = height > 0 ? (size_t)(room > 3 ? room / 3 : 1) : sets;
    if (most > sets) most = sets;
    put_title(page, run);
    put_progress(page, run);
    put_speed(page, run);
    for (size_t s = 0; s < most; s++) put_set(page, run, &run->evaluation.sets[s]);
    room -= (int)most;
    if (height > 0) {
        share_rows(run, room, rows);
    } else {
        for (int m = 0; m < DHO_METRIC_COUNT; m++) rows[m] = is_shown(run, (dho_metric)m);
    }
    for (int m = 0; m < DHO_METRIC_COUNT; m++)
        if (rows[m] > 0) put_curve(page, run, (dho_metric)m, rows[m]);
}
