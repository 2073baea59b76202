/* Which kernel computes which shape. Convolutions and linear layers have more than one kernel that
 * can compute them; a rule chooses (docs/design.md, Backends), or a table does that `dho bench
 * tune` has measured on a processor (docs/tuning.md has the file's format). A table says which
 * kernel, never what it computes: results differ in their last bits only. All Local. */
#ifndef DHO_TUNING_H
#define DHO_TUNING_H

#include "dho/compute.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What is chosen for: X(name in files, enumerator, its calls as bits of dho_call). */
#define DHO_TUNED_OPERATIONS(X)                                                    \
    X(conv_forward, CONV_FORWARD, DHO_CALL_FORWARD | DHO_CALL_FORWARD_BIAS)        \
    X(conv_data, CONV_DATA, DHO_CALL_DATA | DHO_CALL_DATA_ADD)                     \
    X(conv_weights, CONV_WEIGHTS, DHO_CALL_WEIGHTS)                                \
    X(linear_forward, LINEAR_FORWARD,                                              \
      DHO_CALL_FORWARD | DHO_CALL_FORWARD_BIAS | DHO_CALL_ADD | DHO_CALL_ADD_BIAS) \
    X(linear_data, LINEAR_DATA, DHO_CALL_DATA | DHO_CALL_DATA_ADD)                 \
    X(linear_weights, LINEAR_WEIGHTS, DHO_CALL_WEIGHTS)

typedef enum dho_tuned_operation {
#define DHO_TUNED(word, id, calls) DHO_TUNED_##id,
    DHO_TUNED_OPERATIONS(DHO_TUNED)
#undef DHO_TUNED
        DHO_TUNED_COUNT
} dho_tuned_operation;

/* A place where a kernel is chosen. What it does not use is 0: create it by these functions. */
typedef struct dho_kernel_site {
    dho_tuned_operation operation;
    dho_compute_dtype dtype;
    dho_conv_shape conv; /* of a convolution; its batch is the one that algorithms are chosen by */
    dho_linear_shape linear; /* of a linear layer */
} dho_kernel_site;

/* `call`: any of the operation's calls. A fused convolution has no site: the rule chooses it. */
dho_kernel_site dho_kernel_site_of_conv(const dho_conv_shape *shape, dho_compute_dtype dtype,
                                        dho_call call);
dho_kernel_site dho_kernel_site_of_linear(const dho_linear_shape *shape, dho_compute_dtype dtype,
                                          dho_call call);
bool dho_kernel_site_is_same(const dho_kernel_site *a, const dho_kernel_site *b);
bool dho_kernel_site_is_conv(const dho_kernel_site *site);
/* "conv_forward fp32 32x56x56x64 to 56x56x64 kernel 3x3 stride 1 padding 1 groups 1": its words in
 * a table; 160 bytes are enough. */
void dho_kernel_site_describe(const dho_kernel_site *site, char *out, size_t bytes);

/* --- a table --- */

typedef struct dho_tuning dho_tuning;

enum { DHO_CHOICE_BYTES = 16 };

/* An empty table, measured here and now: by this processor, with so many threads a kernel. */
dho_status dho_tuning_create(dho_tuning **out, int threads);
void dho_tuning_destroy(dho_tuning **tuning);
/* choice: a name of dho_compute_candidate. note: becomes a comment; may be NULL.
 * Errors: DHO_ERR_CONFIG when the site is there already, or no kernel has that name. */
dho_status dho_tuning_add(dho_tuning *tuning, const dho_kernel_site *site, const char *choice,
                          const char *note);

/* Reads a table's text; `name` stands for the file. Errors: DHO_ERR_CONFIG "name:line: ...". */
dho_status dho_tuning_parse(dho_tuning **out, const char *text, size_t bytes, const char *name);
/* Reads a file, or of a folder's files *.tuning the first, by name, that was measured on a
 * processor as this one; *out NULL: the folder has none. Errors: DHO_ERR_CONFIG. */
dho_status dho_tuning_read(dho_tuning **out, const char *path);
/* The table as text, with its notes; parse reads it. *out is owned: dho_free. */
dho_status dho_tuning_format(const dho_tuning *tuning, char **out);

/* NULL: the table says nothing of this site. */
const char *dho_tuning_find(const dho_tuning *tuning, const dho_kernel_site *site);
size_t dho_tuning_count(const dho_tuning *tuning);
int dho_tuning_threads(const dho_tuning *tuning);
/* Was it measured on a processor with the features and caches of this one? */
bool dho_tuning_is_of_this_processor(const dho_tuning *tuning);
/* Do they choose the same, of the same processor? Notes do not count. */
bool dho_tuning_is_same(const dho_tuning *a, const dho_tuning *b);

/* --- a context that follows one --- */

/* From now on what is reserved is chosen by the table (borrowed; NULL: by the rule). Reserving is
 * then also DHO_ERR_CONFIG where the table's kernel cannot do a shape. */
void dho_compute_tune(dho_compute *compute, const dho_tuning *tuning);
/* Instead: this kernel wherever it can do a shape, else the rule (measurements, tests). */
void dho_compute_prefer(dho_compute *compute, const char *choice);
/* The kernel that a reserved site has; "ref": the reference's loops, which nothing chooses. */
const char *dho_compute_chosen(const dho_compute *compute, const dho_kernel_site *site);
/* The i-th kernel of the context's backend that could do a site; NULL: there are no more. */
const char *dho_compute_candidate(const dho_compute *compute, const dho_kernel_site *site,
                                  size_t i);
/* Is told each site as it is reserved, before it is; NULL: nobody is. */
typedef void (*dho_site_observer)(void *context, const dho_kernel_site *site);
void dho_compute_watch_sites(dho_compute *compute, dho_site_observer see, void *context);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
