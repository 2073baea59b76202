/* The evaluations of several runs as one table. Local. For src/cli. */
#ifndef DHO_TABLE_COMPARE_H
#define DHO_TABLE_COMPARE_H

#include "dho/status.h"

#include <stdbool.h>

enum { DHO_COMPARE_MAX_RUNS = 64 };

/* Prints a row a run and a column a set to standard output. Evaluations of an older checkpoint are
 * marked, and what renews them is said. count: 1 to DHO_COMPARE_MAX_RUNS.
 * paired: below it each run against the first, image by image (dho/paired.h); what keeps a pair
 * from being compared is said in its place. Errors: DHO_ERR_CONFIG for a folder that is no run,
 * when none of them is evaluated, or for a paired comparison of one run. */
dho_status dho_compare(const char *const *folders, int count, bool paired, int threads);

#endif
