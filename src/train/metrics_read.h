/* metrics.jsonl, read as columns. Private to src and tools. Local.
 *
 * The file may be that of a run that was killed while it wrote, or hostile: lines that cannot be
 * read are counted and left out. */
#ifndef DHO_TRAIN_METRICS_READ_H
#define DHO_TRAIN_METRICS_READ_H

#include "dho/metrics.h"
#include "dho/status.h"

#include <stddef.h>

/* Columns of numbers over ascending steps; NaN where there is none. */
typedef struct dho_columns {
    double *steps;  /* owned, [count] */
    double *values; /* owned, [count][width] */
    size_t count, capacity, width;
} dho_columns;

typedef struct dho_metrics {
    dho_columns training, evaluation; /* width DHO_METRIC_COUNT */
    dho_columns conflict;             /* width 2 * block_count: cosine, ratio of each block */
    char **blocks;                    /* owned, [block_count]; blocks[0] is "features" */
    size_t block_count;
    size_t bad_lines; /* lines that are no JSON, the torn last one not among them */
    bool torn;        /* the last line has no end */
} dho_metrics;

void dho_metrics_free(dho_metrics *metrics);
/* Errors: DHO_ERR_IO, DHO_ERR_FORMAT (too large), DHO_ERR_MEMORY. Zeroed on error. */
dho_status dho_metrics_load(dho_metrics *out, const char *path);
/* The same from memory. Errors: DHO_ERR_MEMORY. */
dho_status dho_metrics_parse(dho_metrics *out, const char *text, size_t bytes);

#endif
