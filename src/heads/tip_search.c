/* How many rows of a set a head has right, for every alpha and beta of a grid. */
#include "dho/alloc.h"
#include "dho/tip_adapter.h"
#include "heads/head_logits.h"

#include <omp.h>
#include <string.h>

enum { ROW_BLOCK = 256 };

typedef struct search {
    dho_compute *compute;
    const dho_teacher_head *head;
    const dho_tip_values *values;
    int threads;
    float *features;     /* owned, [ROW_BLOCK][dim] */
    int64_t *labels;     /* owned, [ROW_BLOCK] */
    float *logits;       /* owned, [ROW_BLOCK][classes]: of the linear part */
    float *affinities;   /* owned, [ROW_BLOCK][keys] */
    float *exponentials; /* owned, [threads][keys] */
    float *sums;         /* owned, [threads][classes] */
    int64_t *counts;     /* owned, [threads][beta_count][alpha_count] */
} search;

static dho_status open_search(search *s)
{
    const size_t keys = (size_t)s->head->key_count, classes = (size_t)s->head->classes;
    const size_t threads = (size_t)s->threads;
    const char *what = "Tip-Adapter search";
    DHO_TRY(dho_alloc(&s->features, ROW_BLOCK * (size_t)s->head->dim, sizeof(float), what));
    DHO_TRY(dho_alloc(&s->labels, ROW_BLOCK, sizeof *s->labels, what));
    DHO_TRY(dho_alloc(&s->logits, ROW_BLOCK * classes, sizeof(float), what));
    DHO_TRY(dho_alloc(&s->affinities, ROW_BLOCK * keys, sizeof(float), what));
    DHO_TRY(dho_alloc(&s->exponentials, threads * keys, sizeof(float), what));
    DHO_TRY(dho_alloc(&s->sums, threads * classes, sizeof(float), what));
    return dho_alloc_zero(&s->counts,
                          threads * (size_t)s->values->beta_count * (size_t)s->values->alpha_count,
                          sizeof *s->counts, what);
}

static void close_search(search *s)
{
    dho_free(s->features);
    dho_free(s->labels);
    dho_free(s->logits);
    dho_free(s->affinities);
    dho_free(s->exponentials);
    dho_free(s->sums);
    dho_free(s->counts);
}

/* Is the label's logits[] + alpha sums[] above all others'? */
static bool is_right(int classes, int64_t label, float alpha, const float *logits,
                     const float *sums)
{
    const float own = logits[label] + alpha * sums[label];
    int reached = 0; /* the label itself is, too */
#pragma omp simd reduction(+ : reached)
    for (int c = 0; c < classes; c++) reached += !(logits[c] + alpha * sums[c] < own);
    return reached == 1;
}

static void count_row(search *s, int r)
{
    const dho_teacher_head *head = s->head;
    const size_t thread = (size_t)omp_get_thread_num();
    const size_t classes = (size_t)head->classes, keys = (size_t)head->key_count;
    const float *logits = s->logits + (size_t)r * classes;
    float *exponentials = s->exponentials + thread * keys, *sums = s->sums + thread * classes;
    int64_t *counts =
        s->counts + thread * (size_t)s->values->beta_count * (size_t)s->values->alpha_count;
    memset(sums, 0, classes * sizeof *sums);
    for (int b = 0; b < s->values->beta_count; b++) {
        if (keys > 0) {
            memset(sums, 0, classes * sizeof *sums);
            dho_head_exponentials(head->key_count, s->values->betas[b], 1,
                                  s->affinities + (size_t)r * keys, exponentials);
            dho_head_add_sums(head, 0, head->key_count, 1, exponentials, sums);
        }
        for (int a = 0; a < s->values->alpha_count; a++)
            counts[b * s->values->alpha_count + a] +=
                is_right(head->classes, s->labels[r], s->values->alphas[a], logits, sums);
    }
}

static void count_block(search *s, int rows)
{
    const dho_teacher_head *head = s->head;
    dho_teacher_head linear = *head;
    linear.key_count = 0;
    dho_teacher_head_logits(s->compute, &linear, rows, s->features, NULL, s->logits);
    if (head->key_count > 0)
        dho_compute_kernels(s->compute)
            ->gemm(s->compute,
                   &(dho_gemm_shape){.transpose_b = true,
                                     .m = rows,
                                     .n = head->key_count,
                                     .k = head->dim,
                                     .alpha = 1},
                   s->features, head->keys, s->affinities);
#pragma omp parallel for schedule(static) num_threads(s->threads) if (s->threads > 1)
    for (int r = 0; r < rows; r++) count_row(s, r);
}

static bool counts_row(int64_t row, dho_tip_rows rows)
{
    return (row % rows.every != 0) == rows.rest;
}

int64_t dho_tip_row_count(const dho_shots *set, dho_tip_rows rows)
{
    const int64_t first = (set->count + rows.every - 1) / rows.every;
    return (rows.rest ? set->count - first : first) * set->views;
}

/* This rank's blocks: those with number mod ranks == rank. */
static void count_set(search *s, const dho_shots *set, dho_tip_rows rows, int rank, int ranks)
{
    const size_t dim = (size_t)set->dim;
    int64_t chosen = 0;
    int filled = 0;
    for (int64_t i = 0; i < set->count * set->views; i++) {
        const int64_t image = i % set->count;
        if (!counts_row(image, rows)) continue;
        if (chosen++ / ROW_BLOCK % ranks != rank) continue;
        memcpy(s->features + (size_t)filled * dim, set->features + (size_t)i * dim,
               dim * sizeof(float));
        s->labels[filled++] = set->labels[image];
        if (filled < ROW_BLOCK) continue;
        count_block(s, filled);
        filled = 0;
    }
    if (filled > 0) count_block(s, filled);
}

dho_status dho_tip_count(dho_compute *compute, dho_comm *comm, const dho_teacher_head *head,
                         const dho_shots *set, dho_tip_rows rows, const dho_tip_values *values,
                         int64_t *correct)
{
    const size_t cells = (size_t)values->beta_count * (size_t)values->alpha_count;
    search s = {.compute = compute,
                .head = head,
                .values = values,
                .threads = dho_compute_threads(compute)};
    dho_status status = dho_comm_agree(comm, open_search(&s));
    if (status == DHO_OK) {
        count_set(&s, set, rows, dho_comm_rank(comm), dho_comm_size(comm));
        memset(correct, 0, cells * sizeof *correct);
        for (int t = 0; t < s.threads; t++)
            for (size_t i = 0; i < cells; i++) correct[i] += s.counts[(size_t)t * cells + i];
        status = dho_comm_sum_int64(comm, correct, cells);
    }
    close_search(&s);
    return status;
}
