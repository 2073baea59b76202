/* The oneDNN backend's start and end. */
#include "compute/onednn_op.h"

#include "dho/alloc.h"

static dho_status check(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success) return DHO_OK;
    if (status == dnnl_out_of_memory) return dho_fail(DHO_ERR_MEMORY, "oneDNN: %s", what);
    return dho_fail(DHO_ERR_INTERNAL, "oneDNN: %s: status %d", what, (int)status);
}

/* Below AVX-512, oneDNN has next to nothing in bf16. (0: it does not tell.) */
static bool has_bf16(void)
{
    const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    return isa == 0 || (isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
}

dho_status dho_onednn_start(dho_compute *compute)
{
    if (compute->dtype == DHO_DTYPE_BF16 && !has_bf16())
        return dho_fail(DHO_ERR_CONFIG, "compute.dtype: bf16 needs a processor with AVX-512");
    DHO_TRY(dho_alloc_zero(&compute->onednn, 1, sizeof *compute->onednn, "oneDNN context"));
    struct dho_onednn *o = compute->onednn; /* released by dho_onednn_stop, also after a failure */
    DHO_TRY(check(dnnl_engine_create(&o->engine, dnnl_cpu, 0), "engine"));
    return check(dnnl_stream_create(&o->stream, o->engine, dnnl_stream_default_flags), "stream");
}

void dho_onednn_stop(dho_compute *compute)
{
    struct dho_onednn *o = compute->onednn;
    if (o == NULL) return;
    dho_onednn_free_ops(o);
    if (o->stream != NULL) dnnl_stream_destroy(o->stream);
    if (o->engine != NULL) dnnl_engine_destroy(o->engine);
    dho_free(o);
    compute->onednn = NULL;
}
