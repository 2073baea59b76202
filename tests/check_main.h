/* One main for every Check program: runs the suite, prints Check's closing line. */
#ifndef DHO_TESTS_CHECK_MAIN_H
#define DHO_TESTS_CHECK_MAIN_H

#include "dho/alloc.h"
#include "dho/status.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* Asserts DHO_OK and shows the message otherwise. */
#define ck_assert_ok(expression)                                                                   \
    do {                                                                                           \
        const dho_status ck_status_ = (expression);                                                \
        ck_assert_msg(ck_status_ == DHO_OK, "%s: status %d: %s", #expression, (int)ck_status_,     \
                      dho_error_message());                                                        \
    } while (0)

/* Asserts a status and that the message holds a text. */
#define ck_assert_fails(expression, expected, text)                                                \
    do {                                                                                           \
        const dho_status ck_status_ = (expression);                                                \
        ck_assert_int_eq(ck_status_, expected);                                                    \
        ck_assert_msg(strstr(dho_error_message(), text) != NULL, "message is: %s",                 \
                      dho_error_message());                                                        \
    } while (0)

static inline int dho_check_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
