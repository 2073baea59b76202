/* How many steps a run has: the same for every method, rounded down or, as the method's public code
 * has it, up; and what its first line says. */
#include "check_main.h"
#include "train/run_length.h"

#include <string.h>

static dho_config config_of(const char *text, const char *override)
{
    dho_config config;
    ck_assert_ok(
        dho_config_parse(&config, text, strlen(text), "test", &override, override != NULL));
    return config;
}

static int64_t steps_of(const char *text, const char *override, int64_t labelled,
                        int64_t unlabelled)
{
    dho_config config = config_of(text, override);
    const dho_run_length length = dho_run_length_of(&config, labelled, unlabelled);
    dho_config_free(&config);
    return length.total_steps;
}

#define FINE                                                                                  \
    "{compat: reference, data: {root: r, format: coop, split_file: s}, student: {init: ''}, " \
    "train: {shards: 1}}"
#define PLAIN "{train: {shards: 1, epochs: 200, epoch_of: shorter}}"
#define SEMI                                                                                  \
    "{compat: reference, data: {root: r, labels: balanced, percent: 1}, student: {init: a}, " \
    "train: {shards: 4}}"

/* Caltech-101: 100 classes, 4,128 training images. 200 epochs: 400 steps at 1 shot, 2,600 at 8. */
START_TEST(test_rounding)
{
    ck_assert_int_eq(steps_of(FINE, NULL, 100, 4028), 400);
    ck_assert_int_eq(steps_of(FINE, NULL, 800, 3328), 2600);
    ck_assert_int_eq(steps_of(FINE, NULL, 1600, 2528), 5000);
    ck_assert_int_eq(steps_of(PLAIN, NULL, 100, 4128), 200);
    ck_assert_int_eq(steps_of(PLAIN, NULL, 800, 4128), 2400);
    ck_assert_int_eq(steps_of(SEMI, NULL, 13000, 1281167 - 13000), 32 * 4954);
    ck_assert_int_eq(steps_of("{train: {shards: 1}}", NULL, 20, 6000), 20 * 93);
    ck_assert_int_eq(steps_of("{train: {shards: 1, batches: loader}}", NULL, 20, 6000), 20 * 94);
    ck_assert_int_eq(steps_of("{train: {shards: 1, steps: 17}}", NULL, 20, 6000), 17);
    ck_assert_int_eq(steps_of("{train: {shards: 1, epochs: 0.5}}", NULL, 20, 6000), 47);
    ck_assert_int_eq(steps_of("{train: {shards: 1}}", NULL, 20, 30), 20); /* less than a batch */
}
END_TEST

/* One configuration, any method: as many steps. */
START_TEST(test_every_method)
{
    static const char *const methods[] = {"method=ce",  "method=kd",      "method=single_head",
                                          "method=dho", "method=feature", "method=logit_feature"};
    static const struct {
        const char *text;
        int64_t steps;
    } cases[] = {
        {"{train: {shards: 1, epochs: 3}}", 3 * 93},
        {"{train: {shards: 1, epochs: 3, epoch_of: labelled}}", 3 * 1},
        {"{train: {shards: 1, epochs: 3, epoch_of: shorter}}", 3 * 1},
        {"{train: {shards: 1, epochs: 3, batch_unlabelled: 0}}", 3 * 1},
        {"{train: {shards: 1, epochs: 3, batches: loader}}", 3 * 94},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t m = 0; m < sizeof methods / sizeof *methods; m++)
            ck_assert_int_eq(steps_of(cases[i].text, methods[m], 60, 6000), cases[i].steps);
}
END_TEST

START_TEST(test_description)
{
    char text[256];
    dho_config config = config_of("{train: {shards: 1, epochs: 2}}", NULL);
    dho_run_length length = dho_run_length_of(&config, 60, 6400);
    dho_run_length_describe(&length, &config, text, sizeof text);
    ck_assert_str_eq(text,
                     "200 steps: 2 epochs of 100 steps (train.epoch_of: unlabelled); 213.3 passes "
                     "over 60 labelled images; 2 passes over 6400 unlabelled images");
    config.method = DHO_METHOD_CE;
    dho_run_length_describe(&length, &config, text, sizeof text);
    ck_assert_str_eq(text,
                     "200 steps: 2 epochs of 100 steps (train.epoch_of: unlabelled); 213.3 passes "
                     "over 60 labelled images");
    dho_config_free(&config);
    /* 100 images in batches of 64 and 36: a pass an epoch, of the unlabelled 128 of 4028. */
    config = config_of(FINE, NULL);
    length = dho_run_length_of(&config, 100, 4028);
    dho_run_length_describe(&length, &config, text, sizeof text);
    ck_assert_str_eq(text,
                     "400 steps: 200 epochs of 2 steps (train.epoch_of: shorter); 200 passes over "
                     "100 labelled images; 6.356 passes over 4028 unlabelled images");
    dho_config_free(&config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run length");
    TCase *tests = tcase_create("run length");
    tcase_add_test(tests, test_rounding);
    tcase_add_test(tests, test_every_method);
    tcase_add_test(tests, test_description);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
