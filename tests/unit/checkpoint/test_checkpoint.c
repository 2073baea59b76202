/* Checkpoints: round trip, choice of the newest whole one, pruning, damage, failed allocations. */
#define _GNU_SOURCE
#include "base/json.h"
#include "checkpoint/resume_check.h"
#include "dho/alloc.h"
#include "dho/checkpoint.h"
#include "dho/rng.h"
#include "folder_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static dho_student student;
static dho_checkpoint_slabs slabs, loaded;
static size_t floats, buffer_floats;
static char *class_names[3] = {"ant",
                               "b\xc3\xa9"
                               "e",
                               "cat"};

static char teacher_word[] = "model a \"quoted\" one", settings[] = "seed: 3\nmethod: dho\n";

static dho_checkpoint_info make_info(int64_t step)
{
    return (dho_checkpoint_info){.step = step,
                                 .total_steps = 100,
                                 .method = DHO_METHOD_DHO,
                                 .model = "resnet18",
                                 .width = 2,
                                 .image_size = 32,
                                 .classes = 3,
                                 .class_names = class_names,
                                 .mean = {0.1, 0.2, 0.3},
                                 .std = {0.4, 0.5, 0.6},
                                 .dataset_fingerprint = 0xfedcba9876543210u,
                                 .labelled_crc = UINT32_MAX - 1,
                                 .teacher = teacher_word,
                                 .settings = settings};
}

static float *random_slab(size_t count, uint64_t id)
{
    dho_rng rng;
    float *slab;
    dho_rng_init(&rng, 1, DHO_RNG_TEST, 0, id);
    ck_assert_ok(dho_alloc_zero(&slab, count, sizeof *slab, "test"));
    for (size_t p = 0; p < dho_graph_parameter_count(student.graph) && count == floats; p++) {
        const dho_slot *slot = dho_graph_parameter(student.graph, p);
        for (size_t i = 0; i < slot->count; i++)
            slab[slot->offset + i] = (float)dho_rng_normal(&rng);
    }
    return slab;
}

static void setup(void)
{
    const dho_student_options options = {.model = "resnet18",
                                         .width = 2,
                                         .image_size = 32,
                                         .classes = 3,
                                         .dual_head = true,
                                         .head_forms = {DHO_HEAD_LINEAR, DHO_HEAD_COSINE},
                                         .head_scale = 30};
    fixture_setup();
    ck_assert_ok(dho_student_create(&student, &options));
    floats = dho_graph_parameter_floats(student.graph);
    buffer_floats = dho_graph_buffer_floats(student.graph);
    slabs = (dho_checkpoint_slabs){.parameters = random_slab(floats, 1),
                                   .buffers = random_slab(buffer_floats, 2),
                                   .moment1 = random_slab(floats, 3),
                                   .moment2 = random_slab(floats, 4)};
    ck_assert_ok(dho_alloc_zero(&loaded.parameters, floats, sizeof(float), "test"));
    ck_assert_ok(dho_alloc_zero(&loaded.buffers, buffer_floats, sizeof(float), "test"));
    ck_assert_ok(dho_alloc_zero(&loaded.moment1, floats, sizeof(float), "test"));
    ck_assert_ok(dho_alloc_zero(&loaded.moment2, floats, sizeof(float), "test"));
}

static void teardown(void)
{
    float *const all[] = {slabs.parameters,  slabs.buffers,  slabs.moment1,  slabs.moment2,
                          loaded.parameters, loaded.buffers, loaded.moment1, loaded.moment2};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) dho_free(all[i]);
    dho_student_destroy(&student);
    fixture_teardown();
}

static void save(int64_t step, int keep)
{
    const dho_checkpoint_info info = make_info(step);
    const dho_checkpoint_keep newest = {.newest = keep};
    ck_assert_ok(dho_checkpoint_save(fixture_root, &info, &student, &slabs, &newest));
}

/* With an average, and evaluations of which the best was at `best`. */
static void save_best(int64_t step, int keep, int64_t best)
{
    static char val[] = "val";
    dho_checkpoint_info info = make_info(step);
    dho_checkpoint_slabs both = slabs;
    both.ema_parameters = slabs.moment1;
    both.ema_buffers = slabs.buffers;
    info.standing = (dho_standing){.metric = DHO_BEST_EVAL_NLL,
                                   .set = val,
                                   .best_step = best,
                                   .best = 0.1,
                                   .reference = 1.0 / 3,
                                   .waited = 2};
    const dho_checkpoint_keep newest = {.newest = keep};
    ck_assert_ok(dho_checkpoint_save(fixture_root, &info, &student, &both, &newest));
}

static void path_of(int64_t step, const char *file, char *out, size_t bytes)
{
    snprintf(out, bytes, "%s/checkpoints/step-%08lld%s%s", fixture_root, (long long)step,
             file[0] != '\0' ? "/" : "", file);
}

START_TEST(test_round_trip)
{
    char path[256];
    dho_checkpoint_info info;
    save(50, 2);
    path_of(50, "", path, sizeof path);
    ck_assert_ok(dho_checkpoint_read_info(path, &info));
    const dho_checkpoint_info want = make_info(50);
    ck_assert_int_eq(info.step, want.step);
    ck_assert_str_eq(info.teacher, want.teacher);
    ck_assert_str_eq(info.settings, want.settings);
    ck_assert_uint_eq(info.labelled_crc, want.labelled_crc);
    ck_assert_uint_eq(info.dataset_fingerprint, want.dataset_fingerprint);
    ck_assert_int_eq(info.method, want.method);
    ck_assert_str_eq(info.model, want.model);
    ck_assert_mem_eq(info.mean, want.mean, sizeof want.mean);
    ck_assert_mem_eq(info.std, want.std, sizeof want.std);
    for (int c = 0; c < 3; c++) ck_assert_str_eq(info.class_names[c], class_names[c]);
    ck_assert(!info.outer_bias);
    ck_assert_ok(dho_checkpoint_load(path, &info, &student, &loaded));
    dho_checkpoint_info_free(&info);
    ck_assert_mem_eq(loaded.parameters, slabs.parameters, floats * sizeof(float));
    ck_assert_mem_eq(loaded.buffers, slabs.buffers, buffer_floats * sizeof(float));
    ck_assert_mem_eq(loaded.moment1, slabs.moment1, floats * sizeof(float));
    ck_assert_mem_eq(loaded.moment2, slabs.moment2, floats * sizeof(float));
}
END_TEST

START_TEST(test_average_and_standing)
{
    char path[256], state_path[256];
    json_t *state;
    dho_checkpoint_info info;
    save_best(50, 2, 40);
    path_of(50, "", path, sizeof path);
    ck_assert_ok(dho_checkpoint_read_info(path, &info));
    ck_assert(info.has_ema);
    ck_assert(!info.standing.due);
    ck_assert_int_eq(info.standing.metric, DHO_BEST_EVAL_NLL);
    ck_assert_str_eq(info.standing.set, "val");
    ck_assert_int_eq(info.standing.best_step, 40);
    ck_assert(info.standing.best == 0.1 && info.standing.reference == 1.0 / 3);
    ck_assert_int_eq(info.standing.waited, 2);
    const dho_checkpoint_slabs average = {.ema_parameters = loaded.parameters,
                                          .ema_buffers = loaded.buffers};
    ck_assert_ok(dho_checkpoint_load(path, &info, &student, &average));
    dho_checkpoint_info_free(&info);
    ck_assert_mem_eq(loaded.parameters, slabs.moment1, floats * sizeof(float));
    ck_assert_mem_eq(loaded.buffers, slabs.buffers, buffer_floats * sizeof(float));

    path_of(50, "state.json", state_path, sizeof state_path);
    ck_assert_ok(dho_json_load_sealed(&state, state_path, 1 << 20));
    json_t *evaluations = json_object_get(state, "evaluations");
    static const char *const bad[] = {"{\"best_step\": 51}", "{\"metric\": \"luck\"}",
                                      "{\"best\": \"x\"}", "{\"waited\": -1}", "{\"set\": 3}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *copy = json_deep_copy(state), *change = json_loads(bad[i], 0, NULL);
        json_object_update(json_object_get(copy, "evaluations"), change);
        ck_assert_ok(dho_json_save_sealed(copy, state_path));
        ck_assert_fails(dho_checkpoint_read_info(path, &info), DHO_ERR_FORMAT, "out of range");
        json_decref(copy);
        json_decref(change);
    }
    ck_assert_ptr_nonnull(evaluations);
    json_decref(state);
    path_of(50, "ema.safetensors", state_path, sizeof state_path);
    save_best(50, 2, 40); /* takes the place of the damaged one */
    ck_assert_int_eq(truncate(state_path, 100), 0);
    ck_assert_fails(dho_checkpoint_read_info(path, &info), DHO_ERR_FORMAT, "truncated");
}
END_TEST

/* The best stays however many follow, and the link names it; another best lets it go. */
START_TEST(test_best)
{
    char path[256], *found;
    dho_checkpoint_choice choice = {.path = fixture_root, .best = true};
    save(10, 1);
    ck_assert_fails(dho_checkpoint_resolve(&choice, &found), DHO_ERR_CONFIG, "no best checkpoint");
    save_best(20, 1, 20);
    for (int step = 30; step <= 50; step += 10) save_best(step, 1, 20);
    path_of(40, "", path, sizeof path);
    ck_assert(!dho_path_exists(path));
    ck_assert_int_eq(dho_checkpoint_best_step(fixture_root), 20);
    ck_assert_ok(dho_checkpoint_resolve(&choice, &found));
    path_of(20, "", path, sizeof path);
    ck_assert_str_eq(found, path);
    dho_free(found);
    save_best(60, 1, 60);
    ck_assert(!dho_path_exists(path));
    ck_assert_int_eq(dho_checkpoint_best_step(fixture_root), 60);
    choice.path = path;
    path_of(60, "", path, sizeof path);
    ck_assert_fails(dho_checkpoint_resolve(&choice, &found), DHO_ERR_CONFIG, "is a checkpoint");

    dho_checkpoint_mark_best(fixture_root, 20); /* which is not there any more: only a warning */
    ck_assert_int_eq(dho_checkpoint_best_step(fixture_root), 60);
    dho_checkpoint_mark_best(fixture_root, 0);
    ck_assert_int_eq(dho_checkpoint_best_step(fixture_root), -1);
    snprintf(path, sizeof path, "%s/checkpoints/best", fixture_root);
    ck_assert_int_eq(symlink("../../elsewhere", path), 0); /* only a step-N beside it is followed */
    ck_assert_int_eq(dho_checkpoint_best_step(fixture_root), -1);
}
END_TEST

/* Version 1 had s W f/|f| + b: of the cosine head b, m and v are read as b/s, s m and s^2 v, and
 * nothing else changes. */
START_TEST(test_version_1)
{
    char path[256], state_path[256];
    json_t *state;
    dho_checkpoint_info info;
    save(50, 2);
    path_of(50, "", path, sizeof path);
    path_of(50, "state.json", state_path, sizeof state_path);
    ck_assert_ok(dho_json_load_sealed(&state, state_path, 1 << 20));
    ck_assert_int_eq(json_integer_value(json_object_get(state, "version")), 3);
    json_object_set_new(state, "version", json_integer(1));
    ck_assert_ok(dho_json_save_sealed(state, state_path));
    json_decref(state);
    ck_assert_ok(dho_checkpoint_read_info(path, &info));
    ck_assert(info.outer_bias);
    ck_assert_ok(dho_checkpoint_load(path, &info, &student, &loaded));
    dho_checkpoint_info_free(&info);
    for (size_t p = 0; p < dho_graph_parameter_count(student.graph); p++) {
        const dho_slot *slot = dho_graph_parameter(student.graph, p);
        const bool moved = strcmp(slot->name, "head_kd.bias") == 0;
        for (size_t i = slot->offset; i < slot->offset + slot->count; i++) {
            ck_assert(loaded.parameters[i] ==
                      (moved ? slabs.parameters[i] / 30 : slabs.parameters[i]));
            ck_assert(loaded.moment1[i] == slabs.moment1[i] * (moved ? 30.0f : 1));
            ck_assert(loaded.moment2[i] == slabs.moment2[i] * (moved ? 900.0f : 1));
        }
    }
    ck_assert_mem_eq(loaded.buffers, slabs.buffers, buffer_floats * sizeof(float));
}
END_TEST

/* What differs between a checkpoint's settings and a run's: keys that are younger than the
 * checkpoint are as their defaults. */
START_TEST(test_resume_check)
{
    static char settings_before[] = "seed: 3\nmethod: dho\n\ntrain:\n  shards: 4\n";
    static const struct {
        const char *yaml, *what;
        bool older; /* a checkpoint of version 2 */
    } cases[] = {
        {"seed: 3", NULL, false},
        {"{seed: 3, train: {forward: stacked}}", NULL, false},
        {"{seed: 3, train: {forward: separate}}",
         "\"train.forward: stacked\", now \"train.forward: separate\"", false},
        {"{seed: 3, train: {shards: 8}}", "\"train.shards: 4\", now \"train.shards: 8\"", false},
        {"{seed: 3, train: {lr: 0.5, epochs: 3, log_every: 7}, compute: {threads: 3}, out: x}",
         NULL, false},
        {"{seed: 3, data: {root: x}, teacher: {cache: y}, student: {init: z}}", NULL, false},
        {"{seed: 3, compute: {dtype: bf16}}",
         "\"compute.dtype: fp32\", now \"compute.dtype: bf16\"", false},
        {"{seed: 3, compute: {dtype: bf16}}", NULL, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dho_config config;
        char what[128] = "";
        bool differs;
        dho_checkpoint_info found = make_info(1), own = make_info(1);
        found.settings = settings_before;
        found.lacks_dtype = cases[i].older;
        ck_assert_ok(
            dho_config_parse(&config, cases[i].yaml, strlen(cases[i].yaml), "test", NULL, 0));
        ck_assert_ok(dho_resume_differs(&found, &own, &config, &differs, what, sizeof what));
        ck_assert_str_eq(what, cases[i].what != NULL ? cases[i].what : "");
        ck_assert(differs == (cases[i].what != NULL));
        dho_config_free(&config);
    }
}
END_TEST

/* Settings of a version before 3 have keys at values that no configuration may have, and are read
 * all the same; a key that this version does not know is an error. */
START_TEST(test_resume_check_of_other_versions)
{
    static char older[] = "seed: 3\ndata:\n  prefetch: 0\ntrain:\n  lr: 0\n  log_every: 0\n",
                newer[] = "seed: 3\ntrain:\n  momentum2: 1\n";
    dho_config config;
    char what[128] = "";
    bool differs;
    dho_checkpoint_info found = make_info(1), own = make_info(1);
    ck_assert_ok(dho_config_parse(&config, "seed: 3", 7, "test", NULL, 0));
    found.settings = older;
    ck_assert_ok(dho_resume_differs(&found, &own, &config, &differs, what, sizeof what));
    ck_assert(!differs);
    found.settings = newer;
    ck_assert_fails(dho_resume_differs(&found, &own, &config, &differs, what, sizeof what),
                    DHO_ERR_CONFIG, "train.momentum2: unknown key");
    dho_config_free(&config);
}
END_TEST

START_TEST(test_newest_whole_one_and_pruning)
{
    char path[256], *newest;
    ck_assert_ok(dho_checkpoint_find_newest(fixture_root, &newest));
    ck_assert_ptr_null(newest);
    for (int step = 10; step <= 40; step += 10) save(step, 3);
    path_of(10, "", path, sizeof path);
    ck_assert(!dho_path_exists(path));
    path_of(40, "optimizer.safetensors", path, sizeof path);
    ck_assert_int_eq(truncate(path, 100), 0);
    path_of(30, "state.json", path, sizeof path);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_ok(dho_checkpoint_find_newest(fixture_root, &newest));
    path_of(20, "", path, sizeof path);
    ck_assert_str_eq(newest, path);
    dho_free(newest);
}
END_TEST

/* Saving after damage: neither the checkpoint just written nor the last good one may go. */
static void check_kept(const char *expected)
{
    char path[128], found[256] = "";
    dho_name_list names;
    snprintf(path, sizeof path, "%s/checkpoints", fixture_root);
    ck_assert_ok(dho_list_folder(&names, path));
    for (size_t i = 0; i < names.count; i++) {
        const size_t used = strlen(found);
        const char *name = strncmp(names.names[i], "step-", 5) == 0
                               ? names.names[i] + 5 + strspn(names.names[i] + 5, "0")
                               : names.names[i];
        snprintf(found + used, sizeof found - used, "%s%s", used > 0 ? " " : "", name);
    }
    dho_name_list_free(&names);
    ck_assert_str_eq(found, expected);
}

/* Multiples of keep_every, and the last one from before the newest spike. */
START_TEST(test_kept_for_longer)
{
    char path[128];
    dho_checkpoint_info back;
    for (int step = 10; step <= 120; step += 10) {
        const dho_checkpoint_keep keep = {.newest = 2, .every = step <= 60 ? 20 : 0};
        dho_checkpoint_info info = make_info(step);
        if (step > 75) info.spike_step = 71;
        ck_assert_ok(dho_checkpoint_save(fixture_root, &info, &student, &slabs, &keep));
        if (step == 60) check_kept("20 40 50 60");
        if (step == 80) check_kept("70 80");
    }
    check_kept("70 110 120");
    path_of(120, "", path, sizeof path);
    ck_assert_ok(dho_checkpoint_read_info(path, &back));
    ck_assert_int_eq(back.spike_step, 71);
    dho_checkpoint_info_free(&back);
}
END_TEST

/* The best one could not be written: the link stays at the one before, which stays, too. */
START_TEST(test_best_that_is_not_there)
{
    save_best(10, 1, 10);
    save_best(30, 1, 20);
    check_kept("best 10 30");
    ck_assert_int_eq(dho_checkpoint_best_step(fixture_root), 10);
    save_best(40, 1, 40);
    save_best(50, 1, 40);
    check_kept("best 40 50");
}
END_TEST

START_TEST(test_saving_after_damage)
{
    char path[256], *newest;
    save(10, 3);
    save(20, 3);
    save(30, 3);
    path_of(30, "model.safetensors", path, sizeof path);
    ck_assert_int_eq(truncate(path, 100), 0);
    ck_assert_ok(dho_checkpoint_set_aside(fixture_root, 20)); /* as a resume from 20 does */
    save(25, 1);
    ck_assert_ok(dho_checkpoint_find_newest(fixture_root, &newest));
    path_of(25, "", path, sizeof path);
    ck_assert_str_eq(newest, path);
    dho_free(newest);
    path_of(30, "", path, sizeof path);
    ck_assert(!dho_path_exists(path));
    strcat(path, ".set-aside");
    ck_assert(dho_path_exists(path));
    save(40, 1); /* a newer step that is not of this timeline does not push out the new one */
    save(35, 1);
    path_of(35, "", path, sizeof path);
    ck_assert(dho_path_exists(path));
}
END_TEST

/* A kill between the two renames of a save that replaces step 10, and one right behind them. */
START_TEST(test_killed_while_it_replaces)
{
    char path[256], aside[300], *newest;
    ck_assert_ok(dho_checkpoint_take_back(fixture_root)); /* there is nothing at all yet */
    for (int renames = 1; renames <= 2; renames++) {
        save(10, 1);
        path_of(10, "", path, sizeof path);
        snprintf(aside, sizeof aside, "%.*s.replaced", (int)strcspn(path, "\n"), path);
        ck_assert_int_eq(rename(path, aside), 0);
        if (renames == 2) save(10, 1);
        ck_assert_ok(dho_checkpoint_take_back(fixture_root));
        ck_assert(!dho_path_exists(aside));
        ck_assert_ok(dho_checkpoint_find_newest(fixture_root, &newest));
        ck_assert_str_eq(newest, path);
        dho_free(newest);
    }
    save(10, 1);
    ck_assert(!dho_path_exists(aside));
}
END_TEST

START_TEST(test_all_damaged_is_not_none)
{
    char path[256], *newest;
    save(10, 2);
    path_of(10, "model.safetensors", path, sizeof path);
    ck_assert_int_eq(truncate(path, 100), 0);
    ck_assert_fails(dho_checkpoint_find_newest(fixture_root, &newest), DHO_ERR_FORMAT,
                    "none of its 1 checkpoints is whole");
}
END_TEST

/* Any changed byte of any file is found before a value of it is used. */
START_TEST(test_flipped_bytes)
{
    static const char *const files[] = {"state.json", "model.safetensors", "optimizer.safetensors"};
    char folder[256], path[320];
    dho_checkpoint_info info;
    save(1, 1);
    path_of(1, "", folder, sizeof folder);
    path_of(1, files[_i], path, sizeof path);
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    const long size = ftell(file), stride = size / 150 + 1;
    for (long at = 0; at < size; at += stride) {
        fseek(file, at, SEEK_SET);
        const int byte = fgetc(file);
        fseek(file, at, SEEK_SET);
        fputc(byte ^ 0x04, file);
        fflush(file);
        ck_assert_int_eq(dho_checkpoint_read_info(folder, &info), DHO_ERR_FORMAT);
        fseek(file, at, SEEK_SET);
        fputc(byte, file);
        fflush(file);
    }
    fclose(file);
    ck_assert_ok(dho_checkpoint_read_info(folder, &info));
    dho_checkpoint_info_free(&info);
}
END_TEST

/* A failed save leaves the older checkpoint and nothing half done. */
/* What no resume could read, or start from, gets no name. */
START_TEST(test_unreadable_is_not_saved)
{
    const dho_checkpoint_keep keep = {.newest = 2};
    static char latin1[] = "caf\xe9", *bad[3] = {latin1, latin1, latin1};
    static const struct {
        dho_status status;
        const char *message;
    } expected[] = {
        {DHO_ERR_CONFIG, "class 0: its name is not UTF-8 text"},
        {DHO_ERR_FORMAT, "a value is out of range"},
        {DHO_ERR_FORMAT, "a value is out of range"},
        {DHO_ERR_NUMERIC, "step-00000007: is not written: tensor \"conv1.weight\": value "
                          "[0, 0, 0, 1] is inf"},
        {DHO_ERR_NUMERIC, "tensor \"exp_avg.conv1.weight\": value [0, 0, 0, 0] is nan"}};
    save(3, 2);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        dho_checkpoint_info info = make_info(7);
        char *newest, path[128];
        if (i == 0) info.class_names = bad;
        if (i == 1) info.image_size = 0;
        if (i == 2) info.head_scale = -1;
        if (i == 3) slabs.parameters[3] = INFINITY; /* in a slab the channels come last */
        if (i == 4) slabs.moment1[0] = NAN;
        ck_assert_fails(dho_checkpoint_save(fixture_root, &info, &student, &slabs, &keep),
                        expected[i].status, expected[i].message);
        slabs.parameters[3] = 0;
        ck_assert_ok(dho_checkpoint_find_newest(fixture_root, &newest));
        ck_assert_str_eq(strrchr(newest, '/'), "/step-00000003");
        snprintf(path, sizeof path, "%s/checkpoints/tmp", fixture_root);
        ck_assert(!dho_path_exists(path));
        dho_free(newest);
    }
}
END_TEST

START_TEST(test_allocation_failures)
{
    char path[256], *newest;
    const int64_t before = dho_alloc_get_stats().live_blocks;
    const dho_checkpoint_info info = make_info(2);
    const dho_checkpoint_keep keep = {.newest = 1};
    save(1, 1);
    for (int64_t n = 1;; n += 1 + n / 8) {
        dho_alloc_fail_at(n);
        const dho_status status = dho_checkpoint_save(fixture_root, &info, &student, &slabs, &keep);
        dho_alloc_fail_at(0);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, before);
        ck_assert_ok(dho_checkpoint_find_newest(fixture_root, &newest));
        ck_assert_ptr_nonnull(newest);
        dho_free(newest);
        if (status == DHO_OK) break;
        ck_assert_int_eq(status, DHO_ERR_MEMORY);
    }
    snprintf(path, sizeof path, "%s/checkpoints/tmp", fixture_root);
    ck_assert(!dho_path_exists(path));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checkpoint");
    TCase *tests = tcase_create("checkpoint");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_round_trip);
    tcase_add_test(tests, test_average_and_standing);
    tcase_add_test(tests, test_best);
    tcase_add_test(tests, test_version_1);
    tcase_add_test(tests, test_resume_check);
    tcase_add_test(tests, test_resume_check_of_other_versions);
    tcase_add_test(tests, test_newest_whole_one_and_pruning);
    tcase_add_test(tests, test_kept_for_longer);
    tcase_add_test(tests, test_best_that_is_not_there);
    tcase_add_test(tests, test_saving_after_damage);
    tcase_add_test(tests, test_killed_while_it_replaces);
    tcase_add_test(tests, test_all_damaged_is_not_none);
    tcase_add_loop_test(tests, test_flipped_bytes, 0, 3);
    tcase_add_test(tests, test_unreadable_is_not_saved);
    tcase_add_test(tests, test_allocation_failures);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
