/* The context of all kernels. */
#include "compute/core/choice.h"

#include "dho/alloc.h"

#include <assert.h>
#include <omp.h>
#include <string.h>

/* Any slot of a table. */
typedef void (*slot)(void);

/* A table of kernels is a name and slots, what they are planned with is slots only: so a list of
 * slots stands once, in its struct. */
enum { FIRST_KERNEL = sizeof(const char *) };
_Static_assert(offsetof(dho_kernels, gemm) == FIRST_KERNEL, "only the name is before the slots");
_Static_assert((sizeof(dho_kernels) - FIRST_KERNEL) % sizeof(slot) == 0, "slots only");
_Static_assert(sizeof(dho_planning) % sizeof(slot) == 0, "slots only");

/* Fills the slots of a struct, from byte `first`, that are still empty. */
static void fill(void *slots, const void *from, size_t first, size_t bytes)
{
    for (size_t at = first; at < bytes; at += sizeof(slot)) {
        slot mine;
        memcpy(&mine, (char *)slots + at, sizeof mine);
        if (mine == NULL) memcpy((char *)slots + at, (const char *)from + at, sizeof mine);
    }
}

static void merge(dho_compute *compute, const dho_kernel_table *table)
{
    fill(&compute->kernels, &table->kernels, FIRST_KERNEL, sizeof compute->kernels);
    fill(&compute->planning, &table->planning, 0, sizeof compute->planning);
}

dho_status dho_compute_create(dho_compute **out, dho_backend backend, dho_compute_dtype dtype,
                              int threads)
{
    dho_status status;
    dho_compute *compute = NULL;
    const dho_backend_row *row = NULL;
    *out = NULL;
    if (threads < 0) {
        return dho_fail(DHO_ERR_CONFIG, "compute.threads: must not be negative, got %d", threads);
    }
    const dho_kernel_table *const *tables;
    DHO_TRY(dho_backend_find(backend, dtype, &row, &tables));
    DHO_TRY(dho_alloc_zero(&compute, 1, sizeof *compute, "compute context"));
    compute->backend = row->backend;
    compute->dtype = dtype;
    compute->threads = threads > 0 ? threads : omp_get_max_threads();
    DHO_TRY_GOTO(dho_alloc(&compute->reduction,
                           (size_t)compute->threads * 2 * DHO_REDUCTION_CHANNELS, sizeof(double),
                           "compute reduction buffer"));
    compute->kernels.name = row->name;
    compute->tables = tables;
    for (size_t i = 0; compute->tables[i] != NULL; i++)
        if (compute->tables[i]->planning.load != NULL) compute->tables[i]->planning.load();
    merge(compute, &dho_convolution);
    merge(compute, &dho_linear);
    for (size_t i = 0; compute->tables[i] != NULL; i++) merge(compute, compute->tables[i]);
    if (compute->planning.start != NULL) DHO_TRY_GOTO(compute->planning.start(compute));
    *out = compute;
    return DHO_OK;
fail:
    dho_compute_destroy(&compute);
    return status;
}

void dho_compute_destroy(dho_compute **compute)
{
    if (compute == NULL || *compute == NULL) return;
    dho_compute_release_weights(*compute);
    dho_choices_free(*compute);
    if ((*compute)->planning.stop != NULL) (*compute)->planning.stop(*compute);
    dho_free((*compute)->reduction);
    dho_free((*compute)->scratch);
    dho_free(*compute);
    *compute = NULL;
}

const dho_kernels *dho_compute_kernels(const dho_compute *compute)
{
    return &compute->kernels;
}

int dho_compute_threads(const dho_compute *compute)
{
    return compute->threads;
}

dho_compute_dtype dho_compute_dtype_of(const dho_compute *compute)
{
    return compute->dtype;
}

bool dho_compute_widens(const dho_compute *compute)
{
    return compute->floats != NULL;
}

size_t dho_compute_element_bytes(const dho_compute *compute)
{
    return compute->dtype == DHO_DTYPE_BF16 ? 2 : 4;
}

dho_status dho_compute_reserve(dho_compute *compute, size_t bytes)
{
    if (bytes <= compute->scratch_bytes) return DHO_OK;
    void *fresh;
    DHO_TRY(dho_alloc(&fresh, bytes, 1, "compute scratch"));
    dho_free(compute->scratch);
    compute->scratch = fresh;
    compute->scratch_bytes = bytes;
    return DHO_OK;
}

void *dho_compute_scratch(dho_compute *compute)
{
    return compute->scratch;
}

void *dho_compute_scratch_for(const dho_compute *compute, size_t bytes)
{
    assert(bytes <= compute->scratch_bytes);
    (void)bytes;
    return compute->scratch;
}

dho_status dho_compute_reserve_attention(dho_compute *compute, const dho_attention_shape *s)
{
    size_t bytes = 0;
    if (s->batch < 1 || s->tokens < 1 || s->heads < 1 || s->head_dim < 1)
        return dho_fail(DHO_ERR_CONFIG, "attention: a size is not positive");
    if ((double)s->tokens * ((double)s->tokens + s->head_dim) * compute->threads > 0x1p40)
        return dho_fail(DHO_ERR_CONFIG, "attention: %d tokens are too many", s->tokens);
    if (compute->planning.attention_reserve != NULL)
        DHO_TRY(compute->planning.attention_reserve(compute, s, &bytes));
    return dho_compute_reserve(compute, bytes);
}

void dho_compute_parallel(const dho_compute *compute, int parts, dho_part_body body, void *context)
{
    assert(parts >= 1);
    if (parts == 1 || compute->threads == 1) {
        for (int part = 0; part < parts; part++) body(context, part);
        return;
    }
#pragma omp parallel for schedule(static, 1) num_threads(compute->threads)
    for (int part = 0; part < parts; part++) body(context, part);
}
