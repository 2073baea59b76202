/* How far long work has come, for a person: on a terminal one line that is rewritten, otherwise (a
 * log) a line every 30 seconds. Private to src/. */
#ifndef DHO_BASE_METER_H
#define DHO_BASE_METER_H

#include <stdbool.h>

typedef struct dho_meter {
    const char *what; /* borrowed: "cache: shards" */
    long long total;
    bool speaks, terminal;
    double next; /* when the log's next line is due */
} dho_meter;

/* Nothing is shown unless it `speaks` (rank 0). */
void dho_meter_start(dho_meter *meter, const char *what, long long total, bool speaks);
/* `done` may be above the total: ranks work on the last ones side by side. */
void dho_meter_show(dho_meter *meter, long long done);
/* Ends the terminal's line. */
void dho_meter_end(dho_meter *meter);

#endif
