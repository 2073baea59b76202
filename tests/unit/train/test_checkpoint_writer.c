#define _GNU_SOURCE
/* Checkpoints written beside the training: what was put is what is written, also when its source
 * changes at once; failures are told and counted; what is pending is waited for. */
#include "folder_fixture.h"
#include "train/checkpoint_writer.h"

#include <stdio.h>
#include <string.h>

static dho_student student;
static dho_progress progress;
static dho_checkpoint_writer *writer;
static dho_checkpoint_writer_options options;
static char *class_names[3] = {(char[]){"a"}, (char[]){"b"}, (char[]){"c"}};

static void start(void)
{
    const dho_student_options model = {.model = "resnet18",
                                       .width = 2,
                                       .image_size = 32,
                                       .classes = 3,
                                       .dual_head = true,
                                       .head_scale = 30};
    fixture_setup();
    ck_assert_ok(dho_student_create(&student, &model));
    options = (dho_checkpoint_writer_options){
        .run_folder = fixture_root,
        .student = &student,
        .progress = &progress,
        .parameter_floats = dho_graph_parameter_floats(student.graph),
        .buffer_floats = dho_graph_buffer_floats(student.graph),
        .has_average = true,
        .keep = {.newest = 9}};
    ck_assert_ok(dho_checkpoint_writer_create(&writer, &options));
}

static void finish(void)
{
    dho_checkpoint_writer_destroy(&writer);
    dho_student_destroy(&student);
    fixture_teardown();
}

static dho_checkpoint_info make_info(int64_t step)
{
    static char teacher[] = "", settings[] = "seed: 1\n";
    dho_checkpoint_info info = {.step = step,
                                .total_steps = 100,
                                .method = DHO_METHOD_DHO,
                                .width = student.width,
                                .head_scale = 30,
                                .image_size = 32,
                                .classes = 3,
                                .class_names = class_names,
                                .std = {1, 1, 1},
                                .teacher = teacher,
                                .settings = settings};
    memcpy(info.model, student.model, sizeof info.model);
    return info;
}

static void fill(float *slab, size_t floats, float value)
{
    for (size_t i = 0; i < floats; i++) slab[i] = value;
}

static void put(int64_t step)
{
    const dho_checkpoint_info info = make_info(step);
    const dho_checkpoint_slabs slabs = dho_checkpoint_writer_take(writer);
    ck_assert_ptr_null(slabs.moment2);
    fill(slabs.parameters, options.parameter_floats, (float)step);
    fill(slabs.moment1, options.parameter_floats, (float)step + 0.25f);
    fill(slabs.buffers, options.buffer_floats, (float)step + 0.5f);
    fill(slabs.ema_parameters, options.parameter_floats, (float)step + 0.75f);
    fill(slabs.ema_buffers, options.buffer_floats, -(float)step);
    dho_checkpoint_writer_put(writer, &info);
}

static void check(int64_t step)
{
    char path[96];
    dho_checkpoint_info info;
    float *memory;
    const size_t floats = options.parameter_floats;
    snprintf(path, sizeof path, "%s/checkpoints/step-%08lld", fixture_root, (long long)step);
    ck_assert_ok(dho_checkpoint_read_info(path, &info));
    ck_assert_int_eq(info.step, step);
    ck_assert_ok(dho_alloc_zero(&memory, 3 * floats, sizeof *memory, "test"));
    const dho_checkpoint_slabs slabs = {
        .parameters = memory, .moment1 = memory + floats, .ema_parameters = memory + 2 * floats};
    ck_assert_ok(dho_checkpoint_load(path, &info, &student, &slabs));
    ck_assert_float_eq(slabs.parameters[0], (float)step);
    ck_assert_float_eq(slabs.moment1[0], (float)step + 0.25f);
    ck_assert_float_eq(slabs.ema_parameters[0], (float)step + 0.75f);
    dho_free(memory);
    dho_checkpoint_info_free(&info);
}

START_TEST(test_order)
{
    for (int step = 1; step <= 6; step++) put(step); /* the third waits for the first, and so on */
    ck_assert_ok(dho_checkpoint_writer_wait(writer));
    for (int step = 1; step <= 6; step++) check(step);
    ck_assert_int_eq(dho_checkpoint_writer_look(writer).step, 0);
    put(7);
    put(8);
    dho_checkpoint_writer_destroy(&writer);
    check(7);
    check(8);
}
END_TEST

static void check_trouble(int64_t step)
{
    dho_checkpoint_trouble trouble = {0};
    while (trouble.step == 0) trouble = dho_checkpoint_writer_look(writer);
    ck_assert_int_eq(trouble.step, step);
    ck_assert_int_eq(trouble.in_a_row, step - 1);
    ck_assert_int_eq(trouble.status, DHO_ERR_IO);
    ck_assert_ptr_nonnull(strstr(trouble.message, "/checkpoints: "));
}

START_TEST(test_failures)
{
    char in_the_way[64];
    snprintf(in_the_way, sizeof in_the_way, "%s/checkpoints", fixture_root);
    put(1);
    ck_assert_ok(dho_checkpoint_writer_wait(writer));
    char aside[80];
    snprintf(aside, sizeof aside, "%s.aside", in_the_way);
    ck_assert_int_eq(rename(in_the_way, aside), 0);
    ck_assert_ok(dho_file_write_text(in_the_way, "a file in the place of the folder"));
    put(2);
    put(3);
    ck_assert_fails(dho_checkpoint_writer_wait(writer), DHO_ERR_IO, "/checkpoints: ");
    put(4);
    check_trouble(2); /* 3 was told by the wait */
    check_trouble(4);
    ck_assert_int_eq(remove(in_the_way), 0);
    ck_assert_int_eq(rename(aside, in_the_way), 0);
    put(5);
    ck_assert_ok(dho_checkpoint_writer_wait(writer));
    check(1);
    check(5);
}
END_TEST

/* Where there is no memory for a second copy, the first has to do. */
START_TEST(test_memory)
{
    dho_alloc_fail_at(1);
    put(1);
    put(2);
    put(3);
    dho_alloc_fail_at(0);
    const dho_status status = dho_checkpoint_writer_wait(writer);
    ck_assert(status == DHO_OK || status == DHO_ERR_MEMORY); /* whose allocation it was */
    put(4);
    ck_assert_ok(dho_checkpoint_writer_wait(writer));
    check(4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checkpoint_writer");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, start, finish);
    tcase_add_test(cases, test_order);
    tcase_add_test(cases, test_failures);
    tcase_add_test(cases, test_memory);
    suite_add_tcase(suite, cases);
    return dho_check_run(suite);
}
