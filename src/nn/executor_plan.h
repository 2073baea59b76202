/* Between an executor's creation and its plan. Private to src/nn. */
#ifndef DHO_NN_EXECUTOR_PLAN_H
#define DHO_NN_EXECUTOR_PLAN_H

#include "nn/executor_internal.h"
#include "nn/planner.h"

/* The kinds of memory of a node. */
typedef enum dho_plan_kind {
    DHO_PLAN_VALUE,
    DHO_PLAN_GRADIENT,
    DHO_PLAN_SAVED,
    DHO_PLAN_AGAIN,
    DHO_PLAN_SCRATCH,
    DHO_PLAN_KINDS
} dho_plan_kind;

typedef struct dho_plan {
    int count;         /* nodes */
    dho_block *blocks; /* owned, [DHO_PLAN_KINDS][count] */
    int *value_in;     /* owned: the node in whose value's place the node's own is */
    bool *written;     /* owned: somebody before has written the gradient */
    bool *again;       /* owned: backward makes the value again */
    int *gradient_of;  /* owned: the node in whose gradient's place the node's own is */
} dho_plan;

/* Fills the plan and the parts of executor->memory that are no pointers. On failure, too, the plan
 * is released with dho_plan_free. Errors: DHO_ERR_MEMORY; DHO_ERR_CONFIG for a graph that the
 * kernels cannot run backward. */
dho_status dho_plan_make(dho_plan *plan, dho_executor *executor, dho_recompute recompute);
void dho_plan_free(dho_plan *plan);

#endif
