#define _GNU_SOURCE
/* metrics.jsonl, to the byte: keys and their order, means, what a resumed run keeps. */
#include "folder_fixture.h"
#include "train/progress.h"

#include <math.h>
#include <string.h>

static char path[64];
static dho_config config;

static void start(void)
{
    char text[160];
    fixture_setup();
    snprintf(path, sizeof path, "%s/metrics.jsonl", fixture_root);
    snprintf(text, sizeof text, "{out: %s, train: {log_every: 2}}", fixture_root);
    ck_assert_ok(dho_config_parse(&config, text, strlen(text), "test", NULL, 0));
}

static void finish(void)
{
    dho_config_free(&config);
    fixture_teardown();
}

/* Steps first .. last of a run of 5; the losses of step n are n and its parts, step 3 is skipped.
 */
static void write_steps(int64_t first, int64_t last)
{
    dho_progress progress = {0};
    ck_assert_ok(dho_progress_open(&progress, &config, first - 1, 5, false));
    for (int64_t n = first; n <= last; n++) {
        dho_step_metrics step = {.step = n, .skipped = n == 3};
        for (int m = 0; m < DHO_METRIC_COUNT; m++)
            step.values[m] = step.skipped ? NAN : (double)n + 0.25 * m;
        step.values[DHO_METRIC_EPOCH] = (double)n / 4;
        step.values[DHO_METRIC_LR] = 0.5 / (double)n;
        step.values[DHO_METRIC_IMAGES_PER_SECOND] = 32;
        step.values[DHO_METRIC_STEP_SECONDS] = 0.125;
        if (n == 2) step.values[DHO_METRIC_GRADIENT_NORM] = INFINITY;
        ck_assert_ok(dho_progress_step(&progress, &step));
    }
    dho_progress_close(&progress);
}

static const char first_line[] =
    "{\"step\":2,\"epoch\":0.5,\"loss\":1.75,\"ce\":2.0,\"kd_labelled\":2.25,"
    "\"kd_unlabelled\":2.5,\"accuracy\":3.25,\"lr\":0.25,\"gradient_norm\":-1.0,"
    "\"images_per_second\":256.0,\"step_seconds\":0.125,\"data_wait_seconds\":4.5,"
    "\"comm_seconds\":4.75,\"comm_hidden\":5.0";
static const char features[] = ",\"feature_labelled\":2.75,\"feature_unlabelled\":3.0";

START_TEST(test_lines)
{
    char expected[2048];
    config.method = DHO_METHOD_CE;
    write_steps(1, 2);
    snprintf(expected, sizeof expected, "%s}\n", first_line);
    check_file(path, expected);
    write_steps(1, 5); /* from the start again: the line of step 2 goes */
    snprintf(expected, sizeof expected,
             "%s}\n"
             "{\"step\":4,\"epoch\":1.0,\"loss\":4.25,\"ce\":4.5,\"kd_labelled\":4.75,"
             "\"kd_unlabelled\":5.0,\"accuracy\":5.75,\"lr\":0.125,\"gradient_norm\":6.25,"
             "\"images_per_second\":256.0,\"step_seconds\":0.125,\"data_wait_seconds\":7.0,"
             "\"comm_seconds\":7.25,\"comm_hidden\":7.5}\n"
             "{\"step\":5,\"epoch\":1.25,\"loss\":5.25,\"ce\":5.5,\"kd_labelled\":5.75,"
             "\"kd_unlabelled\":6.0,\"accuracy\":6.75,\"lr\":0.1,\"gradient_norm\":7.25,"
             "\"images_per_second\":256.0,\"step_seconds\":0.125,\"data_wait_seconds\":8.0,"
             "\"comm_seconds\":8.25,\"comm_hidden\":8.5}\n",
             first_line);
    check_file(path, expected);
}
END_TEST

START_TEST(test_features)
{
    char expected[2048];
    config.method = DHO_METHOD_FEATURE;
    write_steps(1, 2);
    snprintf(expected, sizeof expected, "%s%s}\n", first_line, features);
    check_file(path, expected);
}
END_TEST

/* An evaluation is a line of its own, which a run that makes it again drops. */
START_TEST(test_evaluation)
{
    static const char steps[] = "{\"step\":2,\"epoch\":0.0,";
    char expected[1024];
    double values[DHO_METRIC_COUNT] = {0};
    for (int i = 0; i < 3; i++) { /* first; evaluates again; goes on behind it */
        dho_progress progress = {0};
        dho_step_metrics step = {.step = 2};
        step.values[DHO_METRIC_STEP_SECONDS] = 1;
        config.method = DHO_METHOD_DHO;
        ck_assert_ok(dho_progress_open(&progress, &config, i == 0 ? 0 : 2, 5, i == 1));
        if (i == 0) ck_assert_ok(dho_progress_step(&progress, &step));
        values[DHO_METRIC_EVAL_TOP1] = i == 0 ? 0.25 : 0.5;
        values[DHO_METRIC_EVAL_NLL_KD] = 1.5;
        if (i < 2) ck_assert_ok(dho_progress_evaluation(&progress, 2, "val", values, ""));
        dho_progress_close(&progress);
    }
    snprintf(
        expected, sizeof expected,
        "%s\"loss\":0.0,\"ce\":0.0,\"kd_labelled\":0.0,\"kd_unlabelled\":0.0,"
        "\"accuracy\":0.0,\"lr\":0.0,\"gradient_norm\":0.0,\"images_per_second\":0.0,"
        "\"step_seconds\":1.0,\"data_wait_seconds\":0.0,\"comm_seconds\":0.0,\"comm_hidden\":0.0}\n"
        "{\"step\":2,\"evaluated\":\"val\",\"eval_top1\":0.5,\"eval_top5\":0.0,"
        "\"eval_nll\":0.0,\"eval_seconds\":0.0,\"eval_top1_ce\":0.0,\"eval_top1_kd\":0.0,"
        "\"eval_nll_ce\":0.0,\"eval_nll_kd\":1.5,\"eval_alpha\":0.0,\"eval_beta\":0.0}\n",
        steps);
    check_file(path, expected);
}
END_TEST

START_TEST(test_evaluations_left)
{
    ck_assert_int_eq(dho_progress_evaluations(0, 40, 10), 4);
    ck_assert_int_eq(dho_progress_evaluations(0, 45, 10), 5); /* and the one after the last step */
    ck_assert_int_eq(dho_progress_evaluations(39, 45, 10), 2);
    ck_assert_int_eq(dho_progress_evaluations(40, 45, 10), 1);
    ck_assert_int_eq(dho_progress_evaluations(45, 45, 10), 0);
    ck_assert_int_eq(dho_progress_evaluations(60, 45, 10), 0);
    ck_assert_int_eq(dho_progress_evaluations(0, 5, 10), 1);
    ck_assert_int_eq(dho_progress_evaluations(0, 5, 0), 0);
}
END_TEST

/* An early end writes the steps since the last line. */
START_TEST(test_flush)
{
    dho_progress progress = {0};
    dho_step_metrics step = {.step = 1};
    step.values[DHO_METRIC_STEP_SECONDS] = 1;
    config.method = DHO_METHOD_CE;
    ck_assert_ok(dho_progress_open(&progress, &config, 0, 5, false));
    ck_assert_ok(dho_progress_step(&progress, &step));
    check_file(path, "");
    ck_assert_ok(dho_progress_flush(&progress, 1));
    ck_assert_ok(dho_progress_flush(&progress, 1)); /* nothing is left */
    dho_progress_close(&progress);
    uint8_t *data = NULL;
    size_t capacity = 0, bytes;
    ck_assert_ok(dho_file_read_text(path, 1 << 20, &data, &capacity, &bytes));
    ck_assert_int_eq(strncmp((char *)data, "{\"step\":1,", 10), 0);
    ck_assert_ptr_eq(strchr((char *)data, '\n'), (char *)data + bytes - 1);
    dho_free(data);
}
END_TEST

/* A mean that is not finite has no word in JSON. */
START_TEST(test_not_finite)
{
    dho_progress progress = {0};
    dho_step_metrics step = {.step = 2};
    ck_assert_ok(dho_progress_open(&progress, &config, 0, 5, false));
    step.values[DHO_METRIC_CE] = NAN;
    ck_assert_fails(dho_progress_step(&progress, &step), DHO_ERR_NUMERIC, "is not finite");
    dho_progress_close(&progress);
    check_file(path, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("progress");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, start, finish);
    tcase_add_test(cases, test_lines);
    tcase_add_test(cases, test_features);
    tcase_add_test(cases, test_evaluation);
    tcase_add_test(cases, test_evaluations_left);
    tcase_add_test(cases, test_flush);
    tcase_add_test(cases, test_not_finite);
    suite_add_tcase(suite, cases);
    return dho_check_run(suite);
}
