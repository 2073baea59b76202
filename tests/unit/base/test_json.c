#define _GNU_SOURCE
#include "base/json.h"
#include "folder_fixture.h"

#include <string.h>

static dho_status parse(json_t **out, const char *text)
{
    return dho_json_parse(out, text, strlen(text), "t.json");
}

START_TEST(test_errors_name_the_place)
{
    json_t *value;
    ck_assert_fails(parse(&value, "{\n  \"a\": nope}"), DHO_ERR_FORMAT, "t.json: line 2 column ");
    ck_assert_ptr_null(value);
    ck_assert_fails(parse(&value, "{\"a\": 1, \"a\": 2}"), DHO_ERR_FORMAT, "duplicate");
    static const char *const broken[] = {"",        "{",        "[1,]",         "{} x",
                                         "[1e999]", "\"\xff\"", "[\"\\ud800\"]"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        ck_assert_fails(parse(&value, broken[i]), DHO_ERR_FORMAT, "t.json: line ");
        ck_assert_ptr_null(value);
    }
}
END_TEST

START_TEST(test_save_and_load)
{
    char *path;
    json_t *value, *again;
    ck_assert_ok(dho_path_join(&path, fixture_root, "v.json"));
    ck_assert_ok(parse(&value, "{\"z\": [1, 2.5, null, true], \"a\": \"\\u00e9\\\"\", "
                               "\"n\": 9223372036854775807, \"f\": 0.1}"));
    ck_assert_ok(dho_json_save(value, path));
    ck_assert_ok(dho_json_load(&again, path, 1 << 20));
    ck_assert(json_equal(value, again));
    json_decref(again);
    ck_assert_fails(dho_json_load(&again, path, 10), DHO_ERR_FORMAT, path);
    ck_assert_ptr_null(again);
    ck_assert_ok(dho_file_write_text(path, "{"));
    ck_assert_fails(dho_json_load(&again, path, 1 << 20), DHO_ERR_FORMAT, path);
    ck_assert_ok(dho_remove_tree(fixture_root));
    ck_assert_fails(dho_json_load(&again, path, 1 << 20), DHO_ERR_IO, path);
    ck_assert_fails(dho_json_save(value, path), DHO_ERR_IO, path);
    json_decref(value);
    dho_free(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *tests = tcase_create("json");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_test(tests, test_errors_name_the_place);
    tcase_add_test(tests, test_save_and_load);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
