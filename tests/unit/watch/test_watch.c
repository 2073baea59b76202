#define _GNU_SOURCE
/* dho watch's pictures: charts, lines that fit, any size of a terminal. */
#include "folder_fixture.h"
#include "watch/watch_chart.h"
#include "watch/watch_view.h"

#include <math.h>
#include <string.h>

static void check_chart(const dho_curve *curve, int columns, int rows, bool utf8,
                        const char *expected)
{
    dho_page page = {.width = 80, .utf8 = utf8};
    const dho_chart chart = dho_chart_create(curve, columns, rows);
    for (int row = 0; row < rows; row++) {
        dho_chart_put_row(&chart, row, &page, DHO_STYLE_BLUE);
        dho_page_put(&page, DHO_STYLE_PLAIN, "|");
    }
    ck_assert_str_eq(page.text.data, expected);
    dho_page_free(&page);
}

START_TEST(test_charts)
{
    const double x[] = {10, 20, 30, 40}, y[] = {0, 7, NAN, 3.5}, wide[] = {1, 10, 100, 1000};
    const double same[] = {2, 2, 2, 2};
    const dho_curve curve = {.x = x, .y = y, .count = 4, .stride = 1};
    check_chart(&curve, 4, 1, true, "▁█▆▅|"); /* NaN: between its neighbours */
    check_chart(&curve, 4, 2, true, " █▄▁|▁███|");
    check_chart(&curve, 4, 1, false, "_#+=|");
    check_chart(&curve, 3, 1, true, "▁█▅|");
    check_chart(&curve, 8, 1, true, "▁▅█▇▇▆▅▅|");
    const dho_curve logarithmic = {.x = x, .y = wide, .count = 4, .stride = 1, .log_if_wide = true};
    check_chart(&logarithmic, 4, 1, true, "▁▃▆█|");
    const dho_curve flat = {.x = x, .y = same, .count = 4, .stride = 1};
    check_chart(&flat, 4, 1, true, "▅▅▅▅|");
    const dho_curve one = {.x = x, .y = y + 1, .count = 1, .stride = 1, .from_zero = true};
    check_chart(&one, 3, 1, true, "███|");
    const dho_curve none = {.x = x, .y = y + 2, .count = 1, .stride = 1};
    check_chart(&none, 3, 1, true, "   |");
    const dho_curve empty = {.count = 0};
    check_chart(&empty, 2, 1, true, "  |");
    ck_assert(isnan(dho_chart_create(&empty, 2, 1).low));
}
END_TEST

static void check_line(int width, bool utf8, const char *text, const char *expected)
{
    dho_page page = {.width = width, .utf8 = utf8};
    dho_page_put(&page, DHO_STYLE_BOLD, "%s", text);
    ck_assert_str_eq(page.text.data, expected);
    ck_assert_int_le(page.column, width);
    dho_page_free(&page);
}

START_TEST(test_lines)
{
    check_line(6, true, "abcdef", "abcdef");
    check_line(6, true, "abcdefg", "abcde…");
    check_line(6, false, "abcdefg", "abcde>");
    check_line(6, true, "日本語", "日本語");
    check_line(6, true, "日本語a", "日本 …"); /* no half of a wide one */
    check_line(9, true, "a\033b\xff", "a\\x1bb  …");
    check_line(20, true, "a\u202eb", "a\\xe2\\x80\\xaeb");
    check_line(20, false, "é", "\\xc3\\xa9");
    dho_page page = {.width = 20, .utf8 = true};
    dho_page_put_name(&page, DHO_STYLE_PLAIN, "runs/a/long/name", 10);
    dho_page_put_name(&page, DHO_STYLE_PLAIN, "short", 10);
    ck_assert_str_eq(page.text.data, "…long/nameshort");
    dho_page_free(&page);
}
END_TEST

static void write_run(void)
{
    dho_text lines = {0};
    for (int step = 10; step <= 500; step += 10)
        dho_text_add(&lines,
                     "{\"step\":%d,\"epoch\":%d,\"loss\":%g,\"ce\":%g,\"kd_labelled\":1,"
                     "\"accuracy\":0.5,\"lr\":0.001,\"gradient_norm\":3,"
                     "\"images_per_second\":123456.75,\"step_seconds\":2,"
                     "\"data_wait_seconds\":0.5,\"comm_seconds\":0.1}\n",
                     step, step / 100, 100.0 / step, 1000.0 / step);
    for (int step = 100; step <= 500; step += 100)
        dho_text_add(&lines,
                     "{\"step\":%d,\"evaluated\":\"val\",\"eval_top1\":%g,\"eval_top5\":1,"
                     "\"eval_nll\":0.5,\"eval_seconds\":1}\n",
                     step, step / 1000.0);
    dho_text_add(&lines, "{\"step\":510,\"lo");
    ck_assert_ok(lines.status);
    fixture_write("metrics.jsonl", lines.data);
    dho_text_free(&lines);
    fixture_write("sessions.jsonl",
                  "{\"step\":0,\"total_steps\":1000,\"ranks\":2,\"host\":\"h\\n\"}\n");
    fixture_write(
        "eval.json",
        "{\"step\":400,\"alpha\":0.5,\"beta\":1,\"sets\":[{\"name\":\"val\",\"images\":100,"
        "\"classes\":5,\"combined\":{\"top1\":81,\"top5\":90},\"ce_head\":{\"top1\":80,"
        "\"top5\":90},\"kd_head\":{\"top1\":79,\"top5\":90}},{\"name\":\"b\","
        "\"images\":10,\"classes\":5,\"combined\":{\"top1\":50,\"top5\":90}}]}");
}

/* Every line fits, and there are not more than fit. */
static void check_size(const dho_watch_run *runs, size_t count, int width, int height, bool utf8)
{
    dho_page page = {.width = width, .utf8 = utf8};
    size_t lines = 0;
    dho_watch_draw(&page, runs, count, height);
    ck_assert_ok(page.text.status);
    for (char *line = page.text.data; *line != '\0'; lines++) {
        char *end = strchr(line, '\n');
        ck_assert_ptr_nonnull(end);
        *end = '\0';
        ck_assert_int_le(dho_page_columns(&page, line), width);
        line = end + 1;
    }
    ck_assert_uint_eq(lines, page.lines);
    const bool one_line_each = lines == count + 1;
    if (height >= DHO_PANEL_LEAST && !one_line_each) ck_assert_uint_le(lines, (size_t)height);
    dho_page_free(&page);
}

START_TEST(test_sizes)
{
    dho_watch_run runs[3] = {{.path = fixture_root}, {.path = fixture_root}, {.path = fixture_root}};
    write_run();
    for (int r = 0; r < 3; r++) ck_assert_ok(dho_watch_run_read(&runs[r]));
    for (int width = 20; width < 500; width += width < 120 ? 9 : 137)
        for (int height = 0; height < 120; height += height < 40 ? 3 : 29)
            for (size_t count = 1; count <= 3; count++)
                check_size(runs, count, width, height, width % 2 == 0);
    for (int r = 0; r < 3; r++) dho_watch_run_free(&runs[r]);
}
END_TEST

/* The panel has a curve that begins so. */
static void check_curve(const dho_watch_run *run, int width, int height, const char *beginning)
{
    dho_page page = {.width = width, .utf8 = true};
    dho_watch_draw(&page, run, 1, height);
    ck_assert_msg(strstr(page.text.data, beginning) != NULL, "%s", page.text.data);
    dho_page_free(&page);
}

/* What the folder says; a file that changes is read again, one that is broken is none. */
START_TEST(test_run)
{
    dho_watch_run run = {.path = fixture_root};
    ck_assert_int_eq(dho_watch_run_read(&run), DHO_ERR_CONFIG);
    write_run();
    ck_assert_ok(dho_watch_run_read(&run));
    ck_assert_double_eq(run.step, 500);
    ck_assert_double_eq(run.total_steps, 1000);
    ck_assert(run.left > 900 && run.left <= 1000); /* 2 s each of 500 */
    ck_assert(run.evaluated && run.evaluation.set_count == 2);
    ck_assert_double_eq(dho_watch_run_last(&run, DHO_METRIC_LOSS), 0.2);
    ck_assert_double_eq(dho_watch_run_last(&run, DHO_METRIC_EVAL_TOP1), 0.5);
    ck_assert_uint_eq(dho_watch_run_lines(&run, DHO_METRIC_EVAL_NLL)->count, 5);
    check_curve(&run, 36, 18, "eval_top1                 0.5 ▁");
    check_curve(&run, 100, 30, "eval_top1                 0.5 ");
    fixture_write("metrics.jsonl", "{\"step\":1000,\"loss\":0.125}\n");
    fixture_write("eval.json", "{");
    ck_assert_ok(dho_watch_run_read(&run));
    ck_assert_int_eq(run.state, DHO_WATCH_FINISHED);
    ck_assert(isnan(run.left) && !run.evaluated);
    fixture_write("sessions.jsonl", "nothing\n");
    ck_assert_ok(dho_watch_run_read(&run));
    ck_assert_double_eq(run.total_steps, 0);
    ck_assert_int_eq(run.state, DHO_WATCH_STOPPED);
    check_size(&run, 1, 80, 24, true);
    dho_watch_run_free(&run);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("watch");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, fixture_setup, fixture_teardown);
    tcase_set_timeout(cases, 0);
    tcase_add_test(cases, test_charts);
    tcase_add_test(cases, test_lines);
    tcase_add_test(cases, test_sizes);
    tcase_add_test(cases, test_run);
    suite_add_tcase(suite, cases);
    return dho_check_run(suite);
}
