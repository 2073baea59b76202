/* Private to src/compute: the context, the tables that backends are made of, the one way to run in
 * parallel. */
#ifndef DHO_COMPUTE_CORE_CONTEXT_H
#define DHO_COMPUTE_CORE_CONTEXT_H

#include "dho/compute.h"
#include "dho/tuning.h"

#include <stddef.h>
#include <stdint.h>

/* Channels whose partial sums fit the context's reduction buffer at one time; wider tensors are
 * reduced in blocks of this many channels (still 4 KiB contiguous a row). */
enum { DHO_REDUCTION_CHANNELS = 1024 };

/* What a table of kernels is asked before its kernels run. Function pointers only; each may be
 * NULL. */
typedef struct dho_planning {
    /* Makes and releases what the backend keeps in compute->state. stop also follows a failed
     * start. */
    dho_status (*start)(dho_compute *compute);
    void (*stop)(dho_compute *compute);
    /* Of every table, before its first use in the process: what its library is to be told. */
    void (*load)(void);

    /* Convolutions. Could this table compute the shape at all? NULL: all. */
    bool (*conv_fits)(const dho_conv_shape *shape);
    /* The rule: is it worth it, of shapes that fit? NULL: always. */
    bool (*conv_pays)(const dho_compute *compute, const dho_conv_shape *shape);
    /* Of a reserved shape: whether this table does this call (one bit). NULL: it does all. */
    bool (*conv_takes)(const dho_compute *compute, const dho_conv_shape *shape, dho_call call);
    /* Of shapes that fit: removes from `calls` what this table will do, and says the scratch that
     * takes. NULL: it does all, without scratch. Errors: as dho_compute_reserve_conv. */
    dho_status (*conv_reserve)(dho_compute *compute, const dho_conv_shape *shape, unsigned *calls,
                               size_t *bytes);
    /* The scratch of linear layers and of attention. NULL: none. */
    dho_status (*linear_reserve)(dho_compute *compute, const dho_linear_shape *shape,
                                 unsigned calls, size_t *bytes);
    dho_status (*attention_reserve)(const dho_compute *compute, const dho_attention_shape *shape,
                                    size_t *bytes);
} dho_planning;

/* The kernels of one file. Of the tables of a backend, the first that fills a slot has it. Only
 * convolutions and linear layers are chosen by their shape: each call goes to the table that a
 * tuning names (core/choice.h), else to the first that takes it. */
typedef struct dho_kernel_table {
    const char *choice; /* the name of its convolutions or linear layers in a tuning; NULL: none */
    bool in_bf16;       /* those also work on bf16 */
    dho_kernels kernels;
    dho_planning planning;
} dho_kernel_table;

/* A backend (backends.c). Its tables for each storage type are NULL-terminated; the reference's,
 * which fill all slots, are last. NULL: there are none for this type. */
typedef struct dho_backend_row {
    dho_backend backend;
    const char *name;
    const dho_kernel_table *const *tables[DHO_DTYPE_BF16 + 1];
    bool (*has_bf16)(void); /* whether the processor has what the tables of bf16 need; NULL: yes */
} dho_backend_row;

/* *tables: those of the row, or dho_widened's. Errors: DHO_ERR_CONFIG when there is no such
 * backend, or not in this type. */
dho_status dho_backend_find(dho_backend backend, dho_compute_dtype dtype,
                            const dho_backend_row **out, const dho_kernel_table *const **tables);
/* The name of a choice as a table of any backend has it; NULL: none has it. */
const char *dho_backend_choice(const char *name);

/* Who chooses, and what was chosen. All zero: the rule chooses. */
typedef struct dho_choices {
    const dho_tuning *tuning; /* borrowed; NULL: none */
    const char *preferred;    /* borrowed; NULL: none */
    dho_site_observer see;
    void *see_context;       /* borrowed */
    struct dho_taken *taken; /* owned, [capacity]: the sites that were reserved so */
    size_t count, capacity;
} dho_choices;

struct dho_compute {
    dho_kernels kernels;                   /* merged: no empty slot */
    dho_planning planning;                 /* merged; its convolution slots are not used */
    const dho_kernel_table *const *tables; /* of the backend */
    dho_backend backend;
    dho_compute_dtype dtype;
    int threads;   /* >= 1 */
    void *scratch; /* owned, 64-byte aligned */
    size_t scratch_bytes;
    double *reduction;                  /* owned, [threads][2][DHO_REDUCTION_CHANNELS] */
    struct dho_kept_range *kept_ranges; /* owned, as kept: kept.h */
    struct dho_kept *kept;
    dho_choices choices; /* choice.h */
    void *state;         /* of the backend that has a start */
    dho_compute *floats; /* owned: what dho_widened computes with; NULL: it is not used */
};

/* The slots of convolutions and linear layers of every context: they choose among its tables. */
extern const dho_kernel_table dho_convolution, dho_linear;
/* Convolutions that are linear layers, by the backend's linear layers; only where it is chosen. */
extern const dho_kernel_table dho_conv_as_linear;
/* Both of bf16, in floats, where processor or build have no products of bf16. */
extern const dho_kernel_table dho_widened;

/* The scratch, of which a kernel uses `bytes`: reserved by dho_compute_reserve_*. */
void *dho_compute_scratch_for(const dho_compute *compute, size_t bytes);

/* The strides of a matrix product: as given, or those of packed rows. */
static inline int64_t dho_gemm_lda(const dho_gemm_shape *s)
{
    return s->lda > 0 ? s->lda : s->transpose_a ? s->m : s->k;
}

static inline int64_t dho_gemm_ldb(const dho_gemm_shape *s)
{
    return s->ldb > 0 ? s->ldb : s->transpose_b ? s->k : s->n;
}

static inline int64_t dho_gemm_ldc(const dho_gemm_shape *s)
{
    return s->ldc > 0 ? s->ldc : s->n;
}

/* Runs body(context, part) for part = 0 .. parts-1, on up to compute->threads threads. How the work
 * is cut depends on `parts` only, so the bits do not depend on how many threads really ran. With
 * one part or one thread no parallel region is opened. */
typedef void (*dho_part_body)(void *context, int part);
void dho_compute_parallel(const dho_compute *compute, int parts, dho_part_body body, void *context);

/* Parts for an amount of work in elements: 1 where a parallel region costs more than it saves. */
static inline int dho_compute_parts(const dho_compute *compute, int64_t elements)
{
    return elements < 16384 ? 1 : compute->threads;
}

/* The range of part `part` of `parts` of 0 .. count-1, cut at multiples of granule. */
typedef struct dho_range {
    int64_t begin, end;
} dho_range;

static inline dho_range dho_range_of(int64_t count, int64_t granule, int parts, int part)
{
    const int64_t units = (count + granule - 1) / granule;
    const int64_t begin = units * part / parts * granule;
    const int64_t end = units * (part + 1) / parts * granule;
    return (dho_range){begin < count ? begin : count, end < count ? end : count};
}

#endif
