/* How long each kernel takes for one shape. Private to tools/bench. */
#ifndef DHO_BENCH_TUNE_SITE_H
#define DHO_BENCH_TUNE_SITE_H

#include "dho/tuning.h"

enum { DHO_TUNE_CANDIDATES = 8 };

typedef struct dho_tune_options {
    dho_backend backend;
    int threads; /* of a kernel */
    int copies;  /* side by side, as a rank's lanes are */
    double seconds;
} dho_tune_options;

typedef struct dho_tune_found {
    const char *names[DHO_TUNE_CANDIDATES]; /* that could do it */
    double seconds[DHO_TUNE_CANDIDATES];    /* of a call */
    int count;
    int rule, best; /* indices: what the rule takes; the fastest, the rule's unless it is clearly
                       slower */
} dho_tune_found;

/* Local. Errors: DHO_ERR_MEMORY, and DHO_ERR_CONFIG where nothing can do the site. */
dho_status dho_tune_site(const dho_kernel_site *site, const dho_tune_options *options,
                         dho_tune_found *out);

#endif
