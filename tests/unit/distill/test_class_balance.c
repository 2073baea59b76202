/* Class weights and logit adjustment against PyTorch (tests/golden/make_balance_golden.py,
 * float64). Tolerance 1e-6 of the loss, and of a gradient its float rounding: 1e-6 too. */
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/safetensors.h"

#include <stdio.h>
#include <string.h>

enum { CLASSES = 6, ROWS = 12, IMAGES = 65 };
static const int counts[CLASSES] = {1, 2, 5, 10, 40, 7};

/* As in the script. */
static const struct balance_case {
    const char *name;
    dho_class_weights weights;
    double beta, tau;
} cases[] = {{"none", DHO_WEIGHTS_NONE, 0, 0},
             {"inverse", DHO_WEIGHTS_INVERSE, 0, 0},
             {"effective", DHO_WEIGHTS_EFFECTIVE, 0.9, 0},
             {"adjust", DHO_WEIGHTS_NONE, 0, 1.5},
             {"both", DHO_WEIGHTS_EFFECTIVE, 0.999, 1}};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct fixture {
    dho_sample samples[IMAGES];
    int64_t ids[IMAGES];
    char *names[CLASSES];
    dho_dataset dataset;
    dho_id_list labelled;
    dho_config config;
} fixture;

static void make(fixture *f, const struct balance_case *c)
{
    static char names[CLASSES][2] = {"a", "b", "c", "d", "e", "f"};
    int64_t used = 0;
    *f = (fixture){.config = {.method = DHO_METHOD_CE}};
    for (int k = 0; k < CLASSES; k++) {
        f->names[k] = names[k];
        for (int i = 0; i < counts[k]; i++, used++) {
            f->samples[used].label = k;
            f->ids[used] = used;
        }
    }
    ck_assert_int_eq(used, IMAGES);
    f->dataset = (dho_dataset){
        .samples = f->samples, .count = IMAGES, .class_names = f->names, .classes = CLASSES};
    f->labelled = (dho_id_list){.ids = f->ids, .count = IMAGES};
    f->config.distill.class_weights = c->weights;
    f->config.distill.effective_beta = c->beta;
    f->config.distill.logit_adjust = c->tau;
}

static void read_floats(const dho_safetensors *file, const char *of, const char *what, float *out)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", of, what);
    const dho_tensor_view *tensor = dho_safetensors_find(file, name);
    ck_assert_msg(tensor != NULL, "%s is not in the golden file", name);
    dho_tensor_to_float(tensor, out);
}

START_TEST(test_golden)
{
    const struct balance_case *c = &cases[_i];
    fixture f;
    dho_safetensors *file;
    dho_class_balance balance;
    float logits[ROWS * CLASSES], gradient[ROWS * CLASSES] = {0}, expected[ROWS * CLASSES], loss;
    int64_t wide[ROWS];
    int32_t labels[ROWS];
    make(&f, c);
    ck_assert_ok(dho_safetensors_open(&file, "tests/golden/balance.safetensors"));
    read_floats(file, "logits", "", logits);
    read_floats(file, c->name, ".loss", &loss);
    read_floats(file, c->name, ".gradient", expected);
    ck_assert_ok(dho_tensor_to_int64(dho_safetensors_find(file, "labels"), wide));
    for (int r = 0; r < ROWS; r++) labels[r] = (int32_t)wide[r];
    ck_assert_ok(dho_class_balance_create(&balance, &f.config, &f.dataset, &f.labelled));
    const double value =
        dho_cross_entropy(ROWS, CLASSES, logits, labels, &balance, 1, gradient, NULL);
    ck_assert_double_eq_tol(value, loss, 1e-6 * (double)loss);
    for (int i = 0; i < ROWS * CLASSES; i++)
        ck_assert_double_eq_tol(gradient[i], expected[i], 1e-6);
    dho_class_balance_free(&balance);
    dho_safetensors_close(&file);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* Equal counts: inverse weights are 1, and the numbers are those without weights, bit for bit. */
START_TEST(test_equal_counts_change_nothing)
{
    const struct balance_case inverse = {"", DHO_WEIGHTS_INVERSE, 0, 0};
    fixture f;
    dho_class_balance balance;
    const float logits[2 * CLASSES] = {1, 2, 3, -1, 0.5f, 7, 3, 3, 1, 0, -4, 2};
    const int32_t labels[2] = {2, 5};
    float with[2 * CLASSES] = {0}, without[2 * CLASSES] = {0};
    make(&f, &inverse);
    for (int i = 0; i < 60; i++) f.samples[i].label = i % CLASSES;
    f.labelled.count = 60;
    ck_assert_ok(dho_class_balance_create(&balance, &f.config, &f.dataset, &f.labelled));
    for (int c = 0; c < CLASSES; c++) ck_assert_double_eq_tol(balance.weights[c], 1, 1e-15);
    for (int c = 0; c < CLASSES; c++) balance.weights[c] = 1;
    const double a = dho_cross_entropy(2, CLASSES, logits, labels, &balance, 0.7f, with, NULL);
    const double b = dho_cross_entropy(2, CLASSES, logits, labels, NULL, 0.7f, without, NULL);
    ck_assert_double_eq(a, b);
    ck_assert_mem_eq(with, without, sizeof with);
    dho_class_balance_free(&balance);
}
END_TEST

/* The accuracy of training images is that of the head as it predicts, without shifts. */
START_TEST(test_right_without_shifts)
{
    double shifts[2] = {-10, 0};
    const dho_class_balance balance = {.shifts = shifts};
    const float logits[2] = {1, 0};
    const int32_t label = 0;
    float gradient[2] = {0};
    int right;
    dho_cross_entropy(1, 2, logits, &label, &balance, 1, gradient, &right);
    ck_assert_int_eq(right, 1);
    ck_assert_double_lt(gradient[0], -0.9); /* but the loss wants more of it */
}
END_TEST

START_TEST(test_class_without_images)
{
    const struct balance_case both = {"", DHO_WEIGHTS_INVERSE, 0, 1};
    fixture f;
    dho_class_balance balance;
    make(&f, &both);
    f.samples[0].label = 1; /* of class a there is none */
    ck_assert_int_eq(dho_class_balance_create(&balance, &f.config, &f.dataset, &f.labelled),
                     DHO_ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(dho_error_message(), "class \"a\" has no labelled image"));
    f.config.distill.logit_adjust = 0;
    ck_assert_ok(dho_class_balance_create(&balance, &f.config, &f.dataset, &f.labelled));
    ck_assert_double_eq(balance.weights[0], 0);
    double mean = 0;
    for (int64_t i = 0; i < IMAGES; i++) mean += balance.weights[f.samples[i].label] / IMAGES;
    ck_assert_double_eq_tol(mean, 1, 1e-12);
    dho_class_balance_free(&balance);
    f.config.distill.logit_adjust = 1;
    f.samples[0].label = 0;
    ck_assert_allocations(dho_class_balance_create(&balance, &f.config, &f.dataset, &f.labelled));
    dho_class_balance_free(&balance);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("class balance");
    TCase *tests = tcase_create("class balance");
    tcase_add_loop_test(tests, test_golden, 0, CASES);
    tcase_add_test(tests, test_equal_counts_change_nothing);
    tcase_add_test(tests, test_right_without_shifts);
    tcase_add_test(tests, test_class_without_images);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
