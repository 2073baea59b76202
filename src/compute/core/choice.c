#include "compute/core/choice.h"

#include "dho/alloc.h"

#include <stdio.h>
#include <string.h>

typedef struct dho_taken {
    dho_kernel_site site;
    const dho_kernel_table *table;
} taken;

static const char *const words[] = {
#define DHO_TUNED(word, id, calls) #word,
    DHO_TUNED_OPERATIONS(DHO_TUNED)
#undef DHO_TUNED
};
static const unsigned calls_of[] = {
#define DHO_TUNED(word, id, calls) calls,
    DHO_TUNED_OPERATIONS(DHO_TUNED)
#undef DHO_TUNED
};

const char *dho_choice_word(dho_tuned_operation operation)
{
    return words[operation];
}

unsigned dho_choice_calls(dho_tuned_operation operation)
{
    return calls_of[operation];
}

bool dho_choice_is_conv(dho_tuned_operation operation)
{
    return operation <= DHO_TUNED_CONV_WEIGHTS;
}

bool dho_kernel_site_is_conv(const dho_kernel_site *site)
{
    return dho_choice_is_conv(site->operation);
}

static dho_tuned_operation operation_of(bool conv, dho_call call)
{
    int i = 0;
    while (dho_choice_is_conv((dho_tuned_operation)i) != conv || (calls_of[i] & call) == 0) i++;
    return (dho_tuned_operation)i;
}

dho_kernel_site dho_kernel_site_of_conv(const dho_conv_shape *shape, dho_compute_dtype dtype,
                                        dho_call call)
{
    dho_kernel_site site = {.operation = operation_of(true, call), .dtype = dtype, .conv = *shape};
    if (shape->plan_batch > 0) site.conv.batch = shape->plan_batch;
    site.conv.plan_batch = 0;
    site.conv.adds = 0;
    site.conv.activation = DHO_ACTIVATION_NONE;
    return site;
}

dho_kernel_site dho_kernel_site_of_linear(const dho_linear_shape *shape, dho_compute_dtype dtype,
                                          dho_call call)
{
    return (dho_kernel_site){
        .operation = operation_of(false, call), .dtype = dtype, .linear = *shape};
}

void dho_kernel_site_describe(const dho_kernel_site *site, char *out, size_t bytes)
{
    const char *word = dho_choice_word(site->operation);
    const char *dtype = site->dtype == DHO_DTYPE_BF16 ? "bf16" : "fp32";
    const dho_conv_shape *s = &site->conv;
    if (!dho_kernel_site_is_conv(site))
        snprintf(out, bytes, "%s %s %lldx%d to %d", word, dtype, (long long)site->linear.rows,
                 site->linear.in, site->linear.out);
    else
        snprintf(out, bytes,
                 "%s %s %dx%dx%dx%d to %dx%dx%d kernel %dx%d stride %d padding %d groups %d", word,
                 dtype, s->batch, s->in_h, s->in_w, s->in_c, s->out_h, s->out_w, s->out_c,
                 s->kernel_h, s->kernel_w, s->stride, s->padding, s->groups);
}

bool dho_kernel_site_is_same(const dho_kernel_site *a, const dho_kernel_site *b)
{
    const dho_conv_shape *s = &a->conv, *t = &b->conv;
    return a->operation == b->operation && a->dtype == b->dtype && s->batch == t->batch &&
           s->in_h == t->in_h && s->in_w == t->in_w && s->in_c == t->in_c && s->out_h == t->out_h &&
           s->out_w == t->out_w && s->out_c == t->out_c && s->kernel_h == t->kernel_h &&
           s->kernel_w == t->kernel_w && s->stride == t->stride && s->padding == t->padding &&
           s->groups == t->groups && a->linear.rows == b->linear.rows &&
           a->linear.in == b->linear.in && a->linear.out == b->linear.out;
}

void dho_compute_tune(dho_compute *compute, const dho_tuning *tuning)
{
    compute->choices.tuning = tuning;
}

void dho_compute_prefer(dho_compute *compute, const char *name)
{
    compute->choices.preferred = name;
}

void dho_compute_watch_sites(dho_compute *compute, dho_site_observer see, void *context)
{
    compute->choices.see = see;
    compute->choices.see_context = context;
}

const char *dho_compute_chosen(const dho_compute *compute, const dho_kernel_site *site)
{
    const dho_call call = dho_call_lowest(calls_of[site->operation]);
    const dho_kernel_table *table = dho_kernel_site_is_conv(site)
                                        ? dho_conv_choose(compute, &site->conv, call)
                                        : dho_linear_choose(compute, &site->linear, call);
    return table->choice != NULL ? table->choice : "ref";
}

/* Could this table do the site? */
static bool could(const dho_compute *compute, const dho_kernel_table *table,
                  const dho_kernel_site *site)
{
    const bool conv = dho_kernel_site_is_conv(site);
    if (table->choice == NULL || (compute->dtype != DHO_DTYPE_FP32 && !table->in_bf16))
        return false;
    if (!conv) return table->kernels.linear_forward != NULL;
    return table->kernels.conv_forward != NULL &&
           (table->planning.conv_fits == NULL || table->planning.conv_fits(&site->conv));
}

const char *dho_compute_candidate(const dho_compute *compute, const dho_kernel_site *site, size_t i)
{
    for (const dho_kernel_table *const *t = compute->tables; *t != NULL; t++)
        if (could(compute, *t, site) && i-- == 0) return (*t)->choice;
    return NULL;
}

void dho_choices_tell(dho_compute *compute, const dho_kernel_site *site)
{
    if (compute->choices.see != NULL) compute->choices.see(compute->choices.see_context, site);
}

dho_status dho_choices_look(const dho_compute *compute, const dho_kernel_site *site,
                            const dho_kernel_table **out)
{
    const dho_choices *choices = &compute->choices;
    const char *name = choices->preferred;
    *out = NULL;
    if (name == NULL && choices->tuning != NULL) name = dho_tuning_find(choices->tuning, site);
    if (name == NULL) return DHO_OK;
    for (const dho_kernel_table *const *t = compute->tables; *t != NULL && *out == NULL; t++)
        if (could(compute, *t, site) && strcmp((*t)->choice, name) == 0) *out = *t;
    return *out != NULL ? DHO_OK : dho_choices_refuse(compute, site);
}

dho_status dho_choices_take(dho_compute *compute, const dho_kernel_site *site,
                            const dho_kernel_table *table)
{
    dho_choices *c = &compute->choices;
    if (dho_choices_find(compute, site) != NULL) return DHO_OK;
    DHO_TRY(dho_grow(&c->taken, c->count, &c->capacity, sizeof *c->taken, "choices of kernels"));
    c->taken[c->count++] = (taken){*site, table};
    return DHO_OK;
}

dho_status dho_choices_refuse(const dho_compute *compute, const dho_kernel_site *site)
{
    char what[160];
    const dho_tuning *tuning = compute->choices.tuning;
    if (compute->choices.preferred != NULL || tuning == NULL) return DHO_OK;
    dho_kernel_site_describe(site, what, sizeof what);
    return dho_fail(DHO_ERR_CONFIG,
                    "compute.tuning: \"%s\" has no %s kernel in backend %s on this processor: dho "
                    "bench tune measures anew",
                    what, dho_tuning_find(tuning, site), compute->kernels.name);
}

const dho_kernel_table *dho_choices_find(const dho_compute *compute, const dho_kernel_site *site)
{
    for (size_t i = 0; i < compute->choices.count; i++)
        if (dho_kernel_site_is_same(&compute->choices.taken[i].site, site))
            return compute->choices.taken[i].table;
    return NULL;
}

void dho_choices_free(dho_compute *compute)
{
    dho_free(compute->choices.taken);
    compute->choices = (dho_choices){0};
}
