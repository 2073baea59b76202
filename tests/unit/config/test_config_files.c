/* The configurations in configs/ load, and say what the published experiments say. Runs in the
 * repository's root. */
#include "check_main.h"
#include "dho/config.h"
#include "dho/file.h"

#include <string.h>

static int load_folder(const char *folder, void (*look)(const char *, const dho_config *))
{
    dho_name_list names;
    int loaded = 0;
    ck_assert_ok(dho_list_folder(&names, folder));
    for (size_t i = 0; i < names.count; i++) {
        dho_config config;
        char *path;
        const size_t length = strlen(names.names[i]);
        if (length < 5 || strcmp(names.names[i] + length - 5, ".yaml") != 0) continue;
        ck_assert_ok(dho_path_join(&path, folder, names.names[i]));
        ck_assert_ok(dho_config_load(&config, path, NULL, 0));
        ck_assert_ok(dho_config_check_train(&config, path));
        if (look != NULL) look(names.names[i], &config);
        dho_config_free(&config);
        dho_free(path);
        loaded++;
    }
    dho_name_list_free(&names);
    return loaded;
}

static void look_at_imagenet(const char *name, const dho_config *config)
{
    const bool few_shot = config->data.labels == DHO_LABELS_SHOTS;
    ck_assert_int_eq(config->train.batch_labelled, 256);
    ck_assert_int_eq(config->train.batch_unlabelled, 256);
    ck_assert_double_eq(config->train.epochs, few_shot ? 20 : 32);
    ck_assert_double_eq(config->train.lr, few_shot ? 1e-3 : 5e-5);
    ck_assert_double_eq(config->distill.lambda_ce, few_shot ? 0.5 : 1);
    ck_assert_int_eq(config->eval.set_count, 5);
    ck_assert(dho_path_exists(config->data.class_file));
    for (size_t i = 0; i < config->eval.set_count; i++)
        ck_assert(config->eval.sets[i].class_file[0] == '\0' ||
                  dho_path_exists(config->eval.sets[i].class_file));
    ck_assert_str_ne(config->student.init, "");
    ck_assert_int_eq(config->eval.resize, config->data.image_size);
    ck_assert_int_eq(config->train.batches, DHO_BATCHES_LOADER);
    ck_assert(config->data.exclude_labelled);
    if (few_shot) { /* the paper's table 1, 4 GPUs */
        ck_assert_str_eq(config->eval.select_on, "");
        ck_assert(config->eval.alpha == 0.4 && config->eval.beta == 0.5);
        ck_assert_int_eq(config->train.shards, 4);
        return;
    }
    ck_assert_str_ne(config->student.head_init, "");
    ck_assert_str_eq(config->eval.select_on, "");
    ck_assert(config->eval.alpha == 0.5 && config->eval.beta == 0.5);
    ck_assert_double_eq(config->data.mean[0], 0.48145466);
    ck_assert_int_eq(config->train.schedule, DHO_SCHEDULE_WARMUP_TIMES_COSINE);
    ck_assert_uint_eq(config->data.label_seed, 13);
    ck_assert_double_eq(config->data.percent, strstr(name, "10percent") != NULL ? 10 : 1);
    ck_assert_int_eq(config->data.image_size, strstr(name, "336") != NULL ? 336 : 224);
}

static void look_at_fine_grained(const char *name, const dho_config *config)
{
    ck_assert_msg(config->data.format == DHO_FORMAT_COOP, "%s", name);
    ck_assert_int_eq(config->train.batch_labelled, 64);
    ck_assert_int_eq(config->train.batch_unlabelled, 64);
    ck_assert_double_eq(config->train.epochs, 200);
    ck_assert_int_eq(config->train.schedule, DHO_SCHEDULE_LINEAR);
    ck_assert_int_eq(config->train.forward, DHO_FORWARD_SEPARATE);
    ck_assert_int_eq(config->train.batches, DHO_BATCHES_LOADER);
    ck_assert_int_eq(config->train.shards, 1);
    ck_assert(config->data.exclude_labelled);
    ck_assert_str_eq(config->eval.select_on, "val");
    ck_assert_int_eq(config->compat, DHO_COMPAT_REFERENCE);
    ck_assert_int_eq(config->data.interpolation, DHO_FILTER_BILINEAR);
    ck_assert_int_eq(config->eval.interpolation, DHO_FILTER_BILINEAR);
    ck_assert_int_eq(config->eval.resize, 224);
    ck_assert_str_ne(config->student.init, "");
}

/* Some tables change what compat: reference holds fast: their base is the same, written out. */
START_TEST(test_written_out)
{
    static const char *const paths[][2] = {
        {"configs/imagenet/fewshot_resnet50.yaml", "configs/imagenet/fewshot_ablations.yaml"},
        {"configs/imagenet/vit_b16_teacher_l14_1percent.yaml",
         "configs/imagenet/vit_b16_heads.yaml"},
    };
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        char *texts[2];
        for (int i = 0; i < 2; i++) {
            const char *const out[] = {"out=runs/x"};
            dho_config config;
            ck_assert_ok(dho_config_load(&config, paths[p][i], out, 1));
            ck_assert_int_eq(config.compat, i == 0 ? DHO_COMPAT_REFERENCE : DHO_COMPAT_NONE);
            config.compat = DHO_COMPAT_NONE;
            ck_assert_ok(dho_config_format(&config, false, &texts[i]));
            dho_config_free(&config);
        }
        ck_assert_str_eq(texts[0], texts[1]);
        for (int i = 0; i < 2; i++) dho_free(texts[i]);
    }
}
END_TEST

START_TEST(test_files)
{
    ck_assert_int_ge(load_folder("configs", NULL), 2);
    ck_assert_int_ge(load_folder("configs/imagenet", look_at_imagenet), 5);
    ck_assert_int_eq(load_folder("configs/fine_grained", look_at_fine_grained), 10);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_files");
    TCase *tests = tcase_create("config_files");
    tcase_add_test(tests, test_files);
    tcase_add_test(tests, test_written_out);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
