/* One main for every Check program: runs the suite, prints Check's closing line. */
#ifndef DHO_TESTS_CHECK_MAIN_H
#define DHO_TESTS_CHECK_MAIN_H

#include "dho/alloc.h"
#include "dho/status.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* CTest's SKIP_RETURN_CODE. */
enum { DHO_EXIT_SKIPPED = 77 };

/* One byte for each test that was skipped whole: a file, since Check forks a process for each. */
static FILE *skipped_tests;

/* A part of a test cannot run here: check.sh lists and counts these lines. */
#define skip_part(...) (printf("skipped: " __VA_ARGS__), (void)putchar('\n'))

/* The whole test cannot run here. A program all of whose tests are skipped exits with 77. */
#define skip_test(...)                                   \
    do {                                                 \
        skip_part(__VA_ARGS__);                          \
        putc('s', skipped_tests), fflush(skipped_tests); \
        return;                                          \
    } while (0)

/* Asserts DHO_OK and shows the message otherwise. */
#define ck_assert_ok(expression)                                                               \
    do {                                                                                       \
        const dho_status ck_status_ = (expression);                                            \
        ck_assert_msg(ck_status_ == DHO_OK, "%s: status %d: %s", #expression, (int)ck_status_, \
                      dho_error_message());                                                    \
    } while (0)

/* Asserts a status and that the message holds a text. */
#define ck_assert_fails(expression, expected, text)                                \
    do {                                                                           \
        const dho_status ck_status_ = (expression);                                \
        ck_assert_int_eq(ck_status_, expected);                                    \
        ck_assert_msg(strstr(dho_error_message(), text) != NULL, "message is: %s", \
                      dho_error_message());                                        \
    } while (0)

/* The call with its allocation n (1 is the first) failing: whether it failed of that. For all of
 * its allocations: for (int64_t n = 1; out_of_memory_at(n, call); n++). */
#define out_of_memory_at(n, call) (dho_alloc_fail_at(n), dho_check_out_of_memory(n, call))

static inline bool dho_check_out_of_memory(int64_t n, dho_status status)
{
    dho_alloc_fail_at(0);
    if (status != DHO_OK) ck_assert_int_eq(status, DHO_ERR_MEMORY);
    ck_assert_int_lt(n, 100000);
    return status != DHO_OK;
}

/* The same for all of its allocations, and no failure leaves a block behind. */
#define ck_assert_allocations(call)                                        \
    do {                                                                   \
        const int64_t ck_live_ = dho_alloc_get_stats().live_blocks;        \
        for (int64_t ck_n_ = 1; out_of_memory_at(ck_n_, call); ck_n_++)    \
            ck_assert_int_eq(dho_alloc_get_stats().live_blocks, ck_live_); \
    } while (0)

/* A case of its own, which CTest runs as a test of its own, unit.NAME.TAG, so that it is counted
 * where it is skipped. tests/CMakeLists.txt looks for these calls; tags have no spaces. */
static inline TCase *dho_check_case(Suite *suite, const char *tag)
{
    TCase *tests = tcase_create(tag);
    tcase_set_tags(tests, tag);
    tcase_set_timeout(tests, 0); /* CTest has the timeout */
    suite_add_tcase(suite, tests);
    return tests;
}

static inline int dho_check_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    skipped_tests = tmpfile();
    if (skipped_tests == NULL) return EXIT_FAILURE;
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner), run = srunner_ntests_run(runner);
    fseek(skipped_tests, 0, SEEK_END);
    const long skipped = ftell(skipped_tests);
    fclose(skipped_tests);
    srunner_free(runner);
    if (failed > 0) return EXIT_FAILURE;
    return skipped > 0 && skipped == run ? DHO_EXIT_SKIPPED : EXIT_SUCCESS;
}

#endif
