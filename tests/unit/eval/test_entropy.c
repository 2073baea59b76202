/* An alpha for each image, against its formula. */
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/evaluate.h"
#include "dho/rng.h"

#include <math.h>

enum { ROWS = 203, CLASSES = 6 };

/* Hits against a loop over the rows; a mask; any number of threads. */
START_TEST(test_hits)
{
    static float logits[2][ROWS * CLASSES];
    static int32_t labels[ROWS];
    bool mask[CLASSES] = {true, true, true, false, true, true};
    const double beta = 0.7;
    dho_rng rng;
    dho_accuracy expected = {.count = ROWS};
    dho_rng_init(&rng, 3, DHO_RNG_TEST, 0, 0);
    for (int i = 0; i < ROWS * CLASSES; i++)
        for (int h = 0; h < 2; h++) logits[h][i] = 2 * (float)dho_rng_normal(&rng);
    for (int r = 0; r < ROWS; r++) labels[r] = r % 3;
    for (int r = 0; r < ROWS; r++) {
        float p[2][CLASSES];
        double h[2] = {0}, q[CLASSES];
        int above = 0;
        for (int k = 0; k < 2; k++) {
            dho_masked_softmax(CLASSES, mask, logits[k] + r * CLASSES, k == 0 ? 1 : beta, p[k]);
            for (int c = 0; c < CLASSES; c++) h[k] -= p[k][c] > 0 ? p[k][c] * log(p[k][c]) : 0;
        }
        const double alpha = exp(-h[0]) / (exp(-h[0]) + exp(-h[1]));
        for (int c = 0; c < CLASSES; c++) q[c] = alpha * p[0][c] + (1 - alpha) * p[1][c];
        for (int c = 0; c < CLASSES; c++) above += c != labels[r] && q[c] >= q[labels[r]];
        expected.top1 += above == 0;
        expected.top5 += above < 5;
    }
    const dho_head_outputs outputs = {.count = ROWS,
                                      .classes = CLASSES,
                                      .logits = {logits[0], logits[1]},
                                      .labels = labels,
                                      .mask = mask};
    for (int threads = 1; threads <= 4; threads++) {
        dho_accuracy found;
        ck_assert_ok(dho_outputs_by_entropy(&outputs, beta, threads, &found));
        ck_assert_int_eq(found.count, expected.count);
        ck_assert_int_eq(found.top1, expected.top1);
        ck_assert_int_eq(found.top5, expected.top5);
    }
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("entropy");
    TCase *tests = tcase_create("entropy");
    tcase_add_test(tests, test_hits);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
