#define _GNU_SOURCE
#include "bench/tune_site.h"
#include "bench/team.h"

#include "base/clock.h"
#include "base/compare.h"
#include "dho/alloc.h"

#include <string.h>

/* Elements of the two activations and of the weights. */
typedef struct sizes {
    size_t in, out, weights, channels;
} sizes;

typedef struct worker {
    const dho_kernel_site *site; /* borrowed, as is the team */
    dho_team *team;
    double limit; /* seconds */
    dho_compute *compute;
    void *x, *y;
    float *w, *bias, *fill;
    double seconds; /* of a call: the best */
} worker;

static sizes sizes_of(const dho_kernel_site *site)
{
    const dho_conv_shape *s = &site->conv;
    const dho_linear_shape *l = &site->linear;
    if (!dho_kernel_site_is_conv(site))
        return (sizes){(size_t)l->rows * (size_t)l->in, (size_t)l->rows * (size_t)l->out,
                       (size_t)l->in * (size_t)l->out, (size_t)l->out};
    return (sizes){(size_t)s->batch * (size_t)s->in_h * (size_t)s->in_w * (size_t)s->in_c,
                   (size_t)s->batch * (size_t)s->out_h * (size_t)s->out_w * (size_t)s->out_c,
                   (size_t)s->out_c * (size_t)s->kernel_h * (size_t)s->kernel_w *
                       (size_t)(s->in_c / s->groups),
                   (size_t)s->out_c};
}

/* The call of a training step; a linear layer has a bias more often than not, a convolution not. */
static dho_call call_of(const dho_kernel_site *site)
{
    switch (site->operation) {
    case DHO_TUNED_CONV_FORWARD:
        return DHO_CALL_FORWARD;
    case DHO_TUNED_LINEAR_FORWARD:
        return DHO_CALL_FORWARD_BIAS;
    case DHO_TUNED_CONV_DATA:
    case DHO_TUNED_LINEAR_DATA:
        return DHO_CALL_DATA;
    default:
        return DHO_CALL_WEIGHTS;
    }
}

static void run_call(worker *k)
{
    const dho_kernels *kernels = dho_compute_kernels(k->compute);
    const dho_conv_shape *s = &k->site->conv;
    const dho_linear_shape *l = &k->site->linear;
    switch (k->site->operation) {
    case DHO_TUNED_CONV_FORWARD:
        kernels->conv_forward(k->compute, s, k->x, k->w, NULL, k->y);
        break;
    case DHO_TUNED_CONV_DATA:
        kernels->conv_backward_data(k->compute, s, k->y, k->w, false, k->x);
        break;
    case DHO_TUNED_CONV_WEIGHTS:
        kernels->conv_backward_weights(k->compute, s, k->x, k->y, k->w, NULL);
        break;
    case DHO_TUNED_LINEAR_FORWARD:
        kernels->linear_forward(k->compute, l, k->x, k->w, k->bias, k->y);
        break;
    case DHO_TUNED_LINEAR_DATA:
        kernels->linear_backward_data(k->compute, l, k->y, k->w, false, k->x);
        break;
    default:
        kernels->linear_backward_weights(k->compute, l, k->x, k->y, k->w, NULL);
    }
}

static dho_status reserve(dho_compute *compute, const dho_kernel_site *site)
{
    return dho_kernel_site_is_conv(site)
               ? dho_compute_reserve_conv(compute, &site->conv, call_of(site))
               : dho_compute_reserve_linear(compute, &site->linear, call_of(site));
}

/* Numbers of both signs, none of them tiny. */
static void fill(float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = (float)((i * 7919) % 251) / 125.0f - 1.003f;
}

static dho_status open_tensor(worker *k, size_t count, void **out)
{
    DHO_TRY(dho_alloc(out, count, dho_compute_element_bytes(k->compute), "benchmark data"));
    dho_compute_kernels(k->compute)->store(k->compute, count, k->fill, *out);
    return DHO_OK;
}

static dho_status open_worker(worker *k, const dho_tune_options *o, const char *name)
{
    const sizes s = sizes_of(k->site);
    const size_t most = s.in > s.out ? s.in : s.out;
    DHO_TRY(dho_compute_create(&k->compute, o->backend, k->site->dtype, o->threads));
    dho_compute_prefer(k->compute, name);
    DHO_TRY(reserve(k->compute, k->site));
    DHO_TRY(dho_alloc(&k->fill, most, sizeof(float), "benchmark data"));
    fill(k->fill, most);
    DHO_TRY(open_tensor(k, s.in, &k->x));
    DHO_TRY(open_tensor(k, s.out, &k->y));
    DHO_TRY(dho_alloc(&k->w, s.weights, sizeof(float), "benchmark data"));
    DHO_TRY(dho_alloc_zero(&k->bias, s.channels, sizeof(float), "benchmark data"));
    fill(k->w, s.weights);
    return DHO_OK;
}

static void close_worker(worker *k)
{
    dho_compute_destroy(&k->compute);
    dho_free(k->x);
    dho_free(k->y);
    dho_free(k->w);
    dho_free(k->bias);
    dho_free(k->fill);
}

/* The best of at least three calls: what else the machine does makes some of them longer. */
static void run_worker(void *context)
{
    enum { LEAST = 3 };
    worker *k = context;
    pthread_barrier_wait(&k->team->barrier);
    run_call(k); /* takes the memory, too */
    pthread_barrier_wait(&k->team->barrier);
    const double start = dho_seconds_now();
    k->seconds = 1e30;
    for (int i = 0; i < LEAST || dho_seconds_now() - start < k->limit; i++) {
        const double begin = dho_seconds_now();
        run_call(k);
        k->seconds = dho_smaller(k->seconds, dho_seconds_now() - begin);
    }
}

/* Seconds of a call; 0: this kernel cannot do it. */
static dho_status time_candidate(const dho_kernel_site *site, const dho_tune_options *o,
                                 const char *name, double *out)
{
    dho_team team;
    worker *workers;
    *out = 0;
    DHO_TRY(dho_alloc_zero(&workers, (size_t)o->copies, sizeof *workers, "benchmark"));
    dho_status status = DHO_OK;
    for (int i = 0; i < o->copies && status == DHO_OK; i++) {
        workers[i] = (worker){.team = &team, .site = site, .limit = o->seconds};
        status = open_worker(&workers[i], o, name);
    }
    const bool does =
        status == DHO_OK && strcmp(dho_compute_chosen(workers[0].compute, site), name) == 0;
    if (does) status = dho_team_run(&team, o->copies, run_worker, workers, sizeof *workers);
    for (int i = 0; i < o->copies; i++) {
        *out += does ? workers[i].seconds / o->copies : 0;
        close_worker(&workers[i]);
    }
    dho_free(workers);
    return status == DHO_ERR_CONFIG ? DHO_OK : status;
}

/* The names of all that might do it, and the rule's. */
static dho_status look(const dho_kernel_site *site, const dho_tune_options *o, dho_tune_found *out,
                       const char **rule)
{
    dho_compute *compute;
    DHO_TRY(dho_compute_create(&compute, o->backend, site->dtype, o->threads));
    const dho_status status = reserve(compute, site);
    if (status == DHO_OK) *rule = dho_compute_chosen(compute, site);
    while (status == DHO_OK && out->count < DHO_TUNE_CANDIDATES) {
        const char *name = dho_compute_candidate(compute, site, (size_t)out->count);
        if (name == NULL) break;
        out->names[out->count++] = name;
    }
    dho_compute_destroy(&compute);
    return status;
}

dho_status dho_tune_site(const dho_kernel_site *site, const dho_tune_options *options,
                         dho_tune_found *out)
{
    static const double CLEARLY = 0.97;
    const char *rule = "";
    dho_tune_found all = {0};
    *out = (dho_tune_found){0};
    DHO_TRY(look(site, options, &all, &rule));
    for (int i = 0; i < all.count; i++) {
        double seconds;
        DHO_TRY(time_candidate(site, options, all.names[i], &seconds));
        if (seconds <= 0) continue;
        if (strcmp(all.names[i], rule) == 0) out->rule = out->count;
        out->names[out->count] = all.names[i];
        out->seconds[out->count++] = seconds;
    }
    out->best = out->rule;
    for (int i = 0; i < out->count; i++)
        if (out->seconds[i] < CLEARLY * out->seconds[out->rule] &&
            out->seconds[i] < out->seconds[out->best])
            out->best = i;
    return DHO_OK;
}
