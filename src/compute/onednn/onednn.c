/* The oneDNN library: its version, start and end. */
#include "compute/onednn/onednn_op.h"
#include "compute/onednn/onednn_tables.h"

#include "dho/alloc.h"

#include <stdio.h>

void dho_onednn_version(char *out, size_t bytes)
{
    const dnnl_version_t *version = dnnl_version();
    snprintf(out, bytes, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
}

static dho_status check(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success) return DHO_OK;
    if (status == dnnl_out_of_memory) return dho_fail(DHO_ERR_MEMORY, "oneDNN: %s", what);
    return dho_fail(DHO_ERR_INTERNAL, "oneDNN: %s: status %d", what, (int)status);
}

/* Elsewhere, oneDNN has next to nothing in bf16, or tells nothing of the processor (0). */
bool dho_onednn_has_bf16(void)
{
    const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    return (isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
}

static dho_status start(dho_compute *compute)
{
    dho_onednn *o;
    DHO_TRY(dho_alloc_zero(&o, 1, sizeof *o, "oneDNN context"));
    compute->state = o; /* released by stop, also after a failure */
    DHO_TRY(check(dnnl_engine_create(&o->engine, dnnl_cpu, 0), "engine"));
    return check(dnnl_stream_create(&o->stream, o->engine, dnnl_stream_default_flags), "stream");
}

static void stop(dho_compute *compute)
{
    dho_onednn *o = compute->state;
    if (o == NULL) return;
    dho_onednn_free_ops(o);
    if (o->stream != NULL) dnnl_stream_destroy(o->stream);
    if (o->engine != NULL) dnnl_engine_destroy(o->engine);
    dho_free(o);
    compute->state = NULL;
}

const dho_kernel_table dho_onednn_library = {.planning = {.start = start, .stop = stop}};
