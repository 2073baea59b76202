#include "dho/prototypes.h"
#include "dho/alloc.h"
#include "heads/head_logits.h"

#include <inttypes.h>
#include <math.h>

enum { CLIP_SCALE = 100 };

static int count_classes(const dho_shots *shots)
{
    int64_t most = 0;
    for (int64_t n = 0; n < shots->count; n++)
        if (shots->labels[n] > most) most = shots->labels[n];
    return (int)most + 1;
}

/* The sums become rows of length 1: the mean has their direction. */
static dho_status finish(dho_teacher_head *head, const int64_t *taken, const char *name)
{
    for (int c = 0; c < head->classes; c++) {
        float *row = head->weight + (size_t)c * (size_t)head->dim;
        if (taken[c] == 0)
            return dho_fail(DHO_ERR_CONFIG, "%s: no row of class %d (of %d)", name, c,
                            head->classes);
        const float inverse = dho_head_inverse_norm(head->dim, row);
        if (!isfinite(inverse) || !(inverse > 0) || inverse >= 1e6f)
            return dho_fail(DHO_ERR_NUMERIC, "%s: the rows of class %d cancel out", name, c);
        for (int i = 0; i < head->dim; i++) row[i] *= inverse;
    }
    return DHO_OK;
}

dho_status dho_prototypes_make(dho_teacher_head *out, const dho_shots *shots, int64_t per_class,
                               const char *name)
{
    const int classes = count_classes(shots), dim = shots->dim;
    int64_t *taken = NULL;
    dho_status status;
    *out = (dho_teacher_head){.classes = classes, .dim = dim, .scale = CLIP_SCALE};
    if (classes > shots->count) {
        *out = (dho_teacher_head){0};
        return dho_fail(DHO_ERR_CONFIG, "%s: %" PRId64 " rows, but a label %d: a class has no row",
                        name, shots->count, classes - 1);
    }
    DHO_TRY_GOTO(dho_alloc_zero(&taken, (size_t)classes, sizeof *taken, "prototypes"));
    DHO_TRY_GOTO(
        dho_alloc_zero(&out->weight, (size_t)classes * (size_t)dim, sizeof(float), "prototypes"));
    for (int64_t n = 0; n < shots->count; n++) {
        const size_t c = (size_t)shots->labels[n];
        if (per_class > 0 && taken[c] == per_class) continue;
        taken[c]++;
        const float *row = shots->features + (size_t)n * (size_t)dim;
        for (int i = 0; i < dim; i++) out->weight[c * (size_t)dim + (size_t)i] += row[i];
    }
    DHO_TRY_GOTO(finish(out, taken, name));
    dho_free(taken);
    return DHO_OK;
fail:
    dho_free(taken);
    dho_teacher_head_free(out);
    return status;
}
