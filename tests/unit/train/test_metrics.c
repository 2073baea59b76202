/* The table of metrics, and what the trainer makes of it. */
#include "document.h"
#include "train/metrics.h"

#include <math.h>
#include <string.h>

/* Conversions of a printf format; -1: one that is not of a double. */
static int count_conversions(const char *format)
{
    int count = 0;
    for (const char *at = strchr(format, '%'); at != NULL; at = strchr(at, '%')) {
        at += 1 + strspn(at + 1, "+-# 0123456789.");
        if (*at != '%' && strchr("feg", *at) == NULL) return -1;
        count += *at++ != '%';
    }
    return count;
}

START_TEST(test_rows)
{
    for (int m = 0; m < DHO_METRIC_COUNT; m++) {
        const dho_metric_row *row = &dho_metric_table[m];
        ck_assert_ptr_nonnull(row->name);
        ck_assert_ptr_nonnull(row->what);
        ck_assert_msg((row->print != NULL) == (row->printed != DHO_RUNS_NONE),
                      "%s: .print and .printed go together", row->name);
        ck_assert_msg(row->print == NULL || count_conversions(row->print) == 1,
                      "%s: .print must have one conversion of a double", row->name);
        ck_assert_str_ne(row->name, "step"); /* each line's own */
        for (int other = 0; other < m; other++)
            ck_assert_str_ne(row->name, dho_metric_table[other].name);
    }
    ck_assert_int_eq(dho_metric_table[DHO_METRIC_STEP_SECONDS].line, DHO_LINE_MEAN);
}
END_TEST

/* Four microbatches of 3 labelled rows: means, a share of 12, and what the step sets. */
START_TEST(test_step)
{
    float sums[DHO_METRIC_COUNT] = {0};
    double values[DHO_METRIC_COUNT] = {[DHO_METRIC_LR] = 0.5};
    sums[DHO_METRIC_LOSS] = 10;
    sums[DHO_METRIC_ACCURACY] = 9;
    sums[DHO_METRIC_LR] = 77;
    dho_metrics_of_step(sums, 4, 12, values);
    ck_assert_double_eq(values[DHO_METRIC_LOSS], 2.5);
    ck_assert_double_eq(values[DHO_METRIC_ACCURACY], 0.75);
    ck_assert_double_eq(values[DHO_METRIC_LR], 0.5);
}
END_TEST

/* Two steps and a skipped one between them; the last one is skipped, too. */
START_TEST(test_line)
{
    double sums[DHO_METRIC_COUNT] = {0}, out[DHO_METRIC_COUNT];
    for (int i = 0; i < 4; i++) {
        const bool skipped = i % 2 == 1;
        double values[DHO_METRIC_COUNT] = {[DHO_METRIC_LOSS] = skipped ? NAN : i + 1,
                                           [DHO_METRIC_LR] = 0.1 * i,
                                           [DHO_METRIC_GRADIENT_NORM] = skipped ? NAN : i,
                                           [DHO_METRIC_IMAGES_PER_SECOND] = 32,
                                           [DHO_METRIC_STEP_SECONDS] = 0.25 + i};
        dho_metrics_add_step(sums, values, skipped);
    }
    dho_metrics_of_line(sums, 2, out);
    ck_assert_double_eq(out[DHO_METRIC_LOSS], 2);
    ck_assert_double_eq(out[DHO_METRIC_LR], 0.1 * 3);
    ck_assert(isnan(out[DHO_METRIC_GRADIENT_NORM]));
    ck_assert_double_eq(out[DHO_METRIC_STEP_SECONDS], 1.25);
    ck_assert_double_eq(out[DHO_METRIC_IMAGES_PER_SECOND], 64 / 2.5);
}
END_TEST

/* --- docs/metrics.md ----------------------------------------------------------------------------
 */

static const char *const of_runs[DHO_RUNS_KINDS] = {[DHO_RUNS_NONE] = "no",
                                                    [DHO_RUNS_ALL] = "yes",
                                                    [DHO_RUNS_WITH_TEACHER] = "with a teacher",
                                                    [DHO_RUNS_WITH_FEATURES] = "feature methods",
                                                    [DHO_RUNS_WITH_TWO_HEADS] = "two heads"};
static const char *const of_steps[] = {[DHO_LINE_MEAN] = "mean of its steps",
                                       [DHO_LINE_LAST] = "the last step's",
                                       [DHO_LINE_RATE] = "of all its steps"};
static const char *const figures[] = {[DHO_CHART_NONE] = "no",
                                      [DHO_CHART_TRAINING] = "`training`",
                                      [DHO_CHART_SCHEDULE] = "`training`",
                                      [DHO_CHART_SPEED] = "`speed`",
                                      [DHO_CHART_EVALUATION] = "`evaluations`"};

static dho_status make_table(char **out)
{
    dho_text text = {0};
    dho_text_add(&text,
                 "| key | what | unit | in a line | in `metrics.jsonl` | on the progress line "
                 "| figure |\n|---|---|---|---|---|---|---|\n");
    for (int m = 0; m < DHO_METRIC_COUNT; m++) {
        const dho_metric_row *row = &dho_metric_table[m];
        dho_text_add(&text, "| `%s` | %s | %s | %s | %s | %s | %s |\n", row->name, row->what,
                     row->unit != NULL ? row->unit : "",
                     row->evaluation ? "an evaluation's" : of_steps[row->line],
                     of_runs[row->written], of_runs[row->printed], figures[row->chart]);
    }
    *out = text.data;
    return text.status;
}

START_TEST(test_documentation)
{
    check_document("metrics", "docs/metrics.md", "test_metrics", make_table);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, test_rows);
    tcase_add_test(cases, test_step);
    tcase_add_test(cases, test_line);
    tcase_add_test(cases, test_documentation);
    suite_add_tcase(suite, cases);
    return dho_check_run(suite);
}
