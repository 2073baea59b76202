/* Private to src/compute: what differs between the C APIs of oneDNN 2.6 and 3.x, in one
 * place. In 2 a memory descriptor is a struct and an operation has a descriptor of its own; in 3 a
 * memory descriptor is a handle to release and the operation descriptors are gone. */
#ifndef DHO_COMPUTE_ONEDNN_API_H
#define DHO_COMPUTE_ONEDNN_API_H

#include <oneapi/dnnl/dnnl.h>
#include <stddef.h>

typedef enum dho_onednn_pass {
    DHO_ONEDNN_FORWARD,
    DHO_ONEDNN_BACKWARD_DATA,
    DHO_ONEDNN_BACKWARD_WEIGHTS,
} dho_onednn_pass;

#if DNNL_VERSION_MAJOR == 2
typedef const dnnl_memory_desc_t *dho_onednn_md; /* a borrowed memory descriptor */
#else
typedef const_dnnl_memory_desc_t dho_onednn_md;
#endif

/* A direct convolution. source, weights, destination: of the pass, so that they are gradients
 * where it makes them. */
typedef struct dho_onednn_convolution {
    dho_onednn_pass pass;
    dho_onednn_md source, weights, destination;
    dho_onednn_md bias; /* NULL: none; FORWARD only */
    dnnl_dims_t strides, padding, far_padding;
    const_dnnl_primitive_desc_t forward; /* a hint for the two backward passes, else NULL */
} dho_onednn_convolution;

#if DNNL_VERSION_MAJOR == 2

static inline dho_onednn_md dho_onednn_md_of(const dnnl_memory_desc_t *desc)
{
    return desc;
}

static inline dnnl_status_t dho_onednn_md_create(dnnl_memory_desc_t *out, int rank,
                                                 const dnnl_dims_t dims, dnnl_data_type_t type,
                                                 dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(out, rank, dims, type, tag);
}

static inline void dho_onednn_md_release(dnnl_memory_desc_t *desc)
{
    (void)desc;
}

static inline dnnl_status_t dho_onednn_append_sum(dnnl_post_ops_t post)
{
    return dnnl_post_ops_append_sum(post, 1.0f);
}

static inline dnnl_status_t dho_onednn_append_eltwise(dnnl_post_ops_t post, dnnl_alg_kind_t kind,
                                                      float alpha, float beta)
{
    return dnnl_post_ops_append_eltwise(post, 1.0f, kind, alpha, beta);
}

static inline dnnl_status_t dho_onednn_describe_convolution(dnnl_primitive_desc_t *out,
                                                            dnnl_engine_t engine,
                                                            const dho_onednn_convolution *c,
                                                            const_dnnl_primitive_attr_t attributes)
{
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    dnnl_convolution_desc_t desc;
    dnnl_status_t status;
    if (c->pass == DHO_ONEDNN_FORWARD)
        status = dnnl_convolution_forward_desc_init(&desc, dnnl_forward_training, direct, c->source,
                                                    c->weights, c->bias, c->destination, c->strides,
                                                    c->padding, c->far_padding);
    else if (c->pass == DHO_ONEDNN_BACKWARD_DATA)
        status = dnnl_convolution_backward_data_desc_init(&desc, direct, c->source, c->weights,
                                                          c->destination, c->strides, c->padding,
                                                          c->far_padding);
    else
        status = dnnl_convolution_backward_weights_desc_init(&desc, direct, c->source, c->weights,
                                                             NULL, c->destination, c->strides,
                                                             c->padding, c->far_padding);
    if (status != dnnl_success) return status;
    return dnnl_primitive_desc_create(out, &desc, attributes, engine, c->forward);
}

static inline dnnl_status_t dho_onednn_describe_matmul(dnnl_primitive_desc_t *out,
                                                       dnnl_engine_t engine, dho_onednn_md left,
                                                       dho_onednn_md right, dho_onednn_md bias,
                                                       dho_onednn_md result,
                                                       const_dnnl_primitive_attr_t attributes)
{
    dnnl_matmul_desc_t desc;
    const dnnl_status_t status = dnnl_matmul_desc_init(&desc, left, right, bias, result);
    if (status != dnnl_success) return status;
    return dnnl_primitive_desc_create(out, &desc, attributes, engine, NULL);
}

#else

static inline dho_onednn_md dho_onednn_md_of(const dnnl_memory_desc_t *desc)
{
    return *desc;
}

static inline dnnl_status_t dho_onednn_md_create(dnnl_memory_desc_t *out, int rank,
                                                 const dnnl_dims_t dims, dnnl_data_type_t type,
                                                 dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(out, rank, dims, type, tag);
}

static inline void dho_onednn_md_release(dnnl_memory_desc_t *desc)
{
    if (*desc != NULL) dnnl_memory_desc_destroy(*desc);
    *desc = NULL;
}

static inline dnnl_status_t dho_onednn_append_sum(dnnl_post_ops_t post)
{
    return dnnl_post_ops_append_sum(post, 1.0f, 0, dnnl_data_type_undef);
}

static inline dnnl_status_t dho_onednn_append_eltwise(dnnl_post_ops_t post, dnnl_alg_kind_t kind,
                                                      float alpha, float beta)
{
    return dnnl_post_ops_append_eltwise(post, kind, alpha, beta);
}

static inline dnnl_status_t dho_onednn_describe_convolution(dnnl_primitive_desc_t *out,
                                                            dnnl_engine_t engine,
                                                            const dho_onednn_convolution *c,
                                                            const_dnnl_primitive_attr_t attributes)
{
    static const dnnl_dims_t undilated = {0, 0};
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    if (c->pass == DHO_ONEDNN_FORWARD)
        return dnnl_convolution_forward_primitive_desc_create(
            out, engine, dnnl_forward_training, direct, c->source, c->weights, c->bias,
            c->destination, c->strides, undilated, c->padding, c->far_padding, attributes);
    if (c->pass == DHO_ONEDNN_BACKWARD_DATA)
        return dnnl_convolution_backward_data_primitive_desc_create(
            out, engine, direct, c->source, c->weights, c->destination, c->strides, undilated,
            c->padding, c->far_padding, c->forward, attributes);
    return dnnl_convolution_backward_weights_primitive_desc_create(
        out, engine, direct, c->source, c->weights, NULL, c->destination, c->strides, undilated,
        c->padding, c->far_padding, c->forward, attributes);
}

static inline dnnl_status_t dho_onednn_describe_matmul(dnnl_primitive_desc_t *out,
                                                       dnnl_engine_t engine, dho_onednn_md left,
                                                       dho_onednn_md right, dho_onednn_md bias,
                                                       dho_onednn_md result,
                                                       const_dnnl_primitive_attr_t attributes)
{
    return dnnl_matmul_primitive_desc_create(out, engine, left, right, bias, result, attributes);
}

#endif

#endif
