/* What is shown of the runs. Private to tools/watch. */
#ifndef DHO_WATCH_WATCH_VIEW_H
#define DHO_WATCH_WATCH_VIEW_H

#include "watch/watch_page.h"
#include "watch/watch_run.h"

/* Appends the view to the page: a panel a run, or a line a run where so many panels do not fit into
 * `height` lines (0: all there is). */
void dho_watch_draw(dho_page *page, const dho_watch_run *runs, size_t count, int height);

/* watch_panel.c: one run in at most `height` lines, from DHO_PANEL_LEAST on (0: all there is). */
enum { DHO_PANEL_LEAST = 5 };
void dho_watch_draw_panel(dho_page *page, const dho_watch_run *run, int height);

/* The metric's curve in one line of so many columns. */
void dho_watch_draw_curve(dho_page *page, const dho_watch_run *run, dho_metric metric, int columns);
/* The style of a state. */
dho_style dho_watch_state_style(dho_watch_state state);
/* "3:12", "3 days". */
void dho_watch_duration(double seconds, char out[32]);

#endif
