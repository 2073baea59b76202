/* The report's sections. Private to tools/report. Each writes its part of the page, and its figures
 * as files where that is asked for. */
#ifndef DHO_REPORT_REPORT_PAGE_H
#define DHO_REPORT_REPORT_PAGE_H

#include "report/report_chart.h"
#include "report/report_run.h"

typedef struct dho_report_page {
    const dho_report_run *runs; /* borrowed, [run_count] */
    size_t run_count;
    const dho_legend_entry *legend; /* borrowed, [run_count]: the runs as lines */
    const char *svg_folder;         /* borrowed; NULL: no files */
    dho_text html;                  /* owned */
} dho_report_page;

/* Writes a figure into the page and, if asked for, SVG_FOLDER/ID.svg; releases it. */
dho_status dho_report_add_figure(dho_report_page *page, dho_figure *figure);
/* A table in a box of its own that scrolls where the page is narrower: the box has a name for
 * screen readers (text of our own), and the keyboard reaches it. */
void dho_report_open_table(dho_report_page *page, const char *name);
void dho_report_close_table(dho_report_page *page);
/* "<p>text</p>" for a section with nothing to show. */
void dho_report_add_missing(dho_report_page *page, const char *html);
/* The coloured line of a run and its name. */
void dho_report_add_run_name(dho_report_page *page, size_t run);
/* The sets of all runs by name, each once: out[] borrowed from the runs, at most `most`. */
size_t dho_report_set_names(const dho_report_page *page, const char **out);
enum { DHO_REPORT_MAX_SETS = 64 };

dho_status dho_report_add_accuracy(dho_report_page *page);    /* report_accuracy.c */
dho_status dho_report_add_paired(dho_report_page *page);      /* report_paired.c */
dho_status dho_report_add_training(dho_report_page *page);    /* report_training.c */
dho_status dho_report_add_combination(dho_report_page *page); /* report_combination.c */
dho_status dho_report_add_calibration(dho_report_page *page); /* report_calibration.c */
dho_status dho_report_add_conflict(dho_report_page *page);    /* report_conflict.c */
dho_status dho_report_add_classes(dho_report_page *page);     /* report_classes.c */
dho_status dho_report_add_samples(dho_report_page *page);     /* report_samples.c */
dho_status dho_report_add_setup(dho_report_page *page);       /* report_setup.c */

#endif
