/* The choice of alpha and beta, and the table, of dho teacher tip-adapter. Private to src/cli. */
#ifndef DHO_CLI_TIP_REPORT_H
#define DHO_CLI_TIP_REPORT_H

#include "dho/tip_adapter.h"

/* Values i (scale - 0.1) / steps + 0.1, i = 0 .. steps - 1; [0]: of beta, [1]: of alpha
 * (Tip-Adapter's search_scale and search_step). */
typedef struct dho_tip_grid {
    double scale[2];
    int steps[2];
} dho_tip_grid;

/* A head and the alpha and beta chosen for it (its own are those it was trained with). */
typedef struct dho_tip_candidate {
    dho_teacher_head head;
    float alpha, beta;
    int64_t right; /* of the rows it was chosen on */
} dho_tip_candidate;

typedef struct dho_tip_context {
    dho_compute *compute;
    dho_comm *comm;
    const dho_teacher_head *base; /* without keys */
    float alpha, beta;            /* before any choice */
} dho_tip_context;

/* A column of the table: rows of a set, and which candidates are measured on it. */
typedef struct dho_tip_column {
    const char *name;
    const dho_shots *set; /* count 0: no such column */
    dho_tip_rows rows;
    const dho_tip_candidate *candidates;
} dho_tip_column;

/* Sets the candidate's alpha, beta and right: the cell of the grid with the most rows right; of
 * equal ones that of the smallest beta, then the smallest alpha. Collective. */
dho_status dho_tip_choose(const dho_tip_context *context, const dho_tip_grid *grid,
                          const dho_shots *set, dho_tip_rows rows, dho_tip_candidate *candidate);

/* Prints the table on rank 0: the head alone, then each of `count` candidates with the first and
 * with its chosen alpha and beta. Collective. */
dho_status dho_tip_report(const dho_tip_context *context, const dho_tip_column *columns,
                          int column_count, int count);

#endif
