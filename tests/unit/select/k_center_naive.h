/* Farthest-first traversal as one would write it down, the oracle of the tests of src/select. */
#ifndef DHO_TESTS_K_CENTER_NAIVE_H
#define DHO_TESTS_K_CENTER_NAIVE_H

#include "base/compare.h"
#include "dho/rng.h"
#include "select/k_center.h"

#include <math.h>
#include <string.h>

enum { NAIVE_POINTS = 157, NAIVE_WIDTH = 13, NAIVE_CENTRES = 3, NAIVE_BUDGET = 154 };

/* Random rows with small whole numbers, so that distances are exact and many of them equal; a third
 * of the rows are the same as another one. */
static inline void naive_points(float rows[NAIVE_POINTS][NAIVE_WIDTH])
{
    dho_rng rng;
    dho_rng_init(&rng, 5, DHO_RNG_TEST, 0, 0);
    for (int i = 0; i < NAIVE_POINTS; i++)
        for (int k = 0; k < NAIVE_WIDTH; k++) rows[i][k] = (float)dho_rng_below(&rng, 4);
    for (int i = 2; i < NAIVE_POINTS; i += 3) memcpy(rows[i], rows[i / 2], sizeof rows[i]);
}

static inline double naive_distance(const float *a, const float *b)
{
    double sum = 0;
    for (int k = 0; k < NAIVE_WIDTH; k++) sum += ((double)a[k] - b[k]) * ((double)a[k] - b[k]);
    return sqrt(sum);
}

/* At most NAIVE_BUDGET choices. */
static inline void naive_choose(float rows[NAIVE_POINTS][NAIVE_WIDTH], const dho_id_list *first,
                                int64_t budget, dho_choice *out)
{
    int64_t centres[NAIVE_POINTS], count = first->count;
    for (int64_t c = 0; c < count; c++) centres[c] = first->ids[c];
    for (int64_t chosen = 0; chosen < budget; chosen++) {
        out[chosen] = (dho_choice){-1, -1};
        for (int64_t i = 0; i < NAIVE_POINTS; i++) {
            double nearest = INFINITY;
            bool taken = false;
            for (int64_t c = 0; c < count; c++) {
                taken |= centres[c] == i;
                nearest = dho_smaller(nearest, naive_distance(rows[i], rows[centres[c]]));
            }
            if (!taken && nearest > out[chosen].value) out[chosen] = (dho_choice){i, nearest};
        }
        centres[count++] = out[chosen].id;
    }
}

#endif
