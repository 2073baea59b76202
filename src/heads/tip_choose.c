#include "dho/alloc.h"
#include "dho/log.h"
#include "heads/tip_run.h"

dho_status dho_tip_choose(const dho_tip_context *context, const dho_tip_grid *grid,
                          const dho_shots *set, dho_tip_rows rows, dho_tip_candidate *candidate)
{
    float *values[2] = {NULL, NULL};
    int64_t *right = NULL;
    const size_t cells = (size_t)grid->steps[0] * (size_t)grid->steps[1];
    size_t best = 0, equal = 0;
    dho_status status = dho_alloc(&right, cells, sizeof *right, "search grid");
    for (int i = 0; i < 2 && status == DHO_OK; i++)
        status = dho_alloc(&values[i], (size_t)grid->steps[i], sizeof(float), "search grid");
    DHO_TRY_GOTO(dho_comm_agree(context->comm, status));
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < grid->steps[i]; k++)
            values[i][k] = (float)(k * (grid->scale[i] - 0.1) / grid->steps[i] + 0.1);
    const dho_tip_values tried = {values[0], values[1], grid->steps[0], grid->steps[1]};
    DHO_TRY_GOTO(
        dho_tip_count(context->compute, context->comm, &candidate->head, set, rows, &tried, right));
    for (size_t i = 1; i < cells; i++)
        if (right[i] > right[best]) best = i;
    for (size_t i = 0; i < cells; i++) equal += right[i] == right[best];
    candidate->beta = values[0][best / (size_t)grid->steps[1]];
    candidate->alpha = values[1][best % (size_t)grid->steps[1]];
    candidate->right = right[best];
    if (dho_comm_rank(context->comm) == 0)
        dho_info("search: %zu of %zu cells have the most right; alpha %.4g, beta %.4g", equal,
                 cells, (double)candidate->alpha, (double)candidate->beta);
fail:
    dho_free(right);
    dho_free(values[0]);
    dho_free(values[1]);
    return status;
}

static dho_status measure_line(const dho_tip_context *context, const dho_tip_set *sets,
                               const dho_tip_result *table, int candidate, dho_tip_line *out)
{
    for (int i = 0; i < DHO_TIP_COLUMNS; i++) {
        if (table->columns[i].rows == 0) continue;
        const dho_teacher_head *head =
            candidate < 0 ? context->base : &sets[i].candidates[candidate].head;
        const dho_tip_values one = {&out->beta, &out->alpha, 1, 1};
        DHO_TRY(dho_tip_count(context->compute, context->comm, head, sets[i].set, sets[i].rows,
                              &one, &out->right[i]));
    }
    return DHO_OK;
}

dho_status dho_tip_measure(const dho_tip_context *context, const dho_tip_set *sets, int count,
                           dho_tip_result *out)
{
    static const char *const names[2][2] = {{"Tip-Adapter", "Tip-Adapter, chosen"},
                                            {"Tip-Adapter-F", "Tip-Adapter-F, chosen"}};
    const dho_tip_candidate *last = sets[DHO_TIP_COLUMNS - 1].candidates;
    bool any = false;
    for (int i = 0; i < DHO_TIP_COLUMNS; i++) {
        const int64_t rows =
            sets[i].set->count > 0 ? dho_tip_row_count(sets[i].set, sets[i].rows) : 0;
        out->columns[i] = (dho_tip_column){sets[i].name, rows};
        any |= rows > 0;
    }
    if (!any) return DHO_OK;
    for (int i = -1; i < count; i++)
        for (int chosen = 0; chosen < (i >= 0 && sets[0].set->count > 0 ? 2 : 1); chosen++) {
            dho_tip_line *line = &out->lines[out->line_count++];
            *line = (dho_tip_line){.name = i < 0 ? "the head alone" : names[i][chosen],
                                   .has_keys = i >= 0,
                                   .alpha = i < 0    ? 0
                                            : chosen ? last[i].alpha
                                                     : context->alpha,
                                   .beta = i < 0    ? 0
                                           : chosen ? last[i].beta
                                                    : context->beta};
            DHO_TRY(measure_line(context, sets, out, i, line));
        }
    return DHO_OK;
}
