/* A student that trains as a script of tests/golden trained it with PyTorch, and how far the two
 * are apart. */
#ifndef DHO_TESTS_GOLDEN_RUN_H
#define DHO_TESTS_GOLDEN_RUN_H

#include "base/compare.h"
#include "dho/compute.h"
#include "dho/safetensors.h"
#include "dho/state_dict.h"
#include "dho/student.h"
#include "floats.h"

#include <math.h>

static const dho_backend backends[] = {DHO_BACKEND_REF, DHO_BACKEND_BLIS, DHO_BACKEND_ONEDNN};
enum { BACKENDS = sizeof backends / sizeof *backends };

typedef struct golden_run {
    dho_safetensors *golden;
    dho_compute *compute;
    dho_student student;
    dho_executor *executor;
    size_t floats, buffer_floats, image_floats; /* of parameters, buffers, a batch of images */
    float *parameters, *buffers, *gradients, *statistics, *moment1, *moment2, *expected;
    float *images, *teacher; /* of two batches */
} golden_run;

#define skip_without(backend)                                                    \
    do {                                                                         \
        dho_compute *compute_;                                                   \
        if (dho_compute_create(&compute_, backend, DHO_DTYPE_FP32, 1) != DHO_OK) \
            skip_test("%s", dho_error_message());                                \
        dho_compute_destroy(&compute_);                                          \
    } while (0)

static inline const dho_tensor_view *tensor_of(const dho_safetensors *file, const char *name)
{
    const dho_tensor_view *tensor = dho_safetensors_find(file, name);
    ck_assert_msg(tensor != NULL, "%s is not in the golden file", name);
    return tensor;
}

static inline void read_floats(const dho_safetensors *file, const char *name, float *out)
{
    dho_tensor_to_float(tensor_of(file, name), out);
}

/* The compute context is there. For training with batches of `rows`. */
static inline void golden_run_open(golden_run *r, const dho_student_options *options, int rows)
{
    ck_assert_ok(dho_student_create(&r->student, options));
    const dho_executor_options execution = {.compute = r->compute, .batch = rows, .training = true};
    ck_assert_ok(dho_executor_create(&r->executor, r->student.graph, &execution));
    r->floats = dho_graph_parameter_floats(r->student.graph);
    r->buffer_floats = dho_graph_buffer_floats(r->student.graph);
    r->image_floats = (size_t)(rows * options->image_size * options->image_size * 3);
    r->parameters = slab(r->floats);
    r->gradients = slab(r->floats);
    r->moment1 = slab(r->floats);
    r->moment2 = slab(r->floats);
    r->expected = slab(r->floats + r->buffer_floats);
    r->buffers = slab(r->buffer_floats);
    r->statistics = slab(2 * r->buffer_floats);
    r->images = slab(2 * r->image_floats);
    r->teacher = slab((size_t)(2 * rows * options->classes));
    dho_graph_initialise(r->student.graph, 1, r->parameters, r->buffers);
}

static inline void golden_run_close(golden_run *r)
{
    float *const slabs[] = {r->parameters, r->buffers,  r->gradients, r->statistics, r->moment1,
                            r->moment2,    r->expected, r->images,    r->teacher};
    for (size_t i = 0; i < sizeof slabs / sizeof *slabs; i++) dho_free(slabs[i]);
    dho_executor_destroy(&r->executor);
    dho_student_destroy(&r->student);
    dho_compute_destroy(&r->compute);
    dho_safetensors_close(&r->golden);
}

/* The images of the file, as the executor reads them. */
static inline void golden_run_images(golden_run *r, size_t floats)
{
    float *pixels = slab(floats);
    read_floats(r->golden, "images", pixels);
    dho_compute_kernels(r->compute)->store(r->compute, floats, pixels, r->images);
    dho_free(pixels);
}

static inline double largest(size_t count, const float *values)
{
    double scale = 0;
    for (size_t i = 0; i < count; i++) scale = dho_larger_or_nan(scale, fabs((double)values[i]));
    return scale;
}

/* max |a - b| / max |b|, or over `scale_of_zero` where b is zero but for float64's rounding. */
static inline double relative_error(size_t count, const float *a, const float *b,
                                    double scale_of_zero)
{
    double error = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(a[i])) return INFINITY;
        error = dho_larger_or_nan(error, fabs((double)a[i] - b[i]));
    }
    const double scale = largest(count, b);
    return error > 0 ? error / (scale > 1e-12 ? scale : scale_of_zero) : 0;
}

/* The largest error of a tensor, which is at most 1e-4; prefix: of the names in the file. */
static inline double compare_slots(golden_run *r, const dho_safetensors *golden, bool buffers,
                                   const char *prefix, const float *values, double scale_of_zero)
{
    double worst = 0;
    const dho_graph *graph = r->student.graph;
    ck_assert_ok(dho_state_dict_load(golden, graph, buffers, prefix, r->expected));
    const size_t count = buffers ? dho_graph_buffer_count(graph) : dho_graph_parameter_count(graph);
    for (size_t i = 0; i < count; i++) {
        const dho_slot *slot = buffers ? dho_graph_buffer(graph, i) : dho_graph_parameter(graph, i);
        const double error = relative_error(slot->count, values + slot->offset,
                                            r->expected + slot->offset, scale_of_zero);
        ck_assert_msg(error <= 1e-4, "%s%s: relative error %g", prefix, slot->name, error);
        worst = dho_larger_or_nan(worst, error);
    }
    return worst;
}

/* Weights and running statistics after `steps` steps; `name` for what is printed. */
static inline void compare_after(golden_run *r, const dho_safetensors *golden, const char *name,
                                 int steps, const float *parameters, const float *buffers)
{
    const double weights = compare_slots(r, golden, false, "", parameters, 0);
    const double statistics = compare_slots(r, golden, true, "", buffers, 0);
    printf("%s, %s: relative errors after %d steps: weights %.1e, running statistics %.1e\n", name,
           dho_compute_kernels(r->compute)->name, steps, weights, statistics);
}

/* |a - b|^2 and |b|^2, added up. */
static inline void add_distance(size_t count, const float *a, const float *b, double sums[2])
{
    for (size_t i = 0; i < count; i++) {
        sums[0] += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        sums[1] += (double)b[i] * b[i];
    }
}

#endif
