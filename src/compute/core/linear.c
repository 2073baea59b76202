/* Linear layers on rows: each call goes to the table that a tuning names, else to the first table
 * of the backend that has them. */
#include "compute/core/choice.h"

/* The reference has them in fp32, oneDNN in both types. */
static const dho_kernel_table *by_rule(const dho_compute *compute)
{
    const dho_kernel_table *const *table = compute->tables;
    while ((*table)->kernels.linear_forward == NULL) table++;
    return *table;
}

static dho_status reserve_in(dho_compute *compute, const dho_kernel_table *table,
                             const dho_linear_shape *shape, unsigned calls, size_t *most)
{
    size_t bytes = 0;
    if (table->planning.linear_reserve == NULL) return DHO_OK;
    DHO_TRY(table->planning.linear_reserve(compute, shape, calls, &bytes));
    if (bytes > *most) *most = bytes;
    return DHO_OK;
}

dho_status dho_compute_reserve_linear(dho_compute *compute, const dho_linear_shape *shape,
                                      unsigned calls)
{
    size_t most = 0;
    if (shape->rows < 1 || shape->in < 1 || shape->out < 1)
        return dho_fail(DHO_ERR_CONFIG, "linear layer: a size is not positive");
    for (int i = 0; i < DHO_TUNED_COUNT; i++) {
        const unsigned mine = calls & dho_choice_calls((dho_tuned_operation)i);
        const dho_kernel_table *table;
        if (dho_choice_is_conv((dho_tuned_operation)i) || mine == 0) continue;
        const dho_kernel_site site =
            dho_kernel_site_of_linear(shape, compute->dtype, dho_call_lowest(mine));
        dho_choices_tell(compute, &site);
        DHO_TRY(dho_choices_look(compute, &site, &table));
        if (table != NULL) DHO_TRY(dho_choices_take(compute, &site, table));
        DHO_TRY(reserve_in(compute, table != NULL ? table : by_rule(compute), shape, mine, &most));
    }
    return dho_compute_reserve(compute, most);
}

const dho_kernel_table *dho_linear_choose(const dho_compute *compute, const dho_linear_shape *shape,
                                          dho_call call)
{
    const dho_kernel_table *chosen = NULL;
    if (compute->choices.count > 0) {
        const dho_kernel_site site = dho_kernel_site_of_linear(shape, compute->dtype, call);
        chosen = dho_choices_find(compute, &site);
    }
    return chosen != NULL ? chosen : by_rule(compute);
}

static const dho_kernels *choose(const dho_compute *compute, const dho_linear_shape *shape,
                                 dho_call call)
{
    return &dho_linear_choose(compute, shape, call)->kernels;
}

static void linear_forward(dho_compute *compute, const dho_linear_shape *shape, const void *x,
                           const float *w, const float *bias, void *y)
{
    choose(compute, shape, DHO_CALL_FORWARD)->linear_forward(compute, shape, x, w, bias, y);
}

static void linear_add_forward(dho_compute *compute, const dho_linear_shape *shape, const void *x,
                               const float *w, const float *bias, const float *residual, float *y)
{
    choose(compute, shape, DHO_CALL_ADD)
        ->linear_add_forward(compute, shape, x, w, bias, residual, y);
}

static void linear_backward_data(dho_compute *compute, const dho_linear_shape *shape,
                                 const void *dy, const float *w, bool accumulate, void *dx)
{
    choose(compute, shape, DHO_CALL_DATA)
        ->linear_backward_data(compute, shape, dy, w, accumulate, dx);
}

static void linear_backward_weights(dho_compute *compute, const dho_linear_shape *shape,
                                    const void *x, const void *dy, float *dw, float *dbias)
{
    choose(compute, shape, DHO_CALL_WEIGHTS)
        ->linear_backward_weights(compute, shape, x, dy, dw, dbias);
}

const dho_kernel_table dho_linear = {
    .kernels = {.linear_forward = linear_forward,
                .linear_add_forward = linear_add_forward,
                .linear_backward_data = linear_backward_data,
                .linear_backward_weights = linear_backward_weights},
};
