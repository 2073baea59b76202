/* The backends: which tables each is made of, in which order. The only file that names them. */
#include "compute/blis/blis_tables.h"
#include "compute/fast/fast_tables.h"
#include "compute/ref/ref_tables.h"

#include <stdio.h>
#include <string.h>
#ifdef DHO_HAVE_ONEDNN
#include "compute/onednn/onednn_tables.h"
#else
#define HOW_TO_GET_ONEDNN "apt-get install libdnnl-dev, then configure again"
#endif

static const dho_kernel_table *const ref[] = {DHO_REF_TABLES, NULL};
static const dho_kernel_table *const blis[] = {&dho_winograd, DHO_FAST_TABLES, DHO_BLIS_TABLES,
                                               DHO_REF_TABLES, NULL};
static const dho_kernel_table *const widened[] = {
    &dho_winograd,  &dho_widened, DHO_FAST_TYPED_TABLES(bf16), DHO_FAST_TABLES, DHO_BLIS_TABLES,
    DHO_REF_TABLES, NULL};
#ifdef DHO_HAVE_ONEDNN
static const dho_kernel_table *const onednn[] = {&dho_winograd,
                                                 DHO_ONEDNN_TABLES,
                                                 &dho_conv_as_linear,
                                                 DHO_FAST_TABLES,
                                                 DHO_BLIS_TABLES,
                                                 DHO_REF_TABLES,
                                                 NULL};
/* The tables after those of bf16 work on floats: they fill no slot on activations. */
static const dho_kernel_table *const onednn_bf16[] = {
    &dho_winograd,   DHO_ONEDNN_TABLES, &dho_conv_as_linear, DHO_FAST_TYPED_TABLES(bf16),
    DHO_FAST_TABLES, DHO_BLIS_TABLES,   DHO_REF_TABLES,      NULL};
#endif

/* In order of preference: X(value, name, tables in fp32, tables in bf16; NULL: none, what the
 * processor must have for the latter; NULL: nothing). */
#ifdef DHO_HAVE_ONEDNN
#define BACKENDS(X) \
    X(ONEDNN, "onednn", onednn, onednn_bf16, dho_onednn_has_bf16) BUILT_IN_BACKENDS(X)
#else
#define BACKENDS(X) BUILT_IN_BACKENDS(X)
#endif
#define BUILT_IN_BACKENDS(X) X(BLIS, "blis", blis, widened, NULL) X(REF, "ref", ref, NULL, NULL)

#define ROW(value, name, fp32, bf16, has) \
    {DHO_BACKEND_##value, name, {[DHO_DTYPE_FP32] = fp32, [DHO_DTYPE_BF16] = bf16}, has},
#define NAME(value, name, fp32, bf16, has) name,
static const dho_backend_row rows[] = {BACKENDS(ROW)};
static const char *const names[] = {BACKENDS(NAME) NULL};
enum { ROWS = sizeof rows / sizeof *rows };

const char *const *dho_compute_backends(void)
{
    return names;
}

dho_status dho_backend_find(dho_backend backend, dho_compute_dtype dtype,
                            const dho_backend_row **out, const dho_kernel_table *const **tables)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].tables[dtype] == NULL) continue;
        if (backend != DHO_BACKEND_AUTO && backend != rows[i].backend) continue;
        *out = &rows[i];
        *tables = rows[i].tables[dtype];
        if (dtype == DHO_DTYPE_BF16 && rows[i].has_bf16 != NULL && !rows[i].has_bf16())
            *tables = widened;
        return DHO_OK;
    }
    if (backend == DHO_BACKEND_REF)
        return dho_fail(DHO_ERR_CONFIG, "compute.backend: ref has no bf16");
#ifndef DHO_HAVE_ONEDNN
    if (backend == DHO_BACKEND_ONEDNN)
        return dho_fail(DHO_ERR_CONFIG,
                        "compute.backend: onednn is not built in (" HOW_TO_GET_ONEDNN ")");
#endif
    return dho_fail(DHO_ERR_CONFIG, "compute.backend: unknown value %d", (int)backend);
}

const char *dho_backend_choice(const char *name)
{
    for (size_t i = 0; i < ROWS; i++)
        for (size_t t = 0; t < sizeof rows[i].tables / sizeof *rows[i].tables; t++)
            for (const dho_kernel_table *const *table = rows[i].tables[t];
                 table != NULL && *table != NULL; table++)
                if ((*table)->choice != NULL && strcmp((*table)->choice, name) == 0)
                    return (*table)->choice;
    return NULL;
}

void dho_compute_versions(char *out, size_t bytes)
{
    char first[128], second[64] = "no oneDNN";
    dho_blis_version(first, sizeof first);
#ifdef DHO_HAVE_ONEDNN
    dho_onednn_version(second, sizeof second);
#endif
    snprintf(out, bytes, "%s, %s", first, second);
}
