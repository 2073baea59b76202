#include "check_main.h"

#include "dho/log.h"

#include <string.h>
#include <unistd.h>

START_TEST(test_message_is_kept_and_cut)
{
    char longest[3000];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    ck_assert_int_eq(dho_fail(DHO_ERR_IO, "%s: %d", "a", 7), DHO_ERR_IO);
    ck_assert_str_eq(dho_error_message(), "a: 7");
    /* An argument may be the message itself. */
    dho_fail(DHO_ERR_IO, "b: %s", dho_error_message());
    ck_assert_str_eq(dho_error_message(), "b: a: 7");
    ck_assert_int_eq(dho_fail_prefix(DHO_ERR_CONFIG, "rank %d: ", 3), DHO_ERR_CONFIG);
    ck_assert_str_eq(dho_error_message(), "rank 3: b: a: 7");
    dho_fail(DHO_ERR_IO, "%s", longest);
    ck_assert_uint_eq(strlen(dho_error_message()), 1023);
    dho_fail_prefix(DHO_ERR_IO, "prefix: ");
    ck_assert_uint_eq(strlen(dho_error_message()), 1023);
    ck_assert_int_eq(strncmp(dho_error_message(), "prefix: xxx", 11), 0);
    dho_fail_prefix(DHO_ERR_IO, "%s", longest);
    ck_assert_uint_eq(strlen(dho_error_message()), 1023);
}
END_TEST

/* A name that would clear the terminal and forge a line. */
START_TEST(test_log_lines_have_no_control_characters)
{
    int ends[2];
    char found[256] = "";
    ck_assert_int_eq(pipe(ends), 0);
    const int standard = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
    dho_warn("%s: caf\xc3\xa9", "a\x1b[2Jb\nc\xff.jpg");
    ck_assert_int_ge(dup2(standard, STDERR_FILENO), 0);
    ck_assert_int_gt(read(ends[0], found, sizeof found - 1), 0);
    ck_assert_str_eq(found, "dho: warning: a\\x1b[2Jb\\x0ac\\xff.jpg: caf\xc3\xa9\n");
    close(ends[0]), close(ends[1]), close(standard);
}
END_TEST

START_TEST(test_exit_codes)
{
    ck_assert_int_eq(dho_exit_code(DHO_OK), 0);
    ck_assert_int_eq(dho_exit_code(DHO_ERR_CONFIG), 2);
    ck_assert_int_eq(dho_exit_code(DHO_PREEMPTED), 75);
    const dho_status others[] = {DHO_ERR_IO,   DHO_ERR_FORMAT,  DHO_ERR_MEMORY,
                                 DHO_ERR_COMM, DHO_ERR_NUMERIC, DHO_ERR_INTERNAL};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert_int_eq(dho_exit_code(others[i]), 1);
}
END_TEST

START_TEST(test_wrong_input)
{
    dho_fail(DHO_ERR_FORMAT, "x: is no such file");
    ck_assert_int_eq(dho_input_status(DHO_ERR_FORMAT), DHO_ERR_CONFIG);
    ck_assert_str_eq(dho_error_message(), "x: is no such file");
    ck_assert_int_eq(dho_input_status(DHO_ERR_IO), DHO_ERR_CONFIG);
    const dho_status others[] = {DHO_OK,       DHO_ERR_CONFIG,  DHO_ERR_MEMORY,
                                 DHO_ERR_COMM, DHO_ERR_NUMERIC, DHO_PREEMPTED};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert_int_eq(dho_input_status(others[i]), others[i]);
}
END_TEST

START_TEST(test_blocks_are_aligned_zeroed_and_counted)
{
    const dho_alloc_stats before = dho_alloc_get_stats();
    const size_t sizes[] = {0, 1, 63, 64, 65, 4096, 1000003};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *block;
        ck_assert_ok(dho_alloc_zero(&block, sizes[i], 1, "block"));
        ck_assert_ptr_nonnull(block);
        ck_assert_uint_eq((uintptr_t)block % 64, 0);
        uint8_t any = 0;
        for (size_t k = 0; k < sizes[i]; k++) any |= block[k];
        ck_assert_uint_eq(any, 0);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, before.live_blocks + 1);
        ck_assert_int_eq(dho_alloc_get_stats().live_bytes, before.live_bytes + (int64_t)sizes[i]);
        dho_free(block);
    }
    dho_free(NULL);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, before.live_blocks);
    ck_assert_int_eq(dho_alloc_get_stats().live_bytes, before.live_bytes);
    ck_assert_int_ge(dho_alloc_get_stats().peak_bytes, before.live_bytes + 1000003);
}
END_TEST

START_TEST(test_overflow_and_too_much)
{
    void *block = &block;
    ck_assert_fails(dho_alloc(&block, SIZE_MAX / 2, 3, "activations"), DHO_ERR_MEMORY,
                    "activations: cannot allocate");
    ck_assert_ptr_null(block);
    block = &block;
    ck_assert_fails(dho_alloc_zero(&block, SIZE_MAX, 1, "all"), DHO_ERR_MEMORY, "all: cannot");
    ck_assert_ptr_null(block);
}
END_TEST

START_TEST(test_realloc_keeps_the_content)
{
    int32_t *values = NULL;
    for (size_t count = 1; count <= 1000; count = 2 * count + 1) {
        ck_assert_ok(dho_realloc(&values, count, sizeof *values, "values"));
        for (size_t i = count / 2; i < count; i++) values[i] = (int32_t)i;
        for (size_t i = 0; i < count; i++) ck_assert_int_eq(values[i], (int32_t)i);
    }
    ck_assert_ok(dho_realloc(&values, 3, sizeof *values, "values"));
    for (int32_t i = 0; i < 3; i++) ck_assert_int_eq(values[i], i);
    const int32_t *const before = values;
    ck_assert_int_eq(dho_realloc(&values, SIZE_MAX, sizeof *values, "values"), DHO_ERR_MEMORY);
    ck_assert_ptr_eq(values, before);
    ck_assert_int_eq(values[2], 2);
    dho_free(values);
}
END_TEST

START_TEST(test_injected_failures)
{
    char *text;
    for (int64_t n = 1; n <= 3; n++) {
        dho_alloc_fail_at(n);
        for (int64_t i = 1; i <= 4; i++) {
            ck_assert_int_eq(dho_strdup(&text, "x"), i == n ? DHO_ERR_MEMORY : DHO_OK);
            if (i == n) ck_assert_ptr_null(text);
            dho_free(text);
        }
    }
    dho_alloc_fail_at(1);
    dho_alloc_fail_at(0);
    ck_assert_ok(dho_strdup(&text, "x"));
    dho_free(text);
}
END_TEST

START_TEST(test_strings)
{
    char *text;
    ck_assert_ok(dho_strdup(&text, NULL));
    ck_assert_ptr_null(text);
    ck_assert_ok(dho_strndup(&text, "abc", 2));
    ck_assert_str_eq(text, "ab");
    dho_free(text);
    ck_assert_ok(dho_asprintf(&text, "%s-%03d", "x", 7));
    ck_assert_str_eq(text, "x-007");
    dho_free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status and alloc");
    TCase *tests = tcase_create("status and alloc");
    tcase_add_test(tests, test_message_is_kept_and_cut);
    tcase_add_test(tests, test_log_lines_have_no_control_characters);
    tcase_add_test(tests, test_exit_codes);
    tcase_add_test(tests, test_wrong_input);
    tcase_add_test(tests, test_blocks_are_aligned_zeroed_and_counted);
    tcase_add_test(tests, test_overflow_and_too_much);
    tcase_add_test(tests, test_realloc_keeps_the_content);
    tcase_add_test(tests, test_injected_failures);
    tcase_add_test(tests, test_strings);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
