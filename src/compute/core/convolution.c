/* Convolutions: sizes are checked here; then each call goes to the table that a tuning names, else
 * to the first table of the backend that takes it. */
#include "compute/core/choice.h"

/* The output side that a convolution has; 0 when the kernel does not fit. */
static int64_t output_side(int64_t in, int64_t kernel, int64_t stride, int64_t padding)
{
    const int64_t room = in + 2 * padding - kernel;
    return room < 0 ? 0 : room / stride + 1;
}

/* No product of sizes, threads or the floats of a block (1 MiB) in the kernels overflows. */
static dho_status check_products(const dho_conv_shape *s, int threads)
{
    const double floats = (double)s->kernel_h * s->kernel_w * ((double)s->in_c + s->out_c) *
                          (s->out_c + 0x1p18) * threads;
    const double rows =
        (double)s->batch * s->in_h * s->in_w + (double)s->batch * s->out_h * s->out_w;
    if (floats > 0x1p60 || rows > 0x1p50) {
        return dho_fail(DHO_ERR_CONFIG, "convolution: %d x %d channels, kernel %dx%d is too large",
                        s->in_c, s->out_c, s->kernel_h, s->kernel_w);
    }
    return DHO_OK;
}

static dho_status check(const dho_conv_shape *s, int threads)
{
    if (s->batch < 1 || s->in_h < 1 || s->in_w < 1 || s->in_c < 1 || s->out_c < 1 ||
        s->kernel_h < 1 || s->kernel_w < 1 || s->stride < 1 || s->padding < 0 || s->groups < 1) {
        return dho_fail(DHO_ERR_CONFIG, "convolution: a size is not positive");
    }
    if (s->in_c % s->groups != 0 || s->out_c % s->groups != 0) {
        return dho_fail(DHO_ERR_CONFIG, "convolution: %d groups do not divide %d and %d channels",
                        s->groups, s->in_c, s->out_c);
    }
    const int64_t h = output_side(s->in_h, s->kernel_h, s->stride, s->padding);
    const int64_t w = output_side(s->in_w, s->kernel_w, s->stride, s->padding);
    if (h < 1 || w < 1 || h != s->out_h || w != s->out_w) {
        return dho_fail(DHO_ERR_CONFIG,
                        "convolution: %dx%d input, %dx%d kernel, stride %d, padding %d gives "
                        "%lldx%lld, not %dx%d",
                        s->in_h, s->in_w, s->kernel_h, s->kernel_w, s->stride, s->padding,
                        (long long)h, (long long)w, s->out_h, s->out_w);
    }
    return check_products(s, threads);
}

static bool by_rule(const dho_compute *compute, const dho_kernel_table *table,
                    const dho_conv_shape *shape)
{
    const dho_planning *planning = &table->planning;
    return table->kernels.conv_forward != NULL &&
           (planning->conv_fits == NULL || planning->conv_fits(shape)) &&
           (planning->conv_pays == NULL || planning->conv_pays(compute, shape));
}

static dho_status reserve_in(dho_compute *compute, const dho_kernel_table *table,
                             const dho_conv_shape *shape, unsigned *calls, size_t *most)
{
    size_t bytes = 0;
    if (table->planning.conv_reserve == NULL) {
        *calls = 0;
        return DHO_OK;
    }
    DHO_TRY(table->planning.conv_reserve(compute, shape, calls, &bytes));
    if (bytes > *most) *most = bytes;
    return DHO_OK;
}

/* One operation of a convolution by the table that the tuning names; *calls: what is left of its
 * calls for the rule. */
static dho_status reserve_chosen(dho_compute *compute, const dho_conv_shape *shape, unsigned *calls,
                                 size_t *most)
{
    const dho_kernel_site site =
        dho_kernel_site_of_conv(shape, compute->dtype, dho_call_lowest(*calls));
    const dho_kernel_table *table;
    const unsigned wanted = *calls;
    dho_choices_tell(compute, &site);
    DHO_TRY(dho_choices_look(compute, &site, &table));
    if (table == NULL) return DHO_OK;
    DHO_TRY(reserve_in(compute, table, shape, calls, most));
    if (*calls == 0) return dho_choices_take(compute, &site, table);
    *calls = wanted;
    return dho_choices_refuse(compute, &site);
}

dho_status dho_compute_reserve_conv(dho_compute *compute, const dho_conv_shape *shape,
                                    unsigned calls)
{
    size_t most = 0;
    unsigned left = 0;
    DHO_TRY(check(shape, compute->threads));
    calls &= ~(unsigned)(DHO_CALL_ADD | DHO_CALL_ADD_BIAS); /* of linear layers only */
    for (int i = 0; i < DHO_TUNED_COUNT; i++) {
        unsigned mine = calls & dho_choice_calls((dho_tuned_operation)i);
        if (!dho_choice_is_conv((dho_tuned_operation)i) || mine == 0) continue;
        calls &= ~mine;
        DHO_TRY(reserve_chosen(compute, shape, &mine, &most));
        left |= mine;
    }
    calls |= left;
    for (const dho_kernel_table *const *table = compute->tables; calls != 0; table++) {
        if (!by_rule(compute, *table, shape)) continue;
        if (calls == DHO_CALL_FUSED && (*table)->kernels.conv_fused == NULL)
            return dho_fail(DHO_ERR_CONFIG, "this backend has no fused convolutions");
        DHO_TRY(reserve_in(compute, *table, shape, &calls, &most));
    }
    return dho_compute_reserve(compute, most);
}

/* The reference takes what no other does. */
const dho_kernel_table *dho_conv_choose(const dho_compute *compute, const dho_conv_shape *shape,
                                        dho_call call)
{
    const dho_kernel_table *chosen = NULL;
    if (compute->choices.count > 0 && call != DHO_CALL_FUSED) {
        const dho_kernel_site site = dho_kernel_site_of_conv(shape, compute->dtype, call);
        chosen = dho_choices_find(compute, &site);
    }
    for (const dho_kernel_table *const *table = compute->tables; chosen == NULL; table++) {
        const dho_planning *planning = &(*table)->planning;
        if (!by_rule(compute, *table, shape)) continue;
        if (planning->conv_takes == NULL || planning->conv_takes(compute, shape, call))
            chosen = *table;
    }
    return chosen;
}

static const dho_kernels *choose(const dho_compute *compute, const dho_conv_shape *shape,
                                 dho_call call)
{
    return &dho_conv_choose(compute, shape, call)->kernels;
}

static void conv_forward(dho_compute *compute, const dho_conv_shape *shape, const void *x,
                         const float *w, const float *bias, void *y)
{
    const dho_call call = bias != NULL ? DHO_CALL_FORWARD_BIAS : DHO_CALL_FORWARD;
    choose(compute, shape, call)->conv_forward(compute, shape, x, w, bias, y);
}

static void conv_fused(dho_compute *compute, const dho_conv_shape *shape, const void *x,
                       const float *w, const float *bias, void *y)
{
    choose(compute, shape, DHO_CALL_FUSED)->conv_fused(compute, shape, x, w, bias, y);
}

static void conv_backward_data(dho_compute *compute, const dho_conv_shape *shape, const void *dy,
                               const float *w, bool accumulate, void *dx)
{
    const dho_call call = accumulate ? DHO_CALL_DATA_ADD : DHO_CALL_DATA;
    choose(compute, shape, call)->conv_backward_data(compute, shape, dy, w, accumulate, dx);
}

static void conv_backward_weights(dho_compute *compute, const dho_conv_shape *shape, const void *x,
                                  const void *dy, float *dw, float *dbias)
{
    choose(compute, shape, DHO_CALL_WEIGHTS)
        ->conv_backward_weights(compute, shape, x, dy, dw, dbias);
}

const dho_kernel_table dho_convolution = {
    .kernels = {.conv_forward = conv_forward,
                .conv_fused = conv_fused,
                .conv_backward_data = conv_backward_data,
                .conv_backward_weights = conv_backward_weights},
};
