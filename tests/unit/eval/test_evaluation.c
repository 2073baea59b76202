#define _GNU_SOURCE
/* eval.json: what is written is read back. */
#include "dho/evaluation.h"
#include "folder_fixture.h"

#include <math.h>
#include <unistd.h>

static char path[64];

static void start(void)
{
    fixture_setup();
    snprintf(path, sizeof path, "%s/eval.json", fixture_root);
}

static dho_score score_of(int64_t top1, int64_t top5, int64_t count)
{
    const dho_accuracy accuracy = {.count = count, .top1 = top1, .top5 = top5};
    return dho_score_of(&accuracy);
}

static void ck_assert_calibration(const dho_calibration *a, const dho_calibration *b)
{
    ck_assert(isnan(a->ece) == isnan(b->ece));
    if (isnan(a->ece)) return;
    ck_assert_double_eq_tol(a->ece, b->ece, 1e-8);
    ck_assert_double_eq_tol(a->ece_adaptive, b->ece_adaptive, 1e-8);
    ck_assert_double_eq_tol(a->nll, b->nll, 1e-6);
    ck_assert_double_eq_tol(a->brier, b->brier, 1e-8);
}

static void ck_assert_score(const dho_score *a, const dho_score *b)
{
    ck_assert(a->present == b->present);
    if (!a->present) return;
    ck_assert_double_eq_tol(a->top1, b->top1, 1e-6);
    ck_assert_double_eq_tol(a->top5, b->top5, 1e-6);
    ck_assert_double_eq_tol(a->low, b->low, 1e-6);
    ck_assert_double_eq_tol(a->high, b->high, 1e-6);
    ck_assert(isnan(a->macro) ? isnan(b->macro) : fabs(a->macro - b->macro) < 1e-6);
    ck_assert_calibration(&a->plain, &b->plain);
    ck_assert_calibration(&a->scaled, &b->scaled);
}

static void check_round_trip(const dho_evaluation *written)
{
    dho_evaluation read;
    ck_assert_ok(dho_evaluation_save(written, path));
    ck_assert_ok(dho_evaluation_load(&read, fixture_root));
    ck_assert_str_eq(read.checkpoint, written->checkpoint);
    ck_assert_str_eq(read.method, written->method);
    ck_assert_int_eq(read.step, written->step);
    ck_assert(read.dual == written->dual);
    ck_assert_double_eq(read.alpha, written->dual ? written->alpha : 0.5);
    ck_assert_double_eq(read.beta, written->dual ? written->beta : 1);
    const bool chosen = written->dual && written->chosen_on[0] != '\0';
    ck_assert_double_eq(read.fixed_alpha, chosen ? written->fixed_alpha : read.alpha);
    ck_assert_double_eq(read.fixed_beta, chosen ? written->fixed_beta : read.beta);
    ck_assert((read.chosen_on != NULL) == written->dual);
    if (written->dual) ck_assert_str_eq(read.chosen_on, written->chosen_on);
    ck_assert((read.scaled_on != NULL) == (written->scaled_on != NULL));
    if (written->scaled_on != NULL) ck_assert_str_eq(read.scaled_on, written->scaled_on);
    for (int k = 0; k < DHO_SCORE_KINDS; k++)
        ck_assert_double_eq_tol(read.temperatures[k], written->temperatures[k], 1e-8);
    ck_assert_uint_eq(read.set_count, written->set_count);
    for (size_t i = 0; i < read.set_count; i++) {
        const dho_evaluated_set *a = &written->sets[i], *b = &read.sets[i];
        ck_assert_str_eq(a->name, b->name);
        ck_assert_int_eq(a->images, b->images);
        ck_assert_int_eq(a->classes, b->classes);
        ck_assert(a->chosen_here == b->chosen_here);
        for (int k = 0; k < DHO_SCORE_KINDS; k++) ck_assert_score(&a->scores[k], &b->scores[k]);
        ck_assert_ptr_eq(dho_evaluation_find(&read, a->name), b);
    }
    ck_assert_ptr_null(dho_evaluation_find(&read, "another"));
    dho_evaluation_free(&read);
}

START_TEST(test_round_trip)
{
    char checkpoint[] = "runs/a b/checkpoints/step-00000012", method[] = "dho", val[] = "val";
    char other[] = "żółw", empty[] = "";
    dho_plateau plateaus[2] = {{.beta = 1, .low = 0.25, .high = 0.5, .top1 = 60},
                               {.beta = 2, .low = 0.1, .high = 0.2, .top1 = 59}};
    dho_evaluated_set sets[2] = {
        {.name = val,
         .images = 80,
         .classes = 20,
         .chosen_here = true,
         .scores = {score_of(59, 70, 80), score_of(50, 70, 80), score_of(0, 5, 80),
                    score_of(80, 80, 80), score_of(57, 71, 80)}},
        {.name = other, .images = 3, .classes = 7, .scores = {score_of(1, 2, 3)}}};
    sets[0].scores[DHO_SCORE_COMBINED].macro = 71.25;
    sets[0].scores[DHO_SCORE_COMBINED].plain = (dho_calibration){0.125, 0.25, 1.5, 0.75};
    sets[0].scores[DHO_SCORE_COMBINED].scaled = (dho_calibration){0, 0.0625, 1.25, 0.5};
    dho_evaluation evaluation = {.checkpoint = checkpoint,
                                 .method = method,
                                 .scaled_on = val,
                                 .temperatures = {1.75, 1, 1, 1, 1, 1},
                                 .step = 12,
                                 .dual = true,
                                 .alpha = 0.35,
                                 .beta = 1.5,
                                 .fixed_alpha = 0.4,
                                 .fixed_beta = 2,
                                 .chosen_on = val,
                                 .sets = sets,
                                 .set_count = 2,
                                 .plateaus = plateaus,
                                 .plateau_count = 2};
    check_round_trip(&evaluation);
    evaluation.chosen_on = empty; /* alpha and beta are the configuration's */
    evaluation.plateaus = NULL;
    evaluation.plateau_count = 0;
    evaluation.scaled_on = NULL;
    evaluation.temperatures[DHO_SCORE_COMBINED] = 1;
    sets[0].scores[DHO_SCORE_COMBINED].scaled = (dho_calibration){NAN, NAN, NAN, NAN};
    check_round_trip(&evaluation);
    evaluation.dual = false; /* one head */
    check_round_trip(&evaluation);
}
END_TEST

/* What is no number of its kind is left out; nothing else of the file is lost. */
START_TEST(test_wrong_calibration)
{
    dho_evaluation evaluation;
    ck_assert_ok(dho_file_write_text(
        path,
        "{\"temperature\": {\"chosen_on\": 7, \"combined\": 1e9, \"kd_head\": \"x\"}, \"sets\": "
        "[{\"name\": \"a\", \"images\": 2, \"combined\": {\"top1\": 50, \"macro_top1\": -1, "
        "\"calibration\": {\"ece\": 2, \"ece_adaptive\": 0, \"nll\": 1, \"brier\": 1}, "
        "\"calibration_scaled\": []}}]}"));
    ck_assert_ok(dho_evaluation_load(&evaluation, fixture_root));
    const dho_score *score = &evaluation.sets[0].scores[DHO_SCORE_COMBINED];
    ck_assert(isnan(score->macro) && isnan(score->plain.nll) && isnan(score->scaled.ece));
    ck_assert_double_eq(score->top1, 50);
    ck_assert_ptr_null(evaluation.scaled_on);
    for (int k = 0; k < DHO_SCORE_KINDS; k++) ck_assert_double_eq(evaluation.temperatures[k], 1);
    dho_evaluation_free(&evaluation);
}
END_TEST

START_TEST(test_wrong_files)
{
    static const char *const cases[][2] = {
        {"{}", "has no list of sets"},
        {"{\"sets\": [{\"name\": \"a/b\"}]}", "without a proper name"},
        {"{\"sets\": [{\"name\": \"a\", \"images\": 0}]}", "number of images is not one"},
        {"{\"sets\": [{\"name\": \"a\", \"images\": 2}]}", "has no combined accuracy"},
        {"{\"sets\": [{\"name\": \"a\", \"images\": 2, \"combined\": {\"top1\": 101}}]}",
         "combined.top1 is no percentage"}};
    dho_evaluation evaluation;
    ck_assert_fails(dho_evaluation_load(&evaluation, fixture_root), DHO_ERR_CONFIG,
                    "not evaluated yet");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_ok(dho_file_write_text(path, cases[i][0]));
        ck_assert_fails(dho_evaluation_load(&evaluation, fixture_root), DHO_ERR_FORMAT,
                        cases[i][1]);
        ck_assert_ptr_null(evaluation.sets);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("evaluation");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, start, fixture_teardown);
    tcase_add_test(cases, test_round_trip);
    tcase_add_test(cases, test_wrong_calibration);
    tcase_add_test(cases, test_wrong_files);
    suite_add_tcase(suite, cases);
    return dho_check_run(suite);
}
