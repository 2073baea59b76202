/* How fast the training loader reads a configuration's images. Private to src and tools. */
#ifndef DHO_BENCH_LOADER_RATE_H
#define DHO_BENCH_LOADER_RATE_H

#include "dho/config.h"
#include "dho/dataset.h"
#include "dho/loader.h"

typedef struct dho_loader_rate {
    int threads;
    double seconds;         /* that were measured */
    dho_loader_stats stats; /* of those seconds */
    double processor;       /* seconds of the processor's cores in that time */
} dho_loader_rate;

/* Random crops of all images, which count as unlabelled ones, in batches of 64 for `seconds`. The
 * clock starts when the first batch is there. Local. */
dho_status dho_loader_rate_measure(const dho_config *config, const dho_dataset *dataset,
                                   double seconds, dho_loader_rate *out);

#endif
