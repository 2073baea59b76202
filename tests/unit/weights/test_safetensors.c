/* safetensors. With arguments it is the C side of tests/oracle/safetensors.sh:
 * test_safetensors --write FILE | --check FILE. */
#define _GNU_SOURCE
#include "dho/safetensors.h"
#include "folder_fixture.h"
#include "weights/tensor_index.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

static char path[128];

static void setup(void)
{
    fixture_setup();
    snprintf(path, sizeof path, "%s/x.safetensors", fixture_root);
}

/* --- half precision --- */

static float half_by_definition(uint16_t half)
{
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const double sign = half >> 15 ? -1 : 1;
    if (exponent == 31) return (float)(sign * (fraction != 0 ? (double)NAN : (double)INFINITY));
    if (exponent == 0) return (float)(sign * ldexp(fraction, -24));
    return (float)(sign * ldexp(1024 + fraction, exponent - 25));
}

START_TEST(test_every_half)
{
    for (uint32_t h = 0; h <= 0xffff; h++) {
        const float expected = half_by_definition((uint16_t)h);
        const float value = dho_half_to_float((uint16_t)h);
        if (isnan(expected)) {
            ck_assert(isnan(value));
            const uint16_t back = dho_float_to_half(value);
            ck_assert((back & 0x7c00) == 0x7c00 && (back & 0x3ff) != 0);
            continue;
        }
        ck_assert_mem_eq(&value, &expected, sizeof value); /* -0 too */
        ck_assert_uint_eq(dho_float_to_half(value), h);
    }
}
END_TEST

/* Between two neighbours: just below the middle goes down, the middle to even, just above up. */
START_TEST(test_half_rounding)
{
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const float low = dho_half_to_float((uint16_t)h);
        const float high = h == 0x7bff ? 65536.0f : dho_half_to_float((uint16_t)(h + 1));
        const float middle = low + (high - low) / 2;
        const uint32_t even = h % 2 == 0 ? h : h + 1;
        for (uint32_t sign = 0; sign <= 0x8000; sign += 0x8000) {
            const float s = sign != 0 ? -1.0f : 1.0f;
            ck_assert_uint_eq(dho_float_to_half(s * middle), even | sign);
            ck_assert_uint_eq(dho_float_to_half(s * nextafterf(middle, 0)), h | sign);
            ck_assert_uint_eq(dho_float_to_half(s * nextafterf(middle, INFINITY)), (h + 1) | sign);
        }
    }
    ck_assert_uint_eq(dho_float_to_half(INFINITY), 0x7c00);
    ck_assert_uint_eq(dho_float_to_half(-1e30f), 0xfc00);
    ck_assert_uint_eq(dho_float_to_half(1e-45f), 0);
}
END_TEST

/* --- the reader's refusals --- */

typedef struct refusal {
    const char *header;
    size_t data_bytes;
    const char *message; /* NULL: must be accepted */
} refusal;

#define T(shape, begin, end) \
    "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static const refusal refusals[] = {
    {"{\"a\":" T("[2,3]", "0", "24") "}", 24, NULL},
    {"{}", 0, NULL},
    {"{}      ", 0, NULL},
    {"{\"a\":" T("[]", "0", "4") "}", 4, NULL},
    {"{\"a\":" T("[0,9223372036854775807]", "0", "0") "}", 0, NULL},
    {"{\"b\":" T("[1]", "4", "8") ",\"a\":" T("[1]", "0", "4") ",\"z\":" T("[0]", "4", "4") "}", 8,
     NULL},
    {"{\"__metadata__\":{\"k\":\"v\"}}", 0, NULL},
    {"{\"a\":{\"data_offsets\":[0,2],\"shape\":[1],\"dtype\":\"BF16\"}}", 2, NULL},
    {"", 0, "does not begin with '{'"},
    {" {}", 0, "does not begin with '{'"},
    {"[]", 0, "does not begin with '{'"},
    {"{", 0, "counted from the header"},
    {"{}x", 0, "end of file expected"},
    {"{\"a\":NaN}", 0, "counted from the header"},
    {"{\"a\":\"\xff\"}", 0, "counted from the header"},
    {"{\"a\":1}", 0, "\"a\": is not an object"},
    {"{\"a\":[]}", 0, "\"a\": is not an object"},
    {"{\"a\\nb\":1}", 0, "\"a?b\": is not an object"},
    {"{\"a\\u0000\":1}", 0, "counted from the header"},
    {"{\"a\":{}}", 0, "expected the keys"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4,
     "expected the keys"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "duplicate"},
    {"{\"a\":" T("[1]", "0", "4") ",\"a\":" T("[1]", "0", "4") "}", 4, "duplicate"},
    {"{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "not a string"},
    {"{\"a\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no dtype \"f32\""},
    {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
     "F8_E4M3 is not supported"},
    {"{\"a\":{\"dtype\":\"F8_E5M2\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
     "F8_E5M2 is not supported"},
    {"{\"a\":{\"dtype\":\"U16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "U16 is not supported"},
    {"{\"a\":{\"dtype\":\"U32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "U32 is not supported"},
    {"{\"a\":{\"dtype\":\"U64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "U64 is not supported"},
    {"{\"a\":" T("1", "0", "4") "}", 4, "\"shape\" is not an array"},
    {"{\"a\":" T("[-1]", "0", "4") "}", 4, "shape entry"},
    {"{\"a\":" T("[1.0]", "0", "4") "}", 4, "shape entry"},
    {"{\"a\":" T("[[1]]", "0", "4") "}", 4, "shape entry"},
    {"{\"a\":" T("[18446744073709551615]", "0", "4") "}", 4, "counted from the header"},
    {"{\"a\":" T("[9223372036854775807]", "0", "4") "}", 4, "overflows"},
    {"{\"a\":" T("[4294967296,4294967296]", "0", "0") "}", 0, "overflows"},
    {"{\"a\":" T("[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "dimensions"},
    {"{\"a\":" T("[1]", "-4", "0") "}", 4, "0 <= begin <= end"},
    {"{\"a\":" T("[1]", "4", "0") "}", 4, "0 <= begin <= end"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4, "0 <= begin <= end"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":{}}}", 4, "0 <= begin <= end"},
    {"{\"a\":" T("[1]", "0.0", "4") "}", 4, "0 <= begin <= end"},
    {"{\"a\":" T("[1]", "9223372036854775800", "9223372036854775804") "}", 4, "end at 922337"},
    {"{\"a\":" T("[2]", "0", "8") "}", 4, "there are 4 bytes of data"},
    {"{\"a\":" T("[2]", "0", "4") "}", 4, "hold 4 bytes, shape x dtype is 8"},
    {"{\"a\":" T("[1]", "4", "8") "}", 8, "a hole"},
    {"{\"a\":" T("[1]", "0", "4") ",\"b\":" T("[1]", "8", "12") "}", 12, "a hole"},
    {"{\"a\":" T("[2]", "0", "8") ",\"b\":" T("[2]", "4", "12") "}", 12, "an overlap"},
    {"{\"a\":" T("[1]", "0", "4") ",\"b\":" T("[1]", "0", "4") "}", 4, "an overlap"},
    {"{\"a\":" T("[2]", "0", "8") ",\"z\":" T("[0]", "4", "4") "}", 8, "an overlap"},
    {"{\"a\":" T("[1]", "0", "4") "}", 5, "1 bytes after the last"},
    {"{}", 1, "1 bytes after the last"},
    {"{\"__metadata__\":1}", 0, "is not an object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "not a string"},
    {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "duplicate"},
};

/* Exactly sized memory, so that a sanitizer sees every byte read too far. */
static uint8_t *build(const char *header, size_t data_bytes, size_t *size)
{
    const uint64_t length = strlen(header);
    *size = 8 + length + data_bytes;
    uint8_t *bytes = calloc(*size, 1);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    return bytes;
}

START_TEST(test_reader_refuses)
{
    const refusal *r = &refusals[_i];
    size_t size;
    uint8_t *bytes = build(r->header, r->data_bytes, &size);
    dho_safetensors *file;
    if (r->message == NULL) {
        ck_assert_ok(dho_safetensors_open_memory(&file, bytes, size, "mem"));
        dho_safetensors_close(&file);
    } else {
        ck_assert_fails(dho_safetensors_open_memory(&file, bytes, size, "mem"), DHO_ERR_FORMAT,
                        r->message);
        ck_assert_ptr_null(file);
        ck_assert(strncmp(dho_error_message(), "mem: ", 5) == 0);
    }
    free(bytes);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_reader_refuses_bad_lengths)
{
    dho_safetensors *file;
    const uint64_t lengths[] = {100000001, UINT64_MAX, INT64_MAX, 100000000, 3};
    const char *messages[] = {"more than the 100000000", "more than the", "more than the",
                              "but only 2 follow", "but only 2 follow"};
    uint8_t bytes[10] = {0, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    for (size_t i = 0; i < 5; i++) {
        memcpy(bytes, &lengths[i], 8);
        ck_assert_fails(dho_safetensors_open_memory(&file, bytes, 10, "m"), DHO_ERR_FORMAT,
                        messages[i]);
    }
    ck_assert_fails(dho_safetensors_open_memory(&file, NULL, 0, "m"), DHO_ERR_FORMAT, "is empty");
    ck_assert_fails(dho_safetensors_open_memory(&file, "a{", 2, "m"), DHO_ERR_FORMAT, "too short");
    ck_assert_fails(dho_safetensors_open(&file, "/dev/null/x"), DHO_ERR_IO, "/dev/null/x");
    ck_assert_fails(dho_safetensors_open(&file, "/tmp"), DHO_ERR_IO, "/tmp");
}
END_TEST

START_TEST(test_reader_refuses_deep_nesting)
{
    const size_t depth = 1000000;
    char *header = malloc(depth + 6);
    memcpy(header, "{\"a\":", 5);
    memset(header + 5, '[', depth);
    header[depth + 5] = '\0';
    size_t size;
    uint8_t *bytes = build(header, 0, &size);
    dho_safetensors *file;
    ck_assert_fails(dho_safetensors_open_memory(&file, bytes, size, "m"), DHO_ERR_FORMAT,
                    "parsing depth");
    free(bytes);
    free(header);
}
END_TEST

/* --- writing and reading back --- */

static const float f32[6] = {1, -2.5f, 3e-8f, 1e30f, -0.0f, 7};
static const uint16_t f16[3] = {0x3c00, 0xc000, 0x0001};
static const uint16_t bf16[2] = {0x3f80, 0xc040};
static const double f64[2] = {1.5, -1e-3};
static const int64_t i64[2] = {-5, 1ll << 40};
static const int32_t i32[3] = {-1, 0, 70000};
static const int16_t i16[2] = {-300, 300};
static const int8_t i8[5] = {-128, -1, 0, 1, 127};
static const uint8_t u8[3] = {0, 128, 255};
static const uint8_t bools[3] = {1, 0, 1};

/* Odd sizes first: what follows lies at odd addresses. */
static const dho_tensor_view samples[] = {
    {"i8", DHO_I8, 1, {5}, i8, 5},           {"f32", DHO_F32, 2, {2, 3}, f32, 24},
    {"f16", DHO_F16, 3, {1, 3, 1}, f16, 6},  {"bf16", DHO_BF16, 1, {2}, bf16, 4},
    {"u8", DHO_U8, 1, {3}, u8, 3},           {"f64", DHO_F64, 1, {2}, f64, 16},
    {"i64", DHO_I64, 1, {2}, i64, 16},       {"bool", DHO_BOOL, 1, {3}, bools, 3},
    {"i32", DHO_I32, 1, {3}, i32, 12},       {"i16", DHO_I16, 1, {2}, i16, 4},
    {"scalar", DHO_F32, 0, {0}, f32 + 5, 4}, {"empty \"\xc3\xa9\" \\", DHO_F32, 2, {0, 4}, NULL, 0},
};
enum { SAMPLES = sizeof samples / sizeof samples[0] };
static const char *const metadata[] = {"format", "pt", "note", "h\xc3\xa9 \"q\"\n", NULL};

static dho_status write_samples(const char *to, uint32_t *crc)
{
    return dho_safetensors_save(to, samples, SAMPLES, metadata, crc);
}

/* The same content, whatever the order. */
static void check_samples(const char *from)
{
    dho_safetensors *file;
    ck_assert_ok(dho_safetensors_open(&file, from));
    ck_assert_uint_eq(dho_safetensors_table(file)->count, SAMPLES);
    for (size_t i = 0; i < SAMPLES; i++) {
        const dho_tensor_view *found = dho_safetensors_find(file, samples[i].name);
        ck_assert_ptr_nonnull(found);
        ck_assert_int_eq(found->dtype, samples[i].dtype);
        ck_assert_int_eq(found->dims, samples[i].dims);
        for (int d = 0; d < found->dims; d++)
            ck_assert_int_eq(found->shape[d], samples[i].shape[d]);
        ck_assert_uint_eq(found->bytes, samples[i].bytes);
        if (found->bytes > 0) ck_assert_mem_eq(found->data, samples[i].data, found->bytes);
    }
    ck_assert_str_eq(dho_safetensors_metadata(file, "format"), "pt");
    ck_assert_str_eq(dho_safetensors_metadata(file, "note"), "h\xc3\xa9 \"q\"\n");
    ck_assert_ptr_null(dho_safetensors_metadata(file, "absent"));
    ck_assert_ptr_null(dho_safetensors_find(file, "absent"));
    ck_assert_ptr_null(dho_safetensors_find(file, "__metadata__"));
    dho_safetensors_close(&file);
}

static const char *foreign_path; /* of --check */

START_TEST(test_foreign_file)
{
    check_samples(foreign_path);
}
END_TEST

START_TEST(test_round_trip)
{
    uint32_t crc;
    uint8_t *bytes = NULL;
    size_t capacity = 0, size;
    uint64_t header;
    ck_assert_ok(write_samples(path, &crc));
    check_samples(path);
    ck_assert_ok(dho_file_read(path, 1 << 20, &bytes, &capacity, &size));
    ck_assert_uint_eq(dho_crc32(0, bytes, size), crc);
    memcpy(&header, bytes, 8);
    ck_assert_uint_eq(header % 8, 0);
    /* In data order. */
    dho_safetensors *file;
    ck_assert_ok(dho_safetensors_open_memory(&file, bytes, size, "m"));
    for (size_t i = 0; i < SAMPLES; i++)
        ck_assert_str_eq(dho_safetensors_table(file)->tensors[i].name, samples[i].name);
    dho_safetensors_close(&file);
    /* Every shorter file is refused. */
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *shorter = malloc(cut + 1);
        memcpy(shorter, bytes, cut);
        ck_assert_int_eq(dho_safetensors_open_memory(&file, shorter, cut, "m"), DHO_ERR_FORMAT);
        free(shorter);
    }
    dho_free(bytes);
}
END_TEST

START_TEST(test_conversions)
{
    float out[8];
    int64_t integers[8];
    const dho_tensor_view *by_name[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++) by_name[i] = &samples[i];
    dho_tensor_to_float(by_name[0], out);
    ck_assert(out[0] == -128 && out[4] == 127);
    dho_tensor_to_float(by_name[1], out);
    ck_assert_mem_eq(out, f32, sizeof f32);
    dho_tensor_to_float(by_name[2], out);
    ck_assert(out[0] == 1 && out[1] == -2 && out[2] == 0x1p-24f);
    dho_tensor_to_float(by_name[3], out);
    ck_assert(out[0] == 1 && out[1] == -3);
    dho_tensor_to_float(by_name[4], out);
    ck_assert(out[1] == 128 && out[2] == 255);
    dho_tensor_to_float(by_name[5], out);
    ck_assert(out[0] == 1.5f && out[1] == -1e-3f);
    dho_tensor_to_float(by_name[6], out);
    ck_assert(out[0] == -5 && out[1] == 0x1p40f);
    dho_tensor_to_float(by_name[7], out);
    ck_assert(out[0] == 1 && out[1] == 0 && out[2] == 1);
    ck_assert_ok(dho_tensor_to_int64(by_name[0], integers));
    ck_assert(integers[0] == -128 && integers[4] == 127);
    ck_assert_ok(dho_tensor_to_int64(by_name[6], integers));
    ck_assert(integers[0] == -5 && integers[1] == 1ll << 40);
    ck_assert_ok(dho_tensor_to_int64(by_name[8], integers));
    ck_assert(integers[0] == -1 && integers[2] == 70000);
    ck_assert_ok(dho_tensor_to_int64(by_name[9], integers));
    ck_assert(integers[0] == -300);
    ck_assert_ok(dho_tensor_to_int64(by_name[7], integers));
    ck_assert(integers[0] == 1 && integers[1] == 0);
    ck_assert_fails(dho_tensor_to_int64(by_name[2], integers), DHO_ERR_FORMAT, "\"f16\"");
}
END_TEST

START_TEST(test_require)
{
    ck_assert_ok(write_samples(path, NULL));
    dho_safetensors *file;
    const dho_tensor_view *tensor;
    ck_assert_ok(dho_safetensors_open(&file, path));
    ck_assert_ok(dho_safetensors_require(file, "f32", -1, NULL, &tensor));
    ck_assert_ok(dho_safetensors_require(file, "f32", 2, (int64_t[]){2, -1}, &tensor));
    ck_assert_ok(dho_safetensors_require(file, "scalar", 0, NULL, &tensor));
    ck_assert_fails(dho_safetensors_require(file, "f32", 2, (int64_t[]){-1, 4}, &tensor),
                    DHO_ERR_FORMAT, "\"f32\": expected shape [?, 4], found [2, 3]");
    ck_assert_ptr_null(tensor);
    ck_assert_fails(dho_safetensors_require(file, "f32", 1, (int64_t[]){6}, &tensor),
                    DHO_ERR_FORMAT, "expected shape [6], found [2, 3]");
    ck_assert_fails(dho_safetensors_require(file, "nope", -1, NULL, &tensor), DHO_ERR_FORMAT, path);
    dho_safetensors_close(&file);
}
END_TEST

START_TEST(test_writer_refuses)
{
    const dho_tensor_view twice[2] = {samples[0], samples[0]};
    ck_assert_fails(dho_safetensors_save(path, twice, 2, NULL, NULL), DHO_ERR_INTERNAL, "taken");
    dho_tensor_view bad = samples[1];
    bad.name = "__metadata__";
    ck_assert_fails(dho_safetensors_save(path, &bad, 1, NULL, NULL), DHO_ERR_INTERNAL, "taken");
    bad.name = "\xff";
    ck_assert_fails(dho_safetensors_save(path, &bad, 1, NULL, NULL), DHO_ERR_INTERNAL, "UTF-8");
    bad = samples[1];
    bad.bytes--;
    ck_assert_fails(dho_safetensors_save(path, &bad, 1, NULL, NULL), DHO_ERR_INTERNAL, "bytes");
    bad = samples[1];
    bad.shape[0] = -2;
    ck_assert_fails(dho_safetensors_save(path, &bad, 1, NULL, NULL), DHO_ERR_INTERNAL, "shape");
    const char *const no_text[] = {"k", "\xff", NULL};
    ck_assert_fails(dho_safetensors_save(path, samples, 1, no_text, NULL), DHO_ERR_INTERNAL,
                    "UTF-8");
    ck_assert(!dho_path_exists(path));
    ck_assert_fails(dho_safetensors_save("/dev/null/x", samples, 1, NULL, NULL), DHO_ERR_IO,
                    "/dev/null/x");
}
END_TEST

START_TEST(test_many_names)
{
    enum { COUNT = 3000 };
    dho_tensor_view *tensors = calloc(COUNT, sizeof *tensors);
    char(*names)[16] = calloc(COUNT, sizeof *names);
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "t.%d.w", i * 7919 % COUNT);
        tensors[i] = (dho_tensor_view){names[i], DHO_F32, 1, {6}, f32, 24};
    }
    ck_assert_ok(dho_safetensors_save(path, tensors, COUNT, NULL, NULL));
    dho_safetensors *file;
    ck_assert_ok(dho_safetensors_open(&file, path));
    for (size_t i = 0; i < COUNT; i++)
        ck_assert_ptr_eq(dho_safetensors_find(file, names[i]),
                         &dho_safetensors_table(file)->tensors[i]);
    dho_safetensors_close(&file);
    free(names);
    free(tensors);
}
END_TEST

START_TEST(test_every_allocation_may_fail)
{
    dho_safetensors *file;
    ck_assert_ok(write_samples(path, NULL));
    ck_assert_allocations(dho_safetensors_open(&file, path));
    dho_safetensors_close(&file);
    ck_assert_allocations(write_samples(path, NULL));
    dho_name_list list;
    ck_assert_ok(dho_list_folder(&list, fixture_root)); /* no temporary file is left */
    ck_assert_uint_eq(list.count, 1);
    dho_name_list_free(&list);
}
END_TEST

START_TEST(test_real_files)
{
    const char *real = "../shared/data/caltech101/caltech101_fewshot16_clip_vitb32.safetensors";
    dho_safetensors *file;
    const dho_tensor_view *tensor;
    if (!dho_path_exists(real)) skip_test("no %s", real);
    ck_assert_ok(dho_safetensors_open(&file, real));
    ck_assert_uint_eq(dho_safetensors_table(file)->count, 3);
    ck_assert_ok(dho_safetensors_require(file, "prototypes", 2, (int64_t[]){100, 512}, &tensor));
    ck_assert_int_eq(tensor->dtype, DHO_F16);
    float *values = malloc(51200 * sizeof *values);
    dho_tensor_to_float(tensor, values);
    for (int c = 0; c < 100; c++) {
        double squares = 0;
        for (int i = 0; i < 512; i++) squares += (double)values[c * 512 + i] * values[c * 512 + i];
        ck_assert(fabs(squares - 1) < 2e-3);
    }
    free(values);
    ck_assert_str_eq(dho_safetensors_metadata(file, "encoder"), "CLIP ViT-B/32");
    dho_safetensors_close(&file);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        if (write_samples(argv[2], NULL) == DHO_OK) return EXIT_SUCCESS;
        fprintf(stderr, "%s\n", dho_error_message());
        return EXIT_FAILURE;
    }
    Suite *suite = suite_create("safetensors");
    TCase *tests = tcase_create("safetensors");
    tcase_add_checked_fixture(tests, setup, fixture_teardown);
    tcase_set_timeout(tests, 0); /* CTest has the timeout */
    suite_add_tcase(suite, tests);
    if (argc == 3 && strcmp(argv[1], "--check") == 0) {
        foreign_path = argv[2];
        tcase_add_test(tests, test_foreign_file);
        return dho_check_run(suite);
    }
    tcase_add_test(tests, test_every_half);
    tcase_add_test(tests, test_half_rounding);
    tcase_add_loop_test(tests, test_reader_refuses, 0, sizeof refusals / sizeof refusals[0]);
    tcase_add_test(tests, test_reader_refuses_bad_lengths);
    tcase_add_test(tests, test_reader_refuses_deep_nesting);
    tcase_add_test(tests, test_round_trip);
    tcase_add_test(tests, test_conversions);
    tcase_add_test(tests, test_require);
    tcase_add_test(tests, test_writer_refuses);
    tcase_add_test(tests, test_many_names);
    tcase_add_test(tests, test_every_allocation_may_fail);
    tcase_add_test(dho_check_case(suite, "published"), test_real_files);
    return dho_check_run(suite);
}
