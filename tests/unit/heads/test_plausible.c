/* Imports that are well-formed and cannot be right, or are odd: what is refused says why, what is
 * odd is only warned of. */
#define _GNU_SOURCE
#include "dho/alloc.h"
#include "dho/log.h"
#include "dho/rng.h"
#include "dho/teacher_cache.h"
#include "folder_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 60, C = 3, D = 4 };

static char cache[64], rows_path[64], head_path[64];
static float logits[N * C], features[N * D], weight[C * D], scale;
static int32_t labels[N];
static char *said; /* what went to stderr */

static void start(void)
{
    dho_rng rng;
    fixture_setup();
    snprintf(cache, sizeof cache, "%s/cache", fixture_root);
    snprintf(rows_path, sizeof rows_path, "%s/rows.st", fixture_root);
    snprintf(head_path, sizeof head_path, "%s/head.st", fixture_root);
    dho_rng_init(&rng, 1, DHO_RNG_TEST, 0, 0);
    for (int i = 0; i < N; i++) labels[i] = i % C;
    for (int i = 0; i < N * C; i++)
        logits[i] = (float)dho_rng_normal(&rng) + (i % C == labels[i / C] ? 4 : 0);
    for (int i = 0; i < N * D; i++)
        features[i] = (float)(0.2 * dho_rng_normal(&rng)) + (i % D == labels[i / D] ? 1 : 0);
    for (int i = 0; i < C * D; i++) weight[i] = i % D == i / D ? 1 : 0.1f;
    scale = 20;
}

/* The message of a refusal, or what was said of an import that went well. */
static const char *import(bool of_head, dho_status expected)
{
    const dho_tensor_view rows =
        of_head ? (dho_tensor_view){"features", DHO_F32, 2, {N, D}, features, sizeof features}
                : (dho_tensor_view){"logits", DHO_F32, 2, {N, C}, logits, sizeof logits};
    const dho_tensor_view head[2] = {{"weight", DHO_F32, 2, {C, D}, weight, sizeof weight},
                                     {"scale", DHO_F32, 0, {0}, &scale, sizeof scale}};
    char log[96];
    uint8_t *text = NULL;
    size_t capacity = 0, size;
    snprintf(log, sizeof log, "%s/log", fixture_root);
    ck_assert_ok(dho_remove_tree(cache));
    ck_assert_ok(dho_safetensors_save(rows_path, &rows, 1, NULL, NULL));
    ck_assert_ok(dho_safetensors_save(head_path, head, 2, NULL, NULL));
    fflush(stderr);
    const int saved = dup(STDERR_FILENO);
    ck_assert_ptr_nonnull(freopen(log, "w", stderr));
    const dho_tensor_import of = {.out = cache,
                                  .rows = rows_path,
                                  .head = of_head ? head_path : NULL,
                                  .encoding = DHO_CACHE_FP16,
                                  .shards = 2,
                                  .fingerprint = 7,
                                  .count = N,
                                  .labels = labels,
                                  .classes = C};
    const dho_status status = dho_cache_import(&of);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ck_assert_int_eq(status, expected);
    if (status != DHO_OK) ck_assert(!dho_path_exists(cache)); /* nothing is written first */
    ck_assert_ok(dho_file_read(log, 1 << 20, &text, &capacity, &size));
    free(said);
    said = strdup((char *)text);
    dho_free(text);
    return status == DHO_OK ? said : dho_error_message();
}

static void stop(void)
{
    free(said);
    ck_assert_ok(dho_remove_tree(fixture_root));
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

#define SAYS(text, part) ck_assert_msg(strstr(text, part) != NULL, "says: %s", text)

static void soften(double factor, bool logarithm, double sign)
{
    for (int r = 0; r < N; r++) {
        double sum = 0;
        for (int c = 0; c < C; c++) sum += exp(logits[r * C + c]);
        for (int c = 0; c < C; c++) {
            const double p = exp(logits[r * C + c]) / sum;
            logits[r * C + c] = (float)(sign * (logarithm ? log(p) : factor * p));
        }
    }
}

START_TEST(test_logits)
{
    start();
    const char *text = import(false, DHO_OK);
    SAYS(text, "the teacher's first class is the label of ");
    ck_assert_ptr_null(strstr(text, "warning"));
    switch (_i) {
    case 0:
        soften(1, false, 1);
        SAYS(import(false, DHO_ERR_CONFIG), "rows.st: every row is from 0 to 1 and has the sum 1: "
                                            "probabilities, not logits");
        break;
    case 1:
        soften(100, false, 1);
        SAYS(import(false, DHO_ERR_CONFIG), "percentages, not logits");
        break;
    case 2:
        soften(1, true, 1);
        text = import(false, DHO_OK);
        SAYS(text, "log-probabilities, which serve as logits");
        ck_assert_ptr_null(strstr(text, "warning"));
        break;
    case 3:
        soften(1, true, -1);
        SAYS(import(false, DHO_ERR_CONFIG), "-log(p) of probabilities: the sign is the wrong one");
        break;
    case 4: /* one-hot labels */
        for (int i = 0; i < N * C; i++) logits[i] = i % C == labels[i / C];
        SAYS(import(false, DHO_ERR_CONFIG), "probabilities, not logits");
        break;
    case 5: /* a sigmoid's */
        for (int i = 0; i < N * C; i++) logits[i] = 1 / (1 + expf(-logits[i]));
        SAYS(import(false, DHO_OK), "all values are from 0 to 1: outputs of a sigmoid");
        break;
    case 6: /* cosines */
        for (int i = 0; i < N * C; i++) logits[i] = tanhf(logits[i] - 2);
        SAYS(import(false, DHO_OK), "cosines without their scale?");
        break;
    case 7:
        for (int i = 0; i < N * C; i++) logits[i] *= 1000;
        SAYS(import(false, DHO_OK), "is the scale applied twice");
        break;
    case 8:
        for (int i = 0; i < N * C; i++) logits[i] = (float)(i / C);
        SAYS(import(false, DHO_ERR_CONFIG), "all logits of a row are equal, in every row");
        break;
    case 9:
        for (int i = C; i < N * C; i++) logits[i] = logits[i % C];
        SAYS(import(false, DHO_ERR_CONFIG), "all 60 rows of logits are the same");
        break;
    case 10:
        for (int i = C; i < 9 * C; i++) logits[i] = logits[i % C];
        SAYS(import(false, DHO_OK), "8 of 60 rows of logits are copies of others");
        break;
    case 11: /* the classes in another order */
        for (int r = 0; r < N; r++) {
            const float first = logits[r * C];
            memmove(logits + r * C, logits + r * C + 1, (C - 1) * sizeof first);
            logits[r * C + C - 1] = first;
        }
        SAYS(import(false, DHO_OK), "that is no more than chance gives (33.33 %)");
        break;
    case 12: /* the rows in another order */
        memmove(logits, logits + C, sizeof logits - C * sizeof *logits);
        SAYS(import(false, DHO_OK), "are rows and classes in the dataset's order?");
        break;
    case 13:
        for (int i = 0; i < N * C; i++) logits[i] = i % C == 1 ? 9 : logits[i];
        SAYS(import(false, DHO_OK), "the teacher says class 1 of every image");
        break;
    case 14:
        logits[4 * C + 2] = NAN;
        SAYS(import(false, DHO_ERR_CONFIG), "rows.st: logits: row 4, value 2 is nan");
        break;
    case 15:
        logits[5 * C + 1] = -INFINITY;
        SAYS(import(false, DHO_ERR_CONFIG),
             "row 5, value 1 is -inf: take a large finite number (log(0): -1e4)");
        break;
    case 16:
        logits[5 * C + 1] = 1e5f;
        SAYS(import(false, DHO_ERR_CONFIG), "which fp16 cannot hold: --encoding int8 can");
        break;
    }
    stop();
}
END_TEST

START_TEST(test_features_and_heads)
{
    start();
    const char *text = import(true, DHO_OK);
    SAYS(text, "the teacher's first class is the label of 100.00 % of 60 views");
    ck_assert_ptr_null(strstr(text, "warning"));
    switch (_i) {
    case 0:
        scale = 4.6052f;
        SAYS(import(true, DHO_ERR_CONFIG), "head.st: a scale of 4.6052 is ln 100");
        break;
    case 1:
        scale = -100;
        SAYS(import(true, DHO_ERR_CONFIG), "a scale of -100 turns the teacher's order");
        break;
    case 2:
        scale = 0;
        SAYS(import(true, DHO_ERR_CONFIG), "a scale of 0 turns");
        break;
    case 3:
        memset(weight, 0, sizeof weight);
        SAYS(import(true, DHO_ERR_CONFIG), "head.st: the weights of all classes are 0");
        break;
    case 4:
        for (int i = 0; i < C * D; i++) weight[i] = (float)(i % D);
        SAYS(import(true, DHO_ERR_CONFIG), "all classes have the same weights");
        break;
    case 5:
        memset(weight, 0, D * sizeof *weight);
        SAYS(import(true, DHO_OK), "the weights of 1 of 3 classes are all 0");
        break;
    case 6:
        features[3 * D + 2] = NAN;
        SAYS(import(true, DHO_ERR_CONFIG), "rows.st: features: row 3, value 2 is nan");
        break;
    case 7:
        memset(features + 2 * D, 0, D * sizeof *features);
        SAYS(import(true, DHO_ERR_CONFIG), "features of row 2 are all 0");
        break;
    case 8:
        for (int i = D; i < N * D; i++) features[i] = features[i % D];
        SAYS(import(true, DHO_ERR_CONFIG),
             "all 60 rows of features are the same: the teacher sees no");
        break;
    case 9:
        for (int i = D; i < 20 * D; i++) features[i] = features[i % D];
        SAYS(import(true, DHO_OK), "19 of 60 rows of features are copies of others");
        break;
    case 10:
        scale = 1e4f;
        SAYS(import(true, DHO_OK), "is the scale applied twice");
        break;
    case 11:
        scale = 0.1f;
        SAYS(import(true, DHO_OK), "cosines without their scale?");
        break;
    case 12:
        for (int i = 0; i < C * D; i++) weight[i] = -weight[i];
        SAYS(import(true, DHO_OK), "that is no more than chance gives");
        break;
    case 13:
        for (int i = 0; i < N * D; i++) features[i] *= 1e30f; /* their squares leave fp32 */
        ck_assert_ptr_null(strstr(import(true, DHO_OK), "warning"));
        break;
    case 14:
        weight[5] = -INFINITY;
        SAYS(import(true, DHO_ERR_CONFIG), "head.st: tensor \"weight\": value [1, 1] is -inf");
        break;
    }
    stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plausible");
    TCase *tests = tcase_create("plausible");
    tcase_add_loop_test(tests, test_logits, 0, 17);
    tcase_add_loop_test(tests, test_features_and_heads, 0, 15);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
