/* Configurations compared field by field. */
#include "check_main.h"
#include "config/schema.h"
#include "dho/alloc.h"
#include "dho/config.h"

#include <stdio.h>
#include <string.h>

static void parse(dho_config *config, const char *text)
{
    ck_assert_ok(dho_config_parse(config, text, strlen(text), "t.yaml", NULL, 0));
}

/* "key a b|..." of all differences. */
static void describe(const dho_config_differences *differences, char *out, size_t bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t k = 0; k < differences->count; k++) {
        used += (size_t)snprintf(out + used, bytes - used, "%s", differences->keys[k].key);
        for (size_t i = 0; i < differences->configs; i++) {
            const char *value = differences->keys[k].values[i];
            used += (size_t)snprintf(out + used, bytes - used, " %s", value != NULL ? value : "-");
        }
        used += (size_t)snprintf(out + used, bytes - used, "|");
    }
}

static void check(const char *a, const char *b, unsigned decides, const char *wanted)
{
    dho_config configs[2];
    dho_config_differences differences;
    char found[1024];
    parse(&configs[0], a);
    parse(&configs[1], b);
    const dho_config *const both[] = {&configs[0], &configs[1]};
    ck_assert_ok(dho_config_diff(&differences, both, 2, decides));
    describe(&differences, found, sizeof found);
    ck_assert_str_eq(found, wanted);
    dho_config_differences_free(&differences);
    dho_config_free(&configs[0]);
    dho_config_free(&configs[1]);
}

START_TEST(test_fields)
{
    check("", "", DHO_DECIDES_ALL, "");
    check("{seed: 1, train: {lr: 0.5}, out: x}", "seed: 2", DHO_DECIDES_ALL,
          "seed 1 2|out x runs/default|train.lr 0.5 0.001|");
    check("{seed: 1, train: {lr: 0.5}, out: x}", "seed: 2", DHO_DECIDES_NUMBERS, "seed 1 2|");
    check("{seed: 1, train: {lr: 0.5}, out: x}", "seed: 2", DHO_DECIDES_COURSE | DHO_DECIDES_LOG,
          "out x runs/default|train.lr 0.5 0.001|");
    check("compute: {dtype: bf16}", "", DHO_DECIDES_NUMBERS, "compute.dtype bf16 fp32|");
    check("compute: {threads: 3}", "", DHO_DECIDES_NUMBERS, "");
    check("{data: {flip: false, crop_scale: [0.1, 1]}, eval: {betas: [1]}}",
          "eval: {betas: [1, 2]}", DHO_DECIDES_ALL,
          "data.crop_scale [0.1, 1] [0.5, 1]|data.flip false true|eval.betas [1] [1, 2]|");
    check("eval: {betas: [1, 3]}", "eval: {betas: [1, 2]}", DHO_DECIDES_EVALUATION,
          "eval.betas [1, 3] [1, 2]|");
}
END_TEST

START_TEST(test_sets)
{
    check("eval: {sets: [{name: a, root: x}, {name: b, root: y}]}",
          "eval: {sets: [{name: a, root: z}]}", DHO_DECIDES_EVALUATION,
          "eval.sets[0].root x z|eval.sets[1].name b -|eval.sets[1].format imagefolder -|"
          "eval.sets[1].root y -|eval.sets[1].split_file \"\" -|eval.sets[1].split \"\" -|"
          "eval.sets[1].class_file \"\" -|eval.sets[1].mask_classes true -|");
    check("eval: {sets: [{name: a, root: x}]}", "", DHO_DECIDES_NUMBERS, "");
}
END_TEST

/* Three runs, one of which has no configuration. */
START_TEST(test_more_than_two)
{
    dho_config a, b;
    dho_config_differences differences;
    char found[256];
    parse(&a, "seed: 1");
    parse(&b, "{seed: 2, eval: {sets: [{name: n, root: r}]}}");
    const dho_config *const all[] = {&a, NULL, &b, &a};
    ck_assert_ok(dho_config_diff(&differences, all, 4, DHO_DECIDES_ALL));
    describe(&differences, found, sizeof found);
    ck_assert_ptr_eq(strstr(found, "seed 1 - 2 1|eval.sets[0].name - - n -|"), found);
    dho_config_differences_free(&differences);
    const dho_config *const same[] = {NULL, &b, &b, NULL};
    ck_assert_ok(dho_config_diff(&differences, same, 4, DHO_DECIDES_ALL));
    ck_assert_uint_eq(differences.count, 0);
    dho_config_differences_free(&differences);
    dho_config_free(&a);
    dho_config_free(&b);
}
END_TEST

START_TEST(test_every_key_decides_one_thing)
{
    for (size_t k = 0; k < dho_schema_config.count; k++) {
        const unsigned decides = dho_schema_config.fields[k].decides;
        ck_assert_msg(decides != 0 && (decides & (decides - 1)) == 0, "%s",
                      dho_schema_config.fields[k].key);
        ck_assert_uint_eq(decides & ~(unsigned)DHO_DECIDES_ALL, 0);
    }
}
END_TEST

/* What is kept of some keys comes back, and nothing else does. */
START_TEST(test_keys_round_trip)
{
    dho_config config, back;
    char *text;
    parse(&config, "{seed: 5, out: x, train: {lr: 0.5, shards: 8}, data: {mean: [1, 2, 3]}}");
    ck_assert_ok(dho_config_format_keys(&config, DHO_DECIDES_NUMBERS, &text));
    ck_assert_ptr_null(strstr(text, "lr:"));
    ck_assert_ptr_null(strstr(text, "\nout:"));
    ck_assert_ok(dho_config_parse_keys(&back, text, "text", DHO_DECIDES_NUMBERS));
    ck_assert_uint_eq(back.seed, 5);
    ck_assert_int_eq(back.train.shards, 8);
    ck_assert_double_eq(back.data.mean[2], 3);
    ck_assert_double_eq(back.train.lr, 1e-3);
    ck_assert_str_eq(back.out, "runs/default");
    dho_free(text);
    dho_config_free(&config);
    dho_config_free(&back);
}
END_TEST

START_TEST(test_every_allocation_can_fail)
{
    dho_config a, b;
    parse(&a, "{seed: 1, eval: {sets: [{name: n, root: r}]}}");
    parse(&b, "{seed: 2, train: {lr: 2}}");
    const dho_config *const both[] = {&a, &b};
    const int64_t before = dho_alloc_get_stats().live_blocks;
    for (int64_t n = 1;; n++) {
        dho_config_differences differences;
        dho_config keys;
        dho_alloc_fail_at(n);
        dho_status status = dho_config_diff(&differences, both, 2, DHO_DECIDES_ALL);
        dho_config_differences_free(&differences);
        if (status == DHO_OK) {
            status = dho_config_parse_keys(&keys, "seed: 1", "text", DHO_DECIDES_ALL);
            dho_config_free(&keys);
        }
        dho_alloc_fail_at(0);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, before);
        if (status == DHO_OK) break;
        ck_assert_int_eq(status, DHO_ERR_MEMORY);
    }
    dho_config_free(&a);
    dho_config_free(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_diff");
    TCase *tests = tcase_create("config_diff");
    tcase_add_test(tests, test_fields);
    tcase_add_test(tests, test_sets);
    tcase_add_test(tests, test_more_than_two);
    tcase_add_test(tests, test_every_key_decides_one_thing);
    tcase_add_test(tests, test_keys_round_trip);
    tcase_add_test(tests, test_every_allocation_can_fail);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
