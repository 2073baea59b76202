/* A report of one or several runs: one HTML page that needs nothing else. Local. For src/cli. */
#ifndef DHO_REPORT_REPORT_H
#define DHO_REPORT_REPORT_H

#include "dho/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DHO_REPORT_MAX_RUNS = 64, DHO_REPORT_MAX_SAMPLES = 24 };

typedef struct dho_report_options {
    const char *const *runs; /* borrowed: folders of runs */
    size_t run_count;        /* 1 .. DHO_REPORT_MAX_RUNS */
    const char *out;         /* the page, replaced atomically */
    const char *svg_folder;  /* NULL, or where each figure goes as a file; made if need be */
    size_t samples;          /* thumbnails a group, 0 .. DHO_REPORT_MAX_SAMPLES */
    int threads;
} dho_report_options;

/* Writes the page (docs/report.md). The same runs give the same bytes. What a run does not have
 * is named on the page and is no error.
 * Errors: DHO_ERR_CONFIG (a folder that is not there or is no run), DHO_ERR_IO, DHO_ERR_MEMORY. */
dho_status dho_report_write(const dho_report_options *options);

#ifdef __cplusplus
}
#endif

#endif
