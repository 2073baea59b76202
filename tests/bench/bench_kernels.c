/* Speed of the kernels: bench_kernels [seconds per measurement, 0.3] [threads ...]
 * With DHO_BENCH_CPU set, runs of one thread are measured in CPU time: on a machine that others use
 * too, that is nearer to what the kernels would do alone.
 * GFLOP/s of gemm and of the convolutions of ResNet-18 (weighted by how often each occurs), GB/s of
 * the element-wise kernels counted as the bytes of the tensors each must touch once. */
#define _GNU_SOURCE
#include "conv_shape.h"
#include "dho/alloc.h"
#include "dho/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool cpu_time;

static double now(void)
{
    struct timespec t;
    clock_gettime(cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void need(dho_status status)
{
    if (status == DHO_OK) return;
    fprintf(stderr, "bench_kernels: %s\n", dho_error_message());
    exit(dho_exit_code(status));
}

static float *floats(size_t count)
{
    float *out;
    dho_rng rng;
    dho_rng_init(&rng, 1, DHO_RNG_TEST, 0, count);
    need(dho_alloc(&out, count, sizeof *out, "bench"));
    for (size_t i = 0; i < count; i++) out[i] = (float)(dho_rng_u32(&rng) >> 8) * 0x1p-23f - 1;
    return out;
}

/* One convolution of the network. */
typedef struct layer {
    const char *name;
    int times, in_side, in_c, out_c, kernel, stride, padding;
} layer;

/* ResNet-18 by stage, for a stem that leaves `side` pixels at `width` channels. */
static int resnet18(layer *out, int side, int width, int image)
{
    int n = 0;
    out[n++] = (layer){"stem 7x7/2", 1, image, 3, width, 7, 2, 3};
    out[n++] = (layer){"stage1 3x3", 4, side, width, width, 3, 1, 1};
    static const char *const names[3][3] = {{"stage2 3x3/2", "stage2 1x1/2", "stage2 3x3"},
                                            {"stage3 3x3/2", "stage3 1x1/2", "stage3 3x3"},
                                            {"stage4 3x3/2", "stage4 1x1/2", "stage4 3x3"}};
    for (int stage = 0; stage < 3; stage++) {
        out[n++] = (layer){names[stage][0], 1, side, width, 2 * width, 3, 2, 1};
        out[n++] = (layer){names[stage][1], 1, side, width, 2 * width, 1, 2, 0};
        side = (side + 1) / 2;
        width *= 2;
        out[n++] = (layer){names[stage][2], 3, side, width, width, 3, 1, 1};
    }
    return n;
}

static dho_conv_shape shape_of(const layer *l, int batch, int groups)
{
    return conv_shape((int[]){batch, l->in_side, l->in_side, l->in_c, l->out_c, l->kernel,
                              l->kernel, l->stride, l->padding, groups});
}

static double budget = 0.3;

/* Best time of a call, over at least `budget` seconds and three calls. */
#define TIME(call)                                                  \
    do {                                                            \
        call;                                                       \
        best = 1e30;                                                \
        const double start_ = now();                                \
        for (int i_ = 0; i_ < 3 || now() - start_ < budget; i_++) { \
            const double begin_ = now();                            \
            call;                                                   \
            const double taken_ = now() - begin_;                   \
            if (taken_ < best) best = taken_;                       \
        }                                                           \
    } while (0)

static void bench_conv(dho_compute *c, const layer *l, int batch, int groups, double total[5])
{
    const dho_kernels *k = dho_compute_kernels(c);
    const dho_conv_shape s = shape_of(l, batch, groups);
    const size_t x_count = (size_t)batch * (size_t)s.in_h * (size_t)s.in_w * (size_t)s.in_c;
    const size_t y_count = (size_t)batch * (size_t)s.out_h * (size_t)s.out_w * (size_t)s.out_c;
    const size_t w_count =
        (size_t)s.out_c * (size_t)s.kernel_h * (size_t)s.kernel_w * (size_t)(s.in_c / groups);
    float *x = floats(x_count), *y = floats(y_count), *w = floats(w_count), *dw = floats(w_count);
    const double flops = 2.0 * (double)y_count * (double)w_count / (double)s.out_c;
    double best, times[4] = {0};
    need(dho_compute_reserve_conv(c, &s, DHO_CALL_ALL));
    TIME(k->conv_forward(c, &s, x, w, NULL, y));
    times[0] = best;
    TIME(k->conv_backward_data(c, &s, y, w, false, x));
    times[1] = best;
    TIME(k->conv_backward_data(c, &s, y, w, true, x));
    times[2] = best;
    TIME(k->conv_backward_weights(c, &s, x, y, dw, NULL));
    times[3] = best;
    printf("  %-14s x%d %3d px %3d -> %3d  fwd %6.1f  data %6.1f  data+= %6.1f  weights %6.1f\n",
           l->name, l->times, l->in_side, l->in_c, l->out_c, flops / times[0] * 1e-9,
           flops / times[1] * 1e-9, flops / times[2] * 1e-9, flops / times[3] * 1e-9);
    fflush(stdout);
    dho_free(x), dho_free(y), dho_free(w), dho_free(dw);
    total[0] += flops * l->times;
    total[1] += times[0] * l->times;
    total[3] += times[3] * l->times;
    if (l->in_c == 3) return; /* training has no use for the images' gradient */
    total[2] += times[1] * l->times;
    total[4] += flops * l->times;
}

static void bench_network(dho_compute *c, const char *title, int image, int width, int batch)
{
    layer layers[16];
    const int count = resnet18(layers, image / 4, width, image);
    double total[5] = {0};
    printf(" %s, GFLOP/s\n", title);
    for (int i = 0; i < count; i++) bench_conv(c, &layers[i], batch, 1, total);
    printf("  whole network                        fwd %6.1f  data %6.1f                 weights "
           "%6.1f  (%.0f ms a batch of %d)\n",
           total[0] / total[1] * 1e-9, total[4] / total[2] * 1e-9, total[0] / total[3] * 1e-9,
           (total[1] + total[2] + total[3]) * 1e3, batch);
}

static void bench_gemm(dho_compute *c)
{
    static const int sizes[][3] = {{1024, 1024, 1024}, {50176, 64, 576}, {12544, 256, 512},
                                   {256, 1000, 512},   {256, 100, 512},  {64, 100, 512}};
    const dho_kernels *k = dho_compute_kernels(c);
    printf(" gemm m x n x k, GFLOP/s\n");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int m = sizes[i][0], n = sizes[i][1], p = sizes[i][2];
        float *a = floats((size_t)m * (size_t)p), *b = floats((size_t)n * (size_t)p);
        float *out = floats((size_t)m * (size_t)n);
        const double flops = 2.0 * m * n * p;
        double best;
        TIME(k->gemm(c, &(dho_gemm_shape){.transpose_b = true, .m = m, .n = n, .k = p, .alpha = 1},
                     a, b, out));
        const double y = flops / best * 1e-9;
        TIME(k->gemm(c, &(dho_gemm_shape){.m = m, .n = p, .k = n, .alpha = 1}, out, b, a));
        const double dx = flops / best * 1e-9;
        TIME(k->gemm(
            c,
            &(dho_gemm_shape){.transpose_a = true, .m = n, .n = p, .k = m, .alpha = 1, .beta = 1},
            out, a, b));
        printf("  %5d x %4d x %4d  x wT %6.1f  dy w %6.1f  dyT x %6.1f\n", m, n, p, y, dx,
               flops / best * 1e-9);
        dho_free(a), dho_free(b), dho_free(out);
    }
}

static void line(const char *name, size_t floats_touched, double seconds)
{
    printf("  %-26s %6.1f\n", name, (double)floats_touched * 4 / seconds * 1e-9);
    fflush(stdout);
}

static void bench_norm(dho_compute *c, int64_t rows, int channels)
{
    const dho_activation relu = DHO_ACTIVATION_RELU;
    const dho_kernels *k = dho_compute_kernels(c);
    const size_t n = (size_t)rows * (size_t)channels;
    float *x = floats(n), *y = floats(n), *dy = floats(n), *dx = floats(n), *extra = floats(n);
    float *v[6];
    for (int i = 0; i < 6; i++) v[i] = floats((size_t)channels);
    double best;
    printf(" rows %lld, channels %d (%.1f MB a tensor), GB/s\n", (long long)rows, channels,
           (double)n * 4e-6);
    const dho_batch_norm_shape shape = {
        .rows = rows, .channels = channels, .eps = 1e-5f, .activation = relu};
    TIME(k->batch_norm_forward(
        c, &shape, &(dho_batch_norm_tensors){.x = x, .gamma = v[0], .beta = v[1], .y = y}, v[2],
        v[3], v[4]));
    line("bn fwd relu", 3 * n, best);
    TIME(k->batch_norm_forward(
        c, &shape,
        &(dho_batch_norm_tensors){.x = x, .gamma = v[0], .beta = v[1], .residual = extra, .y = y},
        v[2], v[3], v[4]));
    line("bn fwd residual relu", 4 * n, best);
    dho_batch_norm_gradients gradients = {.x = x,
                                          .gamma = v[0],
                                          .beta = v[1],
                                          .y = y,
                                          .dy = dy,
                                          .dx = dx,
                                          .dgamma = v[4],
                                          .dbeta = v[5]};
    TIME(k->batch_norm_backward(c, &shape, &gradients, v[2], v[3]));
    line("bn bwd relu", 7 * n, best);
    gradients.dresidual = extra;
    TIME(k->batch_norm_backward(c, &shape, &gradients, v[2], v[3]));
    line("bn bwd residual relu", 7 * n, best);
    TIME(k->batch_norm_inference(
        c, &shape, &(dho_batch_norm_tensors){.x = x, .gamma = v[0], .beta = v[1], .y = y}, v[2],
        v[4]));
    line("bn inference relu", 2 * n, best);
    TIME(k->add(c, n, x, y, dx));
    line("add", 3 * n, best);
    TIME(k->sum_rows(c, &(dho_rows_shape){rows, channels}, dy, v[5]));
    line("sum_rows", n, best);
    dho_free(x), dho_free(y), dho_free(dy), dho_free(dx), dho_free(extra);
    for (int i = 0; i < 6; i++) dho_free(v[i]);
}

static void bench_rest(dho_compute *c)
{
    const dho_kernels *k = dho_compute_kernels(c);
    const dho_pool_shape s = {16, 112, 112, 64, 56, 56, 3, 2, 1};
    const size_t in = 16u * 112 * 112 * 64, out = in / 4, parameters = 11700000;
    float *x = floats(in), *y = floats(out);
    uint8_t *argmax;
    double best;
    need(dho_alloc(&argmax, out, 1, "bench"));
    printf(" others, GB/s\n");
    TIME(k->max_pool_forward(c, &s, x, y, argmax));
    line("max pool fwd 112 px", in + out + out / 4, best);
    TIME(k->max_pool_backward(c, &s, y, argmax, false, x));
    line("max pool bwd 112 px", in + out + out / 4, best);
    dho_free(argmax), dho_free(x), dho_free(y);
    x = floats(64 * 49 * 512), y = floats(64 * 512);
    TIME(k->average_pool_forward(c, &(dho_places_shape){64, 49, 512}, x, y));
    line("average pool fwd", 64 * 50 * 512, best);
    dho_free(x), dho_free(y);
    float *p[4];
    for (int i = 0; i < 4; i++) p[i] = floats(parameters);
    memset(p[3], 0, parameters * sizeof *p[3]);
    TIME(k->adamw(c, parameters,
                  &(dho_adamw_step){.step = 1,
                                    .lr = 1e-3,
                                    .beta1 = 0.9,
                                    .beta2 = 0.999,
                                    .eps = 1e-8,
                                    .weight_decay = 0.01,
                                    .gradient_scale = 1},
                  p[1], p[0], p[2], p[3]));
    line("adamw 11.7M", 7 * parameters, best);
    TIME(k->sgd(
        c, parameters,
        &(dho_sgd_step){
            .step = 2, .lr = 1e-3, .momentum = 0.9, .weight_decay = 1e-4, .gradient_scale = 1},
        p[1], p[0], p[2]));
    line("sgd 11.7M", 5 * parameters, best);
    for (int i = 0; i < 4; i++) dho_free(p[i]);
}

static void bench(const char *name, dho_backend backend, int threads)
{
    static const layer depthwise = {"depthwise 3x3", 1, 56, 144, 144, 3, 1, 1};
    double total[5] = {0};
    dho_compute *c;
    need(dho_compute_create(&c, backend, DHO_DTYPE_FP32, threads));
    printf("== %s, %d thread%s\n", name, threads, threads > 1 ? "s" : "");
    bench_network(c, "ResNet-18 width 64, 224 px, batch 16", 224, 64, 16);
    bench_network(c, "ResNet-18 width 32, 64 px, batch 32", 64, 32, 32);
    bench_conv(c, &depthwise, 16, 144, total);
    dho_compute_destroy(&c);
}

int main(int argc, char **argv)
{
    static const int usual[] = {1, 2};
    if (argc > 1) budget = strtod(argv[1], NULL);
    const int runs = argc > 2 ? argc - 2 : 2;
    for (int i = 0; i < runs; i++) {
        const int threads = argc > 2 ? atoi(argv[i + 2]) : usual[i];
        cpu_time = threads == 1 && getenv("DHO_BENCH_CPU") != NULL;
        for (const char *const *name = dho_compute_backends(); *name != NULL; name++) {
            if (strcmp(*name, "onednn") == 0) bench(*name, DHO_BACKEND_ONEDNN, threads);
            if (strcmp(*name, "blis") == 0) bench(*name, DHO_BACKEND_BLIS, threads);
        }
        /* The element-wise kernels and gemm are the same in both. */
        dho_compute *c;
        need(dho_compute_create(&c, DHO_BACKEND_AUTO, DHO_DTYPE_FP32, threads));
        printf("== shared, %d thread%s\n", threads, threads > 1 ? "s" : "");
        bench_gemm(c);
        bench_norm(c, 16 * 112 * 112, 64);
        bench_norm(c, 32 * 8 * 8, 64);
        bench_norm(c, 16 * 7 * 7, 512);
        bench_rest(c);
        dho_compute_destroy(&c);
    }
    return 0;
}
