/* A head's logits at reading. With keys: blocks of keys, so that a row's affinities stay small. */
#include "heads/head_logits.h"

#include "base/fast_math.h"

#include <math.h>

enum { KEY_BLOCK = 1024 };

static int block_keys(const dho_teacher_head *head)
{
    return head->key_count < KEY_BLOCK ? head->key_count : KEY_BLOCK;
}

void dho_head_exponentials(int count, float beta, float factor, const float *affinities,
                           float *exponentials)
{
    const float slope = beta * factor;
#pragma omp simd
    for (int k = 0; k < count; k++) exponentials[k] = dho_fast_exp(slope * affinities[k] - beta);
}

/* The class of a key: the last whose keys do not begin behind it and that has any. */
static int class_of(const dho_teacher_head *head, int key)
{
    int low = 0, high = head->classes - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (head->first_key[middle] <= key)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

void dho_head_add_sums(const dho_teacher_head *head, int first, int count, float alpha,
                       const float *exponentials, float *out)
{
    const int end = first + count;
    for (int k = first, c = class_of(head, first); k < end; c++) {
        const int stop = head->first_key[c + 1] < end ? head->first_key[c + 1] : end;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int i = k - first; i < stop - first; i++) sum += exponentials[i];
        out[c] += alpha * sum;
        k = stop;
    }
}

float dho_head_inverse_norm(int dim, const float *row)
{
    double squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int i = 0; i < dim; i++) squares += (double)row[i] * row[i];
    return squares > 1e-24 ? (float)(1 / sqrt(squares)) : 1e12f;
}

size_t dho_teacher_head_scratch(const dho_teacher_head *head, int rows)
{
    if (head->key_count == 0) return 0;
    return (size_t)rows * ((size_t)block_keys(head) + 1);
}

/* logits += alpha exp(-beta (1 - f K^T)) V. */
static void add_keys(dho_compute *compute, const dho_teacher_head *head, int rows,
                     const float *embeddings, const float *inverse, float *affinities,
                     float *logits)
{
    const dho_kernels *kernels = dho_compute_kernels(compute);
    const int threads = dho_compute_threads(compute), classes = head->classes;
    for (int first = 0; first < head->key_count; first += KEY_BLOCK) {
        const int rest = head->key_count - first, count = rest < KEY_BLOCK ? rest : KEY_BLOCK;
        kernels->gemm(compute,
                      &(dho_gemm_shape){
                          .transpose_b = true, .m = rows, .n = count, .k = head->dim, .alpha = 1},
                      embeddings, head->keys + (size_t)first * (size_t)head->dim, affinities);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
        for (int r = 0; r < rows; r++) {
            float *row = affinities + (size_t)r * (size_t)count;
            dho_head_exponentials(count, head->beta, inverse[r], row, row);
            dho_head_add_sums(head, first, count, head->alpha, row,
                              logits + (size_t)r * (size_t)classes);
        }
    }
}

void dho_teacher_head_logits(dho_compute *compute, const dho_teacher_head *head, int rows,
                             const float *embeddings, float *scratch, float *logits)
{
    const dho_kernels *kernels = dho_compute_kernels(compute);
    const size_t classes = (size_t)head->classes, dim = (size_t)head->dim;
    kernels->gemm(compute,
                  &(dho_gemm_shape){.transpose_b = true,
                                    .m = rows,
                                    .n = head->classes,
                                    .k = head->dim,
                                    .alpha = head->scale},
                  embeddings, head->weight, logits);
    if (head->key_count > 0) {
        float *inverse = scratch, *affinities = scratch + rows;
        for (int r = 0; r < rows; r++) {
            inverse[r] = dho_head_inverse_norm(head->dim, embeddings + (size_t)r * dim);
            for (size_t c = 0; c < classes; c++) logits[(size_t)r * classes + c] *= inverse[r];
        }
        add_keys(compute, head, rows, embeddings, inverse, affinities, logits);
    }
    if (head->bias != NULL)
        kernels->add_bias(compute, &(dho_rows_shape){rows, head->classes}, 1, head->bias, logits);
}
