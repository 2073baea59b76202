/* Two students on the same images. Their accuracies share what is hard about the images, so the
 * images on which they differ tell more than two separate intervals do. Local.
 *
 * It is about these two students on images like these. Other seeds give other students: a method is
 * better than another only if it is so over several seeds (dho table). */
#ifndef DHO_PAIRED_H
#define DHO_PAIRED_H

#include "dho/evaluation.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Which images of a set a run predicts right, by the combination that its evaluation has. */
typedef struct dho_hits {
    bool *right; /* owned, [count]; NULL: none */
    int64_t count;
    uint32_t images; /* CRC-32 of the images' names in order (of the labels in files without) */
} dho_hits;

/* From outputs and their predictions, [outputs->count]. Errors: DHO_ERR_MEMORY. */
dho_status dho_hits_of(dho_hits *out, const dho_head_outputs *outputs,
                       const dho_prediction *predictions);
/* From the stored outputs of a set. Errors: those of dho_evaluation_load_outputs. */
dho_status dho_hits_load(dho_hits *out, const dho_evaluation *evaluation, const char *run_folder,
                         const dho_evaluated_set *set, int threads);
void dho_hits_free(dho_hits *hits);

/* The same images in the same order? */
bool dho_hits_are_paired(const dho_hits *a, const dho_hits *b);

typedef struct dho_paired {
    int64_t images;
    int64_t only_a, only_b;       /* images that one alone has right */
    double difference, low, high; /* accuracy of b less a's, -1..1, and its 95 % interval */
    double p;
} dho_paired;

/* p: McNemar's exact test, two-sided: if both were equally good, an image on which they differ
 * would be a's or b's by the toss of a coin; with n = only_a + only_b and k = min(only_a, only_b),
 *   p = min(1, 2 sum over i = 0 .. k of C(n, i) / 2^n)                     (McNemar 1947; Edwards
 * 1948) The interval, with N images: P_a = (only_a + 1) / (N + 2), P_b = (only_b + 1) / (N + 2),
 *   P_b - P_a -+ 1.96 sqrt((P_a + P_b - (P_b - P_a)^2) / (N + 2))          (Bonett and Price 2012)
 * a, b: paired, with an image at least. */
dho_paired dho_paired_compare(const dho_hits *a, const dho_hits *b);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
