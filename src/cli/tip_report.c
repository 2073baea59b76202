#include "cli/tip_report.h"

#include "dho/alloc.h"
#include "dho/evaluate.h"
#include "dho/log.h"

#include <stdio.h>

enum { CELL_BYTES = 32, MAX_COLUMNS = 4 };

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
    DHO_TRY_GOTO(dho_tip_count(context->compute, context->comm, &candidate->head, set, rows,
                               values[0], grid->steps[0], values[1], grid->steps[1], right));
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

static dho_status print_cell(const dho_tip_context *context, const dho_tip_column *column,
                             const dho_teacher_head *head, float alpha, float beta)
{
    int64_t right;
    double low, high;
    const int64_t n = dho_tip_row_count(column->set, column->rows);
    DHO_TRY(dho_tip_count(context->compute, context->comm, head, column->set, column->rows, &beta,
                          1, &alpha, 1, &right));
    dho_wilson_interval(right, n, &low, &high);
    if (dho_comm_rank(context->comm) == 0)
        printf("  %6.2f [%.1f %.1f]", 100 * (double)right / (double)n, 100 * low, 100 * high);
    return DHO_OK;
}

static bool is_there(const dho_tip_column *column)
{
    return column->set->count > 0 && dho_tip_row_count(column->set, column->rows) > 0;
}

static dho_status print_row(const dho_tip_context *context, const dho_tip_column *columns,
                            int column_count, const char *name, int candidate, bool chosen)
{
    const dho_tip_candidate *all = columns[column_count - 1].candidates;
    float alpha = 0, beta = 0;
    if (candidate >= 0) {
        alpha = chosen ? all[candidate].alpha : context->alpha;
        beta = chosen ? all[candidate].beta : context->beta;
    }
    if (dho_comm_rank(context->comm) == 0) {
        printf("%-28s", name);
        if (candidate < 0)
            printf(" %7s %7s", "-", "-");
        else
            printf(" %7.4g %7.4g", (double)alpha, (double)beta);
    }
    for (int i = 0; i < column_count; i++) {
        if (!is_there(&columns[i])) continue;
        const dho_teacher_head *head =
            candidate < 0 ? context->base : &columns[i].candidates[candidate].head;
        DHO_TRY(print_cell(context, &columns[i], head, alpha, beta));
    }
    if (dho_comm_rank(context->comm) == 0) printf("\n");
    return DHO_OK;
}

dho_status dho_tip_report(const dho_tip_context *context, const dho_tip_column *columns,
                          int column_count, int count)
{
    static const char *const names[2][2] = {{"Tip-Adapter", "Tip-Adapter, chosen"},
                                            {"Tip-Adapter-F", "Tip-Adapter-F, chosen"}};
    bool any = false;
    for (int i = 0; i < column_count; i++) any |= is_there(&columns[i]);
    if (!any) return DHO_OK;
    if (dho_comm_rank(context->comm) == 0) {
        printf("%-28s %7s %7s", "", "alpha", "beta");
        for (int i = 0; i < column_count; i++) {
            char cell[CELL_BYTES + 24];
            if (!is_there(&columns[i])) continue;
            snprintf(cell, sizeof cell, "%s n=%lld", columns[i].name,
                     (long long)dho_tip_row_count(columns[i].set, columns[i].rows));
            printf("  %18s", cell);
        }
        printf("\n");
    }
    DHO_TRY(print_row(context, columns, column_count, "the head alone", -1, false));
    for (int i = 0; i < count; i++) {
        DHO_TRY(print_row(context, columns, column_count, names[i][0], i, false));
        if (columns[0].set->count > 0) /* something was chosen */
            DHO_TRY(print_row(context, columns, column_count, names[i][1], i, true));
    }
    if (dho_comm_rank(context->comm) == 0) printf("top-1 %% [95 %% interval]\n");
    return DHO_OK;
}
