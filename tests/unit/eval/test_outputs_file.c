#define _GNU_SOURCE
/* Stored head outputs: what is written is read back, any flipped bit is found, older files are
 * read. */
#include "check_main.h"
#include "dho/file.h"
#include "dho/safetensors.h"
#include "eval/outputs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/dho-outputs-XXXXXX";
static float logits[2][6] = {{1, 2, 3, 4, 5, 6}, {-1, 0.5f, 0, 2, 7, 1}};
static int32_t labels[2] = {2, 0};
static bool mask[3] = {true, false, true};
static char images[] = "a/1.jpg\0b/2.jpg", classes[] = "a\0b\0c";
static const dho_outputs_origin origin = {"dho", "runs/a \"crc32\":\"0\"/step-00000007", 7, true};

static void write_outputs(void)
{
    const dho_head_outputs outputs = {.count = 2,
                                      .classes = 3,
                                      .logits = {logits[0], logits[1]},
                                      .labels = labels,
                                      .mask = mask,
                                      .image_names = images,
                                      .image_name_bytes = sizeof images,
                                      .class_names = classes,
                                      .class_name_bytes = sizeof classes};
    ck_assert_ok(dho_outputs_save(&outputs, &origin, path));
}

static void start(void)
{
    const int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
    write_outputs();
}

static void finish(void)
{
    unlink(path);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

static void write_bytes(const uint8_t *data, size_t size)
{
    dho_atomic_file *file;
    ck_assert_ok(dho_atomic_file_create(&file, path));
    dho_atomic_file_write(file, data, size);
    ck_assert_ok(dho_atomic_file_commit(&file));
}

START_TEST(test_round_trip)
{
    dho_head_outputs read;
    ck_assert_ok(dho_outputs_load(path, &origin, &read));
    ck_assert_int_eq(read.count, 2);
    ck_assert_int_eq(memcmp(read.logits[1], logits[1], sizeof logits[1]), 0);
    ck_assert_int_eq(memcmp(read.labels, labels, sizeof labels), 0);
    ck_assert_int_eq(memcmp(read.image_names, images, sizeof images), 0);
    dho_head_outputs_free(&read);
}
END_TEST

START_TEST(test_every_bit)
{
    uint8_t *data = NULL;
    size_t capacity = 0, size;
    ck_assert_ok(dho_file_read(path, 1 << 20, &data, &capacity, &size));
    /* In place and without fsync: there are thousands of bits. */
    FILE *file = fopen(path, "r+");
    for (size_t bit = 0; bit < 8 * size; bit++) {
        dho_head_outputs read;
        dho_method method;
        char *checkpoint = NULL;
        int64_t step;
        bool ema;
        const uint8_t flipped = data[bit / 8] ^ (uint8_t)(1 << bit % 8);
        fseek(file, (long)(bit / 8), SEEK_SET);
        fputc(flipped, file);
        fflush(file);
        ck_assert_msg(dho_outputs_load(path, &origin, &read) != DHO_OK, "bit %zu", bit);
        ck_assert_ptr_nonnull(strstr(dho_error_message(), path));
        ck_assert_msg(dho_outputs_read_origin(path, &method, &checkpoint, &step, &ema) != DHO_OK,
                      "bit %zu", bit);
        fseek(file, (long)(bit / 8), SEEK_SET);
        fputc(data[bit / 8], file);
    }
    fclose(file);
    write_bytes(data, size - 1);
    dho_head_outputs read;
    ck_assert(dho_outputs_load(path, &origin, &read) != DHO_OK);
    dho_free(data);
}
END_TEST

START_TEST(test_of_before)
{
    static const char *const metadata[] = {"method", "dho",     "checkpoint", "x", "step",
                                           "7",      "weights", "ema",        NULL};
    const dho_outputs_origin of = {"dho", "x", 7, true};
    const dho_tensor_view tensors[] = {
        {"logits_ce", DHO_F32, 2, {2, 3}, logits[0], sizeof logits[0]},
        {"labels", DHO_I32, 1, {2}, labels, sizeof labels},
        {"classes", DHO_BOOL, 1, {3}, mask, sizeof mask}};
    dho_head_outputs read;
    ck_assert_ok(dho_safetensors_save(path, tensors, 3, metadata, NULL));
    ck_assert_ok(dho_outputs_load(path, &of, &read));
    dho_head_outputs_free(&read);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("outputs_file");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, start, finish);
    tcase_add_test(cases, test_round_trip);
    tcase_add_test(cases, test_every_bit);
    tcase_add_test(cases, test_of_before);
    suite_add_tcase(suite, cases);
    return dho_check_run(suite);
}
