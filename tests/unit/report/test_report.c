/* The report's parts: escaping, base64, scales, metrics, charts. */
#include "check_main.h"
#include "report/report_chart.h"
#include "report/report_run.h"
#include "report/report_style.h"

#include <math.h>
#include <string.h>

static void check_escape(const char *value, size_t columns, const char *expected)
{
    dho_text text = {0};
    dho_text_escape_cut(&text, value, columns);
    ck_assert_ok(text.status);
    ck_assert_str_eq(text.data != NULL ? text.data : "", expected);
    dho_text_free(&text);
}

START_TEST(test_escape)
{
    check_escape("<script>alert('a&b')</script>\"", SIZE_MAX,
                 "&lt;script&gt;alert(&#39;a&amp;b&#39;)&lt;/script&gt;&quot;");
    check_escape("", 10, "");
    check_escape("żółw 龜", SIZE_MAX, "żółw 龜");
    /* Not UTF-8: a stray byte, an overlong slash, a surrogate, beyond U+10FFFF, a cut character. */
    check_escape("a\xFFz", SIZE_MAX, "a\xEF\xBF\xBDz");
    check_escape("\xC0\xAF", SIZE_MAX, "\xEF\xBF\xBD\xEF\xBF\xBD");
    check_escape("\xED\xA0\x80", SIZE_MAX, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    check_escape("\xF4\x90\x80\x80", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xE2\x80\xA6");
    check_escape("\xE2\x82", SIZE_MAX, "\xEF\xBF\xBD\xEF\xBF\xBD");
    /* Characters that XML does not have. */
    check_escape("\x01\x1B[0m\xEF\xBF\xBE", SIZE_MAX, "\xEF\xBF\xBD\xEF\xBF\xBD[0m\xEF\xBF\xBD");
    check_escape("a\nb\tc", SIZE_MAX, "a\nb\tc");
}
END_TEST

START_TEST(test_cut)
{
    check_escape("abcdef", 6, "abcdef");
    check_escape("abcdef", 5, "abcd\xE2\x80\xA6");
    check_escape("龜龜龜", 6, "龜龜龜");
    check_escape("龜龜龜", 5, "龜龜\xE2\x80\xA6");
    check_escape("a<b>c", 4, "a&lt;b\xE2\x80\xA6"); /* whole references only */
    ck_assert_uint_eq(dho_text_columns("a龜<"), 4);
    ck_assert_uint_eq(dho_text_columns("e\u0301a\n"), 3); /* a combining mark has none */
}
END_TEST

START_TEST(test_base64)
{
    static const char *const expected[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                           "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t n = 0; n < 7; n++) { /* RFC 4648, section 10 */
        dho_text text = {0};
        dho_text_base64(&text, (const uint8_t *)"foobar", n);
        ck_assert_str_eq(text.data != NULL ? text.data : "", expected[n]);
        dho_text_free(&text);
    }
}
END_TEST

START_TEST(test_text_out_of_memory)
{
    dho_text text = {0};
    dho_alloc_fail_at(1);
    dho_text_add(&text, "%d", 1);
    dho_text_escape(&text, "later calls do nothing");
    dho_alloc_fail_at(0);
    ck_assert_int_eq(text.status, DHO_ERR_MEMORY);
    ck_assert_uint_eq(text.used, 0);
    dho_text_free(&text);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

static void check_words(const dho_scale *scale, const char *expected)
{
    char all[400] = "", word[32];
    for (size_t i = 0; i < scale->tick_count; i++) {
        dho_scale_word(scale, i, word, sizeof word);
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i > 0 ? " " : "", word);
    }
    ck_assert_str_eq(all, expected);
}

START_TEST(test_ticks)
{
    dho_scale scale = dho_scale_create(0, 1, 4, false);
    check_words(&scale, "0.0 0.5 1.0");
    scale = dho_scale_create(0.012, 0.0871, 4, false);
    check_words(&scale, "0.00 0.02 0.04 0.06 0.08 0.10");
    scale = dho_scale_create(43.1, 81.7, 4, false);
    check_words(&scale, "40 50 60 70 80 90");
    scale = dho_scale_fixed(0, 250, 5);
    check_words(&scale, "0 50 100 150 200 250");
    scale = dho_scale_fixed(0, 123456, 5);
    check_words(&scale, "0 50k 100k");
    scale = dho_scale_fixed(0, 5e6, 5);
    check_words(&scale, "0 1M 2M 3M 4M 5M");
    scale = dho_scale_create(-0.3, 0.1, 4, false);
    check_words(&scale, "-0.3 -0.2 -0.1 0.0 0.1");
    scale = dho_scale_create(1e-6, 3e-6, 4, false);
    check_words(&scale, "1e-6 1.5e-6 2e-6 2.5e-6 3e-6");
    scale = dho_scale_create(0.02, 40, 4, true);
    check_words(&scale, "0.01 0.1 1 10 100");
    scale = dho_scale_create(1.1, 8, 4, true);
    check_words(&scale, "2 5");
    scale = dho_scale_create(-1, 8, 4, true); /* no logarithm: linear */
    ck_assert(!scale.log);
}
END_TEST

/* Whatever the ends: an axis of finite, ascending ticks inside of it. */
START_TEST(test_strange_scales)
{
    static const double ends[] = {0,        1,         -1,     5,      NAN,
                                  INFINITY, -INFINITY, 1e-300, 1e300,  -1e300,
                                  1e308,    1 + 1e-13, 1e-12,  4e-310, 1e100};
    const size_t count = sizeof ends / sizeof *ends;
    for (size_t i = 0; i < count * count * 3; i++) {
        const double low = ends[i / 3 / count], high = ends[i / 3 % count];
        const dho_scale scale =
            i % 3 == 2 ? dho_scale_fixed(low, high, 5) : dho_scale_create(low, high, 4, i % 3 == 1);
        ck_assert_msg(isfinite(scale.low) && isfinite(scale.high) && scale.low < scale.high,
                      "%g %g", low, high);
        ck_assert_uint_le(scale.tick_count, DHO_MAX_TICKS);
        for (size_t t = 0; t < scale.tick_count; t++) {
            char word[32];
            const double place = dho_scale_place(&scale, scale.ticks[t]);
            ck_assert_msg(place > -1e-6 && place < 1 + 1e-6, "%g %g: tick %g", low, high,
                          scale.ticks[t]);
            ck_assert(t == 0 || scale.ticks[t] > scale.ticks[t - 1]);
            dho_scale_word(&scale, t, word, sizeof word);
            ck_assert_uint_lt(strlen(word), 24);
        }
    }
}
END_TEST

static dho_metrics parse(const char *text)
{
    dho_metrics metrics;
    ck_assert_ok(dho_metrics_parse(&metrics, text, strlen(text)));
    return metrics;
}

START_TEST(test_metrics)
{
    dho_metrics metrics = parse("{\"step\":1,\"loss\":2.5,\"gradient_norm\":-1.0}\n"
                                "{\"step\":2,\"loss\":NaN}\n"
                                "not json\n"
                                "[1]\n"
                                "{\"loss\":1}\n"
                                "{\"step\":3,\"loss\":1e300,\"ce\":\"text\"}\n"
                                "{\"step\":4,\"conflict\":{\"features\":{\"cosine\":0.5,\"ratio\":"
                                "null},\"a<b\":{\"cosine\":-1}}}\n"
                                "{\"step\":8,\"conflict\":{\"a<b\":7,\"new\":{\"cosine\":1}}}\n"
                                "{\"step\":4,\"loss\":1}\n"
                                "{\"step\":5,\"lo");
    ck_assert_uint_eq(metrics.bad_lines, 4);
    ck_assert(metrics.torn);
    ck_assert_uint_eq(metrics.training.count, 3);
    ck_assert_double_eq(metrics.training.values[DHO_METRIC_LOSS], 2.5);
    ck_assert(isnan(metrics.training.values[DHO_METRIC_GRADIENT_NORM]));
    ck_assert(isnan(metrics.training.values[DHO_METRIC_COUNT + DHO_METRIC_LOSS]));
    ck_assert_uint_eq(metrics.block_count, 2);
    ck_assert_str_eq(metrics.blocks[1], "a<b");
    ck_assert_uint_eq(metrics.conflict.count, 2);
    ck_assert_double_eq(metrics.conflict.values[0], 0.5);
    ck_assert(isnan(metrics.conflict.values[1]));
    ck_assert_double_eq(metrics.conflict.values[2], -1);
    ck_assert(isnan(metrics.conflict.values[4]));
    dho_metrics_free(&metrics);
    metrics = parse(""); /* nothing logged yet */
    ck_assert(!metrics.torn);
    dho_metrics_free(&metrics);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* A run that was killed at step 4 and resumed from 2 has both in a file cut off at the wrong time.
 */
START_TEST(test_metrics_resumed)
{
    dho_metrics metrics = parse("{\"step\":1,\"loss\":1}\n{\"step\":3,\"loss\":3}\n"
                                "{\"step\":4,\"loss\":4}\n{\"step\":3,\"loss\":33}\n");
    ck_assert_uint_eq(metrics.training.count, 2);
    ck_assert_double_eq(metrics.training.values[DHO_METRIC_COUNT + DHO_METRIC_LOSS], 33);
    dho_metrics_free(&metrics);
}
END_TEST

START_TEST(test_metrics_out_of_memory)
{
    static const char text[] = "{\"step\":1,\"loss\":1}\n{\"step\":2,\"conflict\":{\"features\":"
                               "{\"cosine\":1}}}\n";
    dho_metrics metrics;
    ck_assert_allocations(dho_metrics_parse(&metrics, text, sizeof text - 1));
    dho_metrics_free(&metrics);
}
END_TEST

START_TEST(test_smooth)
{
    const double x[6] = {1, 2, 3, 4, 5, 6}, y[6] = {1, 2, NAN, 4, 5, 12};
    double out[6];
    const dho_series series = {.x = x, .y = y, .count = 6, .stride = 1};
    dho_smooth(&series, 1, out);
    ck_assert_double_eq_tol(out[0], 1.5, 1e-12);
    ck_assert_double_eq_tol(out[1], 1.5, 1e-12);
    ck_assert(isnan(out[2])); /* a gap stays one */
    ck_assert_double_eq_tol(out[3], 4.5, 1e-12);
    ck_assert_double_eq_tol(out[5], 8.5, 1e-12);
}
END_TEST

static dho_figure draw(const double *x, const double *y, size_t count)
{
    dho_figure figure = {.id = "test", .title = "a < b"};
    const dho_series series = {.x = x, .y = y, .count = count, .stride = 1, .style = 9};
    const dho_line_chart chart = {.title = "<title> & more",
                                  .x_label = "step",
                                  .series = &series,
                                  .series_count = 1,
                                  .smooth = true,
                                  .log_if_wide = true,
                                  .reference = NAN};
    dho_chart_lines(&figure, &chart);
    ck_assert_ok(dho_figure_status(&figure));
    return figure;
}

START_TEST(test_chart)
{
    double x[5000], y[5000];
    for (int i = 0; i < 5000; i++) {
        x[i] = i;
        y[i] = i % 100 < 3 ? NAN : exp(-i / 500.0);
    }
    dho_figure figure = draw(x, y, 5000);
    ck_assert_uint_eq(figure.panel_count, 1);
    dho_text svg = {0}, html = {0};
    dho_figure_write_svg(&figure, &svg);
    dho_figure_write_html(&figure, &html);
    ck_assert_ok(svg.status);
    ck_assert(strstr(svg.data, "&lt;title&gt; &amp; more (log scale)") != NULL);
    ck_assert(strstr(svg.data, "<title>a &lt; b</title>") != NULL);
    ck_assert(strstr(svg.data, "nan") == NULL && strstr(svg.data, "inf") == NULL);
    ck_assert_uint_lt(svg.used, 40000); /* however long the run was */
    ck_assert(strstr(html.data, "<figure") != NULL);
    dho_text_free(&svg);
    dho_text_free(&html);
    dho_figure_free(&figure);

    const double gaps[3] = {NAN, NAN, INFINITY}, one[3] = {NAN, 5, NAN};
    figure = draw(x, gaps, 3); /* nothing to draw: no panel, not an empty one */
    ck_assert_uint_eq(figure.panel_count, 0);
    dho_figure_free(&figure);
    figure = draw(x, one, 3);
    ck_assert_uint_eq(figure.panel_count, 1);
    ck_assert(strstr(figure.panels[0].body.data, "<circle") != NULL);
    dho_figure_free(&figure);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_styles)
{
    char colour[8];
    for (int a = 0; a < 64; a++) /* no two runs have both colour and dash in common */
        for (int b = 0; b < a; b++)
            ck_assert(a % DHO_SERIES_STYLES != b % DHO_SERIES_STYLES ||
                      dho_style_dash(a) != dho_style_dash(b));
    ck_assert(dho_style_sequential(0, colour));
    ck_assert_str_eq(colour, "#f7fbff");
    ck_assert(!dho_style_sequential(1, colour));
    ck_assert_str_eq(colour, "#08306b");
    dho_style_sequential(NAN, colour);
    ck_assert_str_eq(colour, "#f7fbff");
}
END_TEST

/* Rows by hand: three classes, two heads. */
START_TEST(test_detail)
{
    float ce[4 * 3] = {9, 0, 0, 0, 9, 0, 0, 0, NAN, 0, 0, 9};
    float kd[4 * 3] = {9, 0, 0, 9, 0, 0, 0, 0, 9, 0, 0, 9};
    int32_t labels[4] = {0, 1, 2, 0};
    bool mask[3] = {true, true, true};
    char images[] = "a\0b\0c\0d", classes[] = "x\0<y>\0z";
    const dho_head_outputs outputs = {.count = 4,
                                      .classes = 3,
                                      .logits = {ce, kd},
                                      .labels = labels,
                                      .mask = mask,
                                      .image_names = images,
                                      .image_name_bytes = sizeof images,
                                      .class_names = classes,
                                      .class_name_bytes = sizeof classes};
    const dho_report_reading reading = {.samples = 2, .threads = 1};
    const dho_report_run run = {
        .evaluation = {.alpha = 0.75, .beta = 1, .temperatures = {1, 1, 1, 1}}};
    dho_set_detail detail;
    char buffer[24];
    ck_assert_ok(dho_set_detail_compute(&detail, &outputs, &run, &reading));
    ck_assert_int_eq(detail.counts[0].images, 2);
    ck_assert_int_eq(detail.counts[0].right, 1);
    ck_assert_int_eq(detail.counts[1].right, 1);
    ck_assert_int_eq(detail.counts[2].right, 0); /* not a number: a miss that is no confusion */
    ck_assert_uint_eq(detail.confusion_count, 1);
    ck_assert_int_eq(detail.confusions[0].predicted, 2);
    ck_assert_uint_eq(detail.pick_count[DHO_PICK_RIGHT], 2);
    ck_assert_uint_eq(detail.pick_count[DHO_PICK_WRONG], 2);
    ck_assert_str_eq(detail.picks[DHO_PICK_WRONG][0].name, "d");
    ck_assert_int_eq(detail.picks[DHO_PICK_WRONG][1].combined.top, -1);
    ck_assert_uint_eq(detail.pick_count[DHO_PICK_DISAGREE], 2);
    ck_assert_str_eq(dho_class_word(&detail, 1, buffer), "<y>");
    ck_assert_str_eq(dho_class_word(&detail, -1, buffer), "not a number");
    ck_assert_ptr_null(detail.grid); /* no configuration, no grid */
    dho_set_detail_free(&detail);
    ck_assert_allocations(dho_set_detail_compute(&detail, &outputs, &run, &reading));
    dho_set_detail_free(&detail);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("report");
    TCase *tests = tcase_create("report");
    tcase_add_test(tests, test_escape);
    tcase_add_test(tests, test_cut);
    tcase_add_test(tests, test_base64);
    tcase_add_test(tests, test_text_out_of_memory);
    tcase_add_test(tests, test_ticks);
    tcase_add_test(tests, test_strange_scales);
    tcase_add_test(tests, test_metrics);
    tcase_add_test(tests, test_metrics_resumed);
    tcase_add_test(tests, test_metrics_out_of_memory);
    tcase_add_test(tests, test_smooth);
    tcase_add_test(tests, test_chart);
    tcase_add_test(tests, test_styles);
    tcase_add_test(tests, test_detail);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
