/* Charts as SVG: a panel is one plot, a figure some panels with one legend. Private to src
 * and tools.
 *
 * Colours and dashes are classes of dho_style_svg (s0 .. s7, d0 .. d7), so that one drawing serves
 * light and dark. A panel is drawn 360 units wide, as wide as a phone shows it at its own size.
 * Texts given here are escaped here. */
#ifndef DHO_REPORT_REPORT_CHART_H
#define DHO_REPORT_REPORT_CHART_H

#include "report/report_scale.h"
#include "report/report_text.h"

enum { DHO_PANEL_WIDTH = 360, DHO_MAX_PANELS = 128, DHO_SERIES_STYLES = 8 };
/* Columns of a name that a panel is wide enough for. */
enum { DHO_PANEL_COLUMNS = 48 };

typedef struct dho_panel {
    dho_text body, title, short_title; /* owned; the titles are escaped; short: fits the width */
    double height;
} dho_panel;

typedef struct dho_legend_entry {
    const char *name; /* borrowed */
    int style;        /* colour and dash of a run; -1: text colour */
    char marker;      /* 'l' line, 'o' dot, 's' square, 'd' diamond */
} dho_legend_entry;

typedef struct dho_figure {
    const char *id;    /* borrowed: the file's name without .svg, [a-z0-9-] */
    const char *title; /* borrowed; escaped when written */
    dho_text caption;  /* owned: HTML */
    dho_panel *panels; /* owned, [DHO_MAX_PANELS] at most */
    size_t panel_count;
    const dho_legend_entry *legend; /* borrowed */
    size_t legend_count;
    dho_status status; /* of adding panels */
} dho_figure;

void dho_figure_free(dho_figure *figure);
/* A fresh panel of a height; NULL after a failure, or when there are too many. */
dho_panel *dho_figure_add(dho_figure *figure, const char *title, double height);
/* The first failure of any part. */
dho_status dho_figure_status(const dho_figure *figure);

/* As an HTML <figure>; nothing without panels. */
void dho_figure_write_html(const dho_figure *figure, dho_text *out);
/* As a file of its own. */
void dho_figure_write_svg(const dho_figure *figure, dho_text *out);

/* Points of one run. */
typedef struct dho_series {
    const double *x; /* borrowed, [count], ascending */
    const double *y; /* borrowed, [count] at every `stride`; NaN: a gap */
    size_t count, stride;
    int style;
} dho_series;

typedef struct dho_line_chart {
    const char *title, *x_label;
    const dho_series *series;
    size_t series_count;
    bool smooth;      /* the curve is a moving mean, the points behind it pale */
    bool log;         /* a log axis (if all values are positive) */
    bool log_if_wide; /* the same when they differ by more than 30 times */
    bool from_zero;   /* the y axis starts at 0 */
    double low, high; /* of the y axis; equal: from the values */
    double reference; /* a thin line across, always inside; NaN: none */
    double height;    /* 0: 220 */
    size_t y_ticks;   /* 0: 4 */
} dho_line_chart;

/* Adds the chart as a panel; nothing when no series has a finite point. */
void dho_chart_lines(dho_figure *figure, const dho_line_chart *chart);

/* A moving mean over the neighbours at most `reach` away, gaps left out: out[count]. */
void dho_smooth(const dho_series *series, size_t reach, double *out);

/* Text at a place; anchor: "start", "middle" or "end"; css: further classes. */
void dho_panel_text(dho_panel *panel, double x, double y, const char *anchor, const char *css,
                    const char *value);
void dho_panel_line(dho_panel *panel, double x1, double y1, double x2, double y2, const char *css);
/* A marker ('o', 's', 'd') of a style. */
void dho_panel_marker(dho_panel *panel, double x, double y, char marker, int style);

/* Intervals in rows, above one axis at the panel's end. */
enum { DHO_INTERVAL_BOTTOM = 34 }; /* what the axis needs */
typedef struct dho_interval_plot {
    dho_panel *panel;
    dho_scale scale;
    double left, right; /* margins */
} dho_interval_plot;

/* zero: css of the line at 0. */
void dho_interval_axis(const dho_interval_plot *plot, const char *zero, const char *label);
/* A line from low to high, and a marker. */
void dho_interval_draw(const dho_interval_plot *plot, double low, double value, double high,
                       double y, char marker, int style);

#endif
