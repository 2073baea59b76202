#define _GNU_SOURCE
/* sessions.jsonl: what is written is read back; older and damaged lines. */
#include "dho/session.h"
#include "folder_fixture.h"

#include <math.h>

START_TEST(test_round_trip)
{
    const dho_session written[2] = {{.started = "2025-01-31T12:00:00Z",
                                     .version = "1",
                                     .libraries = "BLIS",
                                     .host = "żółw",
                                     .cpu = "\"a\" b",
                                     .cores = 8,
                                     .memory_gib = 62.5,
                                     .ranks = 2,
                                     .threads = 4,
                                     .backend = "blis",
                                     .parameters = 25557032,
                                     .images = 1281167,
                                     .classes = 1000,
                                     .labelled = 12811,
                                     .config = "seed: 1\ntrain:\n  lr: 0.1\n"},
                                    {.started = "",
                                     .step = 500,
                                     .version = "",
                                     .libraries = "",
                                     .host = "",
                                     .cpu = "",
                                     .backend = "",
                                     .config = ""}};
    dho_sessions read;
    ck_assert_ok(dho_sessions_load(&read, fixture_root)); /* no file */
    ck_assert_uint_eq(read.count, 0);
    dho_sessions_free(&read);
    for (int i = 0; i < 2; i++) ck_assert_ok(dho_session_append(&written[i], fixture_root));
    ck_assert_ok(dho_sessions_load(&read, fixture_root));
    ck_assert_uint_eq(read.count, 2);
    for (int i = 0; i < 2; i++) {
        const dho_session *a = &written[i], *b = &read.items[i];
        ck_assert_str_eq(a->started, b->started);
        ck_assert_double_eq(a->step, b->step);
        ck_assert_str_eq(a->version, b->version);
        ck_assert_str_eq(a->libraries, b->libraries);
        ck_assert_str_eq(a->host, b->host);
        ck_assert_str_eq(a->cpu, b->cpu);
        ck_assert_double_eq(a->cores, b->cores);
        ck_assert_double_eq(a->memory_gib, b->memory_gib);
        ck_assert_double_eq(a->ranks, b->ranks);
        ck_assert_double_eq(a->threads, b->threads);
        ck_assert_str_eq(a->backend, b->backend);
        ck_assert_double_eq(a->parameters, b->parameters);
        ck_assert_double_eq(a->images, b->images);
        ck_assert_double_eq(a->classes, b->classes);
        ck_assert_double_eq(a->labelled, b->labelled);
        ck_assert_str_eq(a->config, b->config);
    }
    dho_sessions_free(&read);
}
END_TEST

START_TEST(test_other_lines)
{
    dho_sessions read;
    fixture_write("sessions.jsonl", "{\"step\": 3, \"host\": 7}\nnothing\n[]\n{\"cpu\": \"x\"}");
    ck_assert_ok(dho_sessions_load(&read, fixture_root));
    ck_assert_uint_eq(read.count, 2);
    ck_assert_double_eq(read.items[0].step, 3);
    ck_assert_ptr_null(read.items[0].host);
    ck_assert_ptr_null(read.items[0].config);
    ck_assert(isnan(read.items[1].step));
    ck_assert_str_eq(read.items[1].cpu, "x");
    dho_sessions_free(&read);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sessions");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, fixture_setup, fixture_teardown);
    tcase_add_test(cases, test_round_trip);
    tcase_add_test(cases, test_other_lines);
    suite_add_tcase(suite, cases);
    return dho_check_run(suite);
}
