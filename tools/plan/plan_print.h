/* A plan, printed. Private to tools/plan. */
#ifndef DHO_PLAN_PLAN_PRINT_H
#define DHO_PLAN_PLAN_PRINT_H

#include "plan/plan_rates.h"

enum { PLAN_MOST_ROWS = 32 };

typedef struct plan_row {
    plan_place place;
    bool possible; /* false: more ranks than microbatches */
    plan_share share;
    plan_step step;
    double rank_bytes;
    double efficiency; /* against the smallest number of nodes: 0 .. 1 */
    double node_hours;
} plan_row;

typedef struct plan_table {
    const plan_run *run;
    const plan_rates *rates;
    const dho_plan_options *options;
    plan_row rows[PLAN_MOST_ROWS];
    int count;
} plan_table;

void plan_print_text(const plan_table *table);
/* As JSON. *out is owned (json_decref). */
dho_status plan_pack(const plan_table *table, json_t **out);
void plan_print_rates(const plan_run *run, const plan_rates *rates);

#endif
