/* Line charts over steps. */
#include "report/report_chart.h"

#include "base/compare.h"
#include "dho/alloc.h"
#include "report/report_style.h"

#include <math.h>
#include <stdio.h>

/* The plot inside of a panel. */
static const double left = 46, right = 12, bottom = 34, top_room = 6;
/* More points than this cannot be seen in 300 units: each bucket keeps its least and greatest. */
enum { MOST_POINTS = 600 };

typedef struct plot_area {
    dho_panel *panel;
    dho_scale x, y;
    double height;
} plot_area;

static double place_x(const plot_area *plot, double x)
{
    return left + dho_scale_place(&plot->x, x) * (DHO_PANEL_WIDTH - left - right);
}

/* Values beyond a fixed axis stay at its edge. */
static double place_y(const plot_area *plot, double y)
{
    const double at = fmin(fmax(dho_scale_place(&plot->y, y), 0), 1);
    return top_room + (1 - at) * (plot->height - top_room - bottom);
}

void dho_smooth(const dho_series *series, size_t reach, double *out)
{
    double sum = 0;
    size_t begin = 0, end = 0, finite = 0;
    for (size_t i = 0; i < series->count; i++) {
        const size_t from = i > reach ? i - reach : 0;
        const size_t to = i + reach + 1 < series->count ? i + reach + 1 : series->count;
        for (; end < to; end++) {
            const double y = series->y[end * series->stride];
            if (isfinite(y)) sum += y, finite++;
        }
        for (; begin < from; begin++) {
            const double y = series->y[begin * series->stride];
            if (isfinite(y)) sum -= y, finite--;
        }
        if (finite == 0) sum = 0; /* no rest of what has cancelled */
        out[i] = isfinite(series->y[i * series->stride]) ? sum / (double)finite : NAN;
    }
}

/* Pieces between gaps, as one path; a lone point becomes a short line. */
static void add_path(const plot_area *plot, const dho_series *series, const char *css)
{
    dho_text *body = &plot->panel->body;
    bool open = false;
    const size_t step = series->count > MOST_POINTS ? series->count / (MOST_POINTS / 2) : 1;
    dho_text_add(body, "<path class=\"%s\" d=\"", css);
    for (size_t i = 0; i < series->count; i += step) {
        size_t least = i, most = i;
        bool gap = true;
        for (size_t k = i; k < i + step && k < series->count; k++) {
            const double y = series->y[k * series->stride];
            if (!isfinite(y)) continue;
            if (gap || y < series->y[least * series->stride]) least = k;
            if (gap || y > series->y[most * series->stride]) most = k;
            gap = false;
        }
        if (gap) {
            open = false;
            continue;
        }
        const size_t order[2] = {least < most ? least : most, least < most ? most : least};
        for (int k = 0; k < 1 + (least != most); k++) {
            dho_text_add(body, "%s%.1f %.1f", open ? "L" : "M", place_x(plot, series->x[order[k]]),
                         place_y(plot, series->y[order[k] * series->stride]));
            if (!open) dho_text_add(body, "h.1");
            open = true;
        }
    }
    dho_text_add(body, "\"/>");
}

/* The only finite point of a series, or NULL: a curve of one point would hardly be seen. */
static const double *lone_point(const dho_series *series, double *x)
{
    const double *found = NULL;
    for (size_t i = 0; i < series->count; i++) {
        const double *y = &series->y[i * series->stride];
        if (!isfinite(*y)) continue;
        if (found != NULL) return NULL;
        found = y;
        *x = series->x[i];
    }
    return found;
}

static void add_series(const plot_area *plot, const dho_series *series, bool smooth)
{
    char css[48], raw[32];
    const int colour = series->style % DHO_SERIES_STYLES, dash = dho_style_dash(series->style);
    const size_t reach = series->count / 40;
    dho_text *body = &plot->panel->body;
    double *mean, x;
    const double *lone = lone_point(series, &x);
    if (lone != NULL) {
        dho_panel_marker(plot->panel, place_x(plot, x), place_y(plot, *lone), 'o', series->style);
        return;
    }
    snprintf(css, sizeof css, "curve s%d d%d", colour, dash);
    if (!smooth || reach == 0) {
        add_path(plot, series, css);
        return;
    }
    const dho_status status = dho_alloc(&mean, series->count, sizeof *mean, "moving mean");
    if (status != DHO_OK) {
        body->status = status;
        return;
    }
    snprintf(raw, sizeof raw, "raw s%d", colour);
    add_path(plot, series, raw);
    dho_smooth(series, reach, mean);
    const dho_series means = {.x = series->x, .y = mean, .count = series->count, .stride = 1};
    add_path(plot, &means, css);
    dho_free(mean);
}

static void add_axes(const plot_area *plot, const char *x_label)
{
    char word[32];
    const double base = plot->height - bottom;
    for (size_t i = 0; i < plot->y.tick_count; i++) {
        const double y = place_y(plot, plot->y.ticks[i]);
        dho_panel_line(plot->panel, left, y, DHO_PANEL_WIDTH - right, y, "grid");
        dho_scale_word(&plot->y, i, word, sizeof word);
        dho_panel_text(plot->panel, left - 6, y + 4, "end", "num", word);
    }
    dho_panel_line(plot->panel, left, base, DHO_PANEL_WIDTH - right, base, "axis");
    for (size_t i = 0; i < plot->x.tick_count; i++) {
        const double x = place_x(plot, plot->x.ticks[i]);
        dho_panel_line(plot->panel, x, base, x, base + 4, "axis");
        dho_scale_word(&plot->x, i, word, sizeof word);
        /* The last tick at the very edge would be cut off. */
        const char *anchor = x > DHO_PANEL_WIDTH - right - 6 ? "end" : "middle";
        dho_panel_text(plot->panel, x > DHO_PANEL_WIDTH - right - 6 ? DHO_PANEL_WIDTH - 2 : x,
                       base + 16, anchor, "num", word);
    }
    dho_panel_text(plot->panel, left + (DHO_PANEL_WIDTH - left - right) / 2, base + 30, "middle",
                   "", x_label);
}

typedef struct value_range {
    double low_x, high_x, low, high;
} value_range;

static value_range extent_of(const dho_line_chart *chart)
{
    value_range found = {INFINITY, -INFINITY, INFINITY, -INFINITY};
    for (size_t s = 0; s < chart->series_count; s++)
        for (size_t i = 0; i < chart->series[s].count; i++) {
            const dho_series *series = &chart->series[s];
            const double y = series->y[i * series->stride];
            if (!isfinite(y) || !isfinite(series->x[i])) continue;
            found.low_x = dho_smaller(found.low_x, series->x[i]);
            found.high_x = dho_larger(found.high_x, series->x[i]);
            found.low = dho_smaller(found.low, y);
            found.high = dho_larger(found.high, y);
        }
    return found;
}

/* A curve that ends at 250 should end at the edge: the axis is the data's, its ticks are inside. */
static dho_scale step_scale(const value_range *extent)
{
    const double low = extent->low_x <= 0.1 * extent->high_x ? 0 : extent->low_x;
    return dho_scale_fixed(low, extent->high_x, 6);
}

void dho_chart_lines(dho_figure *figure, const dho_line_chart *chart)
{
    value_range extent = extent_of(chart);
    char title[128];
    if (!(extent.low <= extent.high)) return;
    if (isfinite(chart->reference)) {
        extent.low = dho_smaller(extent.low, chart->reference);
        extent.high = dho_larger(extent.high, chart->reference);
    }
    const double height = chart->height > 0 ? chart->height : 220;
    const bool log = chart->log || (chart->log_if_wide && extent.high > 30 * extent.low);
    const size_t ticks = chart->y_ticks > 0 ? chart->y_ticks : 4;
    plot_area plot = {.height = height, .x = step_scale(&extent)};
    if (chart->low < chart->high)
        plot.y = dho_scale_fixed(chart->low, chart->high, ticks);
    else
        plot.y = dho_scale_create(chart->from_zero ? fmin(0, extent.low) : extent.low, extent.high,
                                  ticks, log && extent.low > 0);
    snprintf(title, sizeof title, "%s%s", chart->title, plot.y.log ? " (log scale)" : "");
    plot.panel = dho_figure_add(figure, title, height);
    if (plot.panel == NULL) return;
    add_axes(&plot, chart->x_label);
    if (isfinite(chart->reference))
        dho_panel_line(plot.panel, left, place_y(&plot, chart->reference), DHO_PANEL_WIDTH - right,
                       place_y(&plot, chart->reference), "ref");
    for (size_t s = 0; s < chart->series_count; s++)
        add_series(&plot, &chart->series[s], chart->smooth);
}

static double interval_x(const dho_interval_plot *plot, double value)
{
    return plot->left +
           dho_scale_place(&plot->scale, value) * (DHO_PANEL_WIDTH - plot->left - plot->right);
}

void dho_interval_axis(const dho_interval_plot *plot, const char *zero, const char *label)
{
    char word[32];
    const dho_scale *scale = &plot->scale;
    const double base = plot->panel->height - DHO_INTERVAL_BOTTOM;
    for (size_t i = 0; i < scale->tick_count; i++) {
        const double x = interval_x(plot, scale->ticks[i]);
        dho_panel_line(plot->panel, x, 0, x, base, scale->ticks[i] == 0 ? zero : "grid");
        dho_scale_word(scale, i, word, sizeof word);
        dho_panel_text(plot->panel, x, base + 14, "middle", "num", word);
    }
    dho_panel_line(plot->panel, plot->left, base, DHO_PANEL_WIDTH - plot->right, base, "axis");
    dho_panel_text(plot->panel, plot->left + (DHO_PANEL_WIDTH - plot->left - plot->right) / 2,
                   base + 29, "middle", "", label);
}

void dho_interval_draw(const dho_interval_plot *plot, double low, double value, double high,
                       double y, char marker, int style)
{
    char css[32];
    snprintf(css, sizeof css, "whisker s%d", style % DHO_SERIES_STYLES);
    dho_panel_line(plot->panel, interval_x(plot, low), y, interval_x(plot, high), y, css);
    dho_panel_marker(plot->panel, interval_x(plot, value), y, marker, style);
}
