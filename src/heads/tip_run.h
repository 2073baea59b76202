/* The choice of alpha and beta of a Tip-Adapter, and how well its heads do. Private to src/heads.
 */
#ifndef DHO_HEADS_TIP_RUN_H
#define DHO_HEADS_TIP_RUN_H

#include "dho/tip_adapter.h"

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

/* What a column of the table is measured on: rows of a set, and with which candidates. */
typedef struct dho_tip_set {
    const char *name;
    const dho_shots *set; /* count 0: no such column */
    dho_tip_rows rows;
    const dho_tip_candidate *candidates;
} dho_tip_set;

/* Sets the candidate's alpha, beta and right: the cell of the grid with the most rows right; of
 * equal ones that of the smallest beta, then the smallest alpha. Collective. */
dho_status dho_tip_choose(const dho_tip_context *context, const dho_tip_grid *grid,
                          const dho_shots *set, dho_tip_rows rows, dho_tip_candidate *candidate);

/* Fills the table of `out`: the head alone, then each of `count` candidates with the first and,
 * when sets[0] is there, with its chosen alpha and beta. sets [DHO_TIP_COLUMNS]. Collective. */
dho_status dho_tip_measure(const dho_tip_context *context, const dho_tip_set *sets, int count,
                           dho_tip_result *out);

#endif
