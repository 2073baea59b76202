/* Results and their texts: ties, hostile names, energy, an output that is not finite. */
#include "check_main.h"
#include "dho/file.h"
#include "predict/predict_page.h"
#include "predict/predict_result.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { CLASSES = 4 };
static char *names[CLASSES] = {(char[]){"n0"}, (char[]){"a,\"b\""}, (char[]){"<script>"},
                               (char[]){"\xc3\xa4"}};
static char *titles[CLASSES] = {(char[]){"tench"}, (char[]){"b"}, (char[]){"&"}, (char[]){"d"}};

static char source[] = "run<b>";

static dho_classifier make(int heads)
{
    return (dho_classifier){.model = {.student = {.classes = CLASSES,
                                                  .head_count = heads,
                                                  .image_size = 32,
                                                  .model = "resnet18"},
                                      .class_names = names},
                            .alpha = 0.25,
                            .beta = 2,
                            .temperature = 1,
                            .source = source};
}

static dho_result_maker maker_of(const dho_classifier *classifier, dho_reject reject, int top)
{
    dho_result_maker maker = {.classifier = classifier, .reject = reject, .top = top};
    ck_assert_ok(dho_result_maker_open(&maker));
    return maker;
}

static const float ce[CLASSES] = {1, 3, 3, -2}, kd[CLASSES] = {0.5f, 2, 2, 4};
static const float *const both[2] = {ce, kd};

START_TEST(test_combination)
{
    dho_classifier classifier = make(2);
    dho_result_maker maker = maker_of(&classifier, DHO_REJECT_NEVER, 99);
    dho_result result;
    double a = 0, b = 0, roots = 0;
    for (int c = 0; c < CLASSES; c++) {
        a += exp(ce[c]);
        b += exp(kd[c] / 2);
    }
    dho_result_make(&maker, both, "x", &result);
    ck_assert_int_eq(result.count, CLASSES);
    ck_assert(result.accepted);
    static const int order[CLASSES] = {3, 1, 2, 0}; /* 1 and 2 are equal: the first comes first */
    for (int i = 0; i < CLASSES; i++) {
        const int c = order[i];
        const double wanted = 0.25 * exp(ce[c]) / a + 0.75 * exp(kd[c] / 2) / b;
        ck_assert_int_eq(result.top[i].class_index, c);
        ck_assert_double_eq_tol(result.top[i].p, wanted, 1e-6); /* fp32 softmax */
        roots += sqrt(wanted);
    }
    classifier.temperature = 2; /* softmax(log(p) / 2) */
    dho_result_make(&maker, both, "x", &result);
    for (int i = 0; i < CLASSES; i++) {
        const int c = order[i];
        const double wanted = 0.25 * exp(ce[c]) / a + 0.75 * exp(kd[c] / 2) / b;
        ck_assert_int_eq(result.top[i].class_index, c);
        ck_assert_double_eq_tol(result.top[i].p, sqrt(wanted) / roots, 1e-6);
    }
    dho_result_maker_close(&maker);
}
END_TEST

START_TEST(test_scores)
{
    dho_classifier classifier = make(2);
    double a = 0, b = 0;
    const double p[CLASSES] = {0.1, 0.2, 0.6, 0.1};
    for (int c = 0; c < CLASSES; c++) {
        a += exp(ce[c]);
        b += exp(kd[c] / 2);
    }
    ck_assert_double_eq_tol(dho_classifier_score(&classifier, DHO_REJECT_ENERGY, both, p),
                            -0.25 * log(a) - 0.75 * 2 * log(b), 1e-12);
    ck_assert_double_eq_tol(dho_classifier_score(&classifier, DHO_REJECT_PROBABILITY, both, p), 0.4,
                            1e-12);
    classifier.model.student.head_count = 1;
    ck_assert_double_eq_tol(dho_classifier_score(&classifier, DHO_REJECT_ENERGY, both, p), -log(a),
                            1e-12);
    const float large[CLASSES] = {1e30f, -1e30f, 0, 0};
    const float *const heads[2] = {large, NULL};
    ck_assert_double_eq(dho_classifier_score(&classifier, DHO_REJECT_ENERGY, heads, p),
                        -(double)1e30f);
}
END_TEST

static const char *line(const dho_result_maker *maker, const dho_result *result, bool csv)
{
    static char copy[1024];
    dho_text text = {0};
    if (csv)
        dho_result_add_csv(maker, result, &text);
    else
        ck_assert_ok(dho_result_add_json(maker, result, &text));
    snprintf(copy, sizeof copy, "%s", text.data);
    dho_text_free(&text);
    return copy;
}

START_TEST(test_lines)
{
    dho_classifier classifier = make(1);
    dho_result_maker maker = maker_of(&classifier, DHO_REJECT_ENERGY, 2);
    dho_result result;
    const float sure[CLASSES] = {0, 90, 0, 0}, *const heads[2] = {sure, NULL};
    maker.limit = -90.5;
    dho_result_make(&maker, heads, "a \"b\",\n.jpg", &result);
    ck_assert_str_eq(line(&maker, &result, false),
                     "{\"path\":\"a \\\"b\\\",\\n.jpg\",\"top\":[{\"index\":1,\"class\":"
                     "\"a,\\\"b\\\"\",\"p\":1.0},{\"index\":0,\"class\":\"n0\",\"p\":8.19401e-40}],"
                     "\"energy\":-90.0,\"accepted\":false}\n");
    ck_assert_str_eq(line(&maker, &result, true),
                     "\"a \"\"b\"\",\n.jpg\",,-90,false,\"a,\"\"b\"\"\",1,n0,8.19401e-40\n");
    classifier.model.class_titles = titles;
    const dho_result broken = {.path = "x.jpg", .error = "is cut", .accepted = true};
    ck_assert_str_eq(line(&maker, &broken, false), "{\"path\":\"x.jpg\",\"error\":\"is cut\"}\n");
    ck_assert_str_eq(line(&maker, &broken, true), "x.jpg,is cut,,,,,,,,\n");
    dho_text head = {0};
    dho_result_add_csv_head(&maker, &head);
    ck_assert_str_eq(head.data,
                     "path,error,energy,accepted,class_1,name_1,p_1,class_2,name_2,p_2\n");
    dho_text_free(&head);
    dho_result_maker_close(&maker);
}
END_TEST

START_TEST(test_not_finite)
{
    const dho_classifier classifier = make(2);
    dho_result_maker maker = maker_of(&classifier, DHO_REJECT_NEVER, 1);
    dho_result result;
    const float bad[CLASSES] = {0, NAN, 0, 0};
    const float *const heads[2] = {ce, bad};
    dho_result_make(&maker, heads, "x", &result);
    ck_assert_ptr_nonnull(result.error);
    ck_assert_int_eq(result.count, 0);
    dho_result_maker_close(&maker);
}
END_TEST

START_TEST(test_page_escapes)
{
    dho_classifier classifier = make(2);
    dho_result_maker maker = maker_of(&classifier, DHO_REJECT_PROBABILITY, CLASSES);
    int64_t of_class[CLASSES] = {0, 1, 2, 0};
    const dho_totals totals = {.images = 5, .errors = 1, .rejected = 1, .of_class = of_class};
    dho_text cards = {0};
    dho_picture_memory memory = {0};
    char *path;
    const dho_result broken = {.path = "<i>.jpg", .error = "<u>", .accepted = true};
    ck_assert_ok(dho_page_add_card(&maker, &broken, &memory, NULL, 0, &cards));
    ck_assert_ok(dho_asprintf(&path, "/tmp/dho-predict-%d.html", (int)getpid()));
    ck_assert_ok(dho_page_write(path, &maker, &totals, &cards, 1));
    uint8_t *page = NULL;
    size_t capacity = 0, size;
    ck_assert_ok(dho_file_read(path, 1 << 20, &page, &capacity, &size));
    const char *text = (const char *)page;
    ck_assert(strstr(text, "&lt;i&gt;.jpg") != NULL && strstr(text, "&lt;u&gt;") != NULL);
    ck_assert(strstr(text, "&lt;script&gt;") != NULL && strstr(text, "<script") == NULL);
    ck_assert(strstr(text, "run&lt;b&gt;") != NULL && strstr(text, "The first 1 of 5.") != NULL);
    dho_free(page);
    dho_text_free(&cards);
    unlink(path);
    dho_free(path);
    dho_result_maker_close(&maker);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("predict");
    TCase *tests = tcase_create("predict");
    tcase_add_test(tests, test_combination);
    tcase_add_test(tests, test_scores);
    tcase_add_test(tests, test_lines);
    tcase_add_test(tests, test_not_finite);
    tcase_add_test(tests, test_page_escapes);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
