/* Shared by the kernel tests: fresh random inputs, the built backends, comparison. */
#ifndef DHO_TESTS_KERNEL_TEST_H
#define DHO_TESTS_KERNEL_TEST_H

#include "check_main.h"
#include "conv_shape.h"
#include "dho/compute.h"
#include "dho/rng.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include <time.h>

/* A seed of its own for each run, printed, so that a failure can be had again. */
static inline dho_rng test_rng(uint64_t id)
{
    const char *given = getenv("DHO_TEST_SEED");
    const uint64_t seed =
        given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 1000003u + id;
    printf("DHO_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    dho_rng rng;
    dho_rng_init(&rng, seed, DHO_RNG_TEST, 0, id);
    return rng;
}

static inline float *random_floats(dho_rng *rng, size_t count, double mean, double deviation)
{
    float *out;
    ck_assert_ok(dho_alloc(&out, count, sizeof *out, "test"));
    for (size_t i = 0; i < count; i++) out[i] = (float)(mean + deviation * dho_rng_normal(rng));
    return out;
}

static inline float *copy_floats(const float *from, size_t count)
{
    float *out;
    ck_assert_ok(dho_alloc(&out, count, sizeof *out, "test"));
    memcpy(out, from, count * sizeof *out);
    return out;
}

/* NaN everywhere: shows what a kernel leaves out, and any read of an output. */
static inline float *nan_floats(size_t count)
{
    float *out;
    ck_assert_ok(dho_alloc(&out, count, sizeof *out, "test"));
    for (size_t i = 0; i < count; i++) out[i] = NAN;
    return out;
}

static inline dho_backend backend_of(const char *name)
{
    if (strcmp(name, "ref") == 0) return DHO_BACKEND_REF;
    return strcmp(name, "blis") == 0 ? DHO_BACKEND_BLIS : DHO_BACKEND_ONEDNN;
}

static inline dho_compute *open_backend(const char *name, int threads)
{
    dho_compute *compute;
    ck_assert_ok(dho_compute_create(&compute, backend_of(name), DHO_DTYPE_FP32, threads));
    ck_assert_str_eq(dho_compute_kernels(compute)->name, name);
    return compute;
}

/* |a - b| <= absolute + relative |b| for all elements. Check notes each assertion in a file, so
 * only a failure becomes one. */
static inline void check_close(const char *what, const float *a, const float *b, size_t count,
                               double absolute, double relative)
{
    for (size_t i = 0; i < count; i++) {
        const double difference = fabs((double)a[i] - (double)b[i]);
        const double allowed = absolute + relative * fabs((double)b[i]);
        if (difference <= allowed) continue; /* a NaN is not */
        ck_abort_msg("%s [%zu of %zu]: %.9g, expected %.9g (difference %g, allowed %g)", what, i,
                     count, (double)a[i], (double)b[i], difference, allowed);
    }
}

/* Tolerance of a float sum of `terms` products of standard normals against a double one: the sum
 * is about sqrt(terms), each of its additions rounds by eps times that, and independent roundings
 * grow by sqrt(terms) again; 4 for the tails. */
static inline double sum_tolerance(double terms)
{
    return 4 * (double)FLT_EPSILON * (sqrt(terms) * sqrt(terms) + 1);
}

#endif
