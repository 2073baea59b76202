/* Lists of tensors and NumPy arrays that torch.save wrote (tests/golden/make_torch_golden.py), and
 * pickles that it never would. */
#include "dho/torch_file.h"
#include "unit/weights/pt_crafted.h"
#include "unit/weights/pt_fixture.h"
#include "weights/tensor_index.h"

#include <string.h>

static void check(const dho_torch_file *file, size_t at, dho_dtype dtype, int64_t rows,
                  int64_t columns, const float *expected)
{
    float values[16];
    const dho_tensor_view *tensor = dho_torch_file_at(file, at);
    const char name[] = {(char)('0' + at), '\0'};
    ck_assert_str_eq(tensor->name, name);
    ck_assert_ptr_eq(dho_tensor_index_find(dho_torch_file_table(file), name), tensor);
    ck_assert_int_eq(tensor->dtype, dtype);
    ck_assert_int_eq(tensor->dims, columns > 0 ? 2 : 1);
    ck_assert_int_eq(tensor->shape[0], rows);
    if (columns > 0) ck_assert_int_eq(tensor->shape[1], columns);
    dho_tensor_to_float(tensor, values);
    const int64_t count = rows * (columns > 0 ? columns : 1);
    for (int64_t i = 0; i < count; i++) ck_assert_float_eq(values[i], expected[i]);
}

START_TEST(test_list)
{
    dho_torch_file *file;
    const char *name = _i == 0 ? "list.pt" : "legacy_list.pt"; /* as before PyTorch 1.6 */
    ck_assert_ok(dho_torch_file_open(&file, golden(name), DHO_TORCH_LIST));
    ck_assert_uint_eq(dho_torch_file_count(file), 6);
    check(file, 0, DHO_F32, 3, 2, (float[]){0, 0.5f, 1, 1.5f, 2, 2.5f});
    check(file, 1, DHO_BOOL, 3, 0, (float[]){1, 0, 1});
    check(file, 2, DHO_F32, 2, 2, (float[]){3, 3.25f, 3.5f, 3.75f}); /* a tensor */
    check(file, 3, DHO_F16, 2, 2, (float[]){-1.5f, 255, 65504, 0});
    check(file, 4, DHO_I64, 2, 0, (float[]){-1, 0x1p40f});
    check(file, 5, DHO_U8, 2, 0, (float[]){200, 0});
    dho_torch_file_close(&file);
    ck_assert_ok(dho_torch_file_open(&file, golden("tuple.pt"), DHO_TORCH_LIST));
    ck_assert_uint_eq(dho_torch_file_count(file), 2);
    dho_torch_file_close(&file);
}
END_TEST

START_TEST(test_one_tensor)
{
    dho_torch_file *file;
    ck_assert_ok(dho_torch_file_open(&file, golden("tensor.pt"), DHO_TORCH_LIST));
    ck_assert_uint_eq(dho_torch_file_count(file), 1);
    const dho_tensor_view *tensor = dho_tensor_index_find(dho_torch_file_table(file), "0");
    ck_assert(tensor->dims == 1 && tensor->shape[0] == 2 && tensor->dtype == DHO_F32);
    ck_assert_mem_eq(tensor->data, ((const float[]){1, 1.25f}), 2 * sizeof(float));
    dho_torch_file_close(&file);
    ck_assert_ok(dho_torch_file_open(&file, golden("tip_keys.pt"), DHO_TORCH_LIST));
    tensor = dho_torch_file_at(file, 0);
    ck_assert(tensor->shape[0] == 6 && tensor->shape[1] == 5 && tensor->dtype == DHO_F16);
    dho_torch_file_close(&file);
}
END_TEST

START_TEST(test_refused)
{
    static const struct {
        const char *name, *message;
    } cases[] = {
        {"fortran.pt", "Fortran order"}, {"big_endian.pt", "not little endian"},
        {"complex.pt", "of a type"},     {"texts.pt", "neither a tensor nor an array"},
        {"plain.pt", "not a list"},
    };
    dho_torch_file *file;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_fails(dho_torch_file_open(&file, golden(cases[i].name), DHO_TORCH_LIST),
                        DHO_ERR_FORMAT, cases[i].message);
        ck_assert(strstr(dho_error_message(), cases[i].name) != NULL);
        ck_assert_ptr_null(file);
    }
    /* A list is no state dict. */
    ck_assert_fails(dho_torch_file_open(&file, golden("list.pt"), NULL), DHO_ERR_FORMAT,
                    "no state dict");
}
END_TEST

/* --- pickles by hand: a list of one array --- */

#define ENCODED(length, text) "c_codecs\nencode\n(X" length text "X\x06\0\0\0latin1tR"
#define TYPE(name, order)                                                         \
    "cnumpy\ndtype\n(X\x02\0\0\0" name "\x89\x88tR(K\x03X\x01\0\0\0" order "NNNJ" \
    "\xff\xff\xff\xff"                                                            \
    "J\xff\xff\xff\xffK\0tb"
#define NEW(type) "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\n" type "\nK\0\x85X\x01\0\0\0btR"
#define STATE(shape, type, order, data) "(K\x01" shape type order data "tb"
#define ARRAY(shape, data) NEW("ndarray") STATE(shape, TYPE("f4", "<"), "\x89", data)
#define LIST(items) "\x80\x02]" items "."
#define ONE ENCODED("\x04\0\0\0", "\0\0\0A")

static const crafted pickles[] = {
    CRAFTED(LIST(ARRAY("K\x01\x85", ONE) "a"), NULL),
    CRAFTED(LIST(""), NULL),
    CRAFTED(LIST(ARRAY("K\0\x85", ENCODED("\0\0\0\0", "")) "a"), NULL),
    CRAFTED(LIST(ARRAY(")", ONE) "a"), NULL), /* a scalar */
    CRAFTED(LIST(ARRAY("K\x01\x85", ENCODED("\x05\0\0\0", "\0\0\0\xc3\xbf")) "a"), NULL),
    CRAFTED(LIST(ARRAY("K\x02\x85", ONE) "a"), "data of less"),
    CRAFTED(LIST(ARRAY("K\0\x85", ONE) "a"), "whose data is not that"),
    CRAFTED(LIST(ARRAY("K\x01\x85", ENCODED("\x05\0\0\0", "\0\0\0\0\0")) "a"), "is not that"),
    CRAFTED(LIST(ARRAY("K\x01\x85", ENCODED("\x04\0\0\0", "\0\0\0\xc3")) "a"), "is not that"),
    CRAFTED(LIST(ARRAY("K\x01\x85", ENCODED("\x05\0\0\0", "\0\0\0\xc4\x80")) "a"), "is not that"),
    CRAFTED(LIST(ARRAY("K\x01\x85", ENCODED("\x05\0\0\0", "\0\0\0\xc3\x40")) "a"), "is not that"),
    CRAFTED(LIST(ARRAY(HUGE8 HUGE8 "\x86", ONE) "a"), "no memory"),
    CRAFTED(LIST(ARRAY(HUGE8 "\x85", ONE) "a"), "no memory"),
    CRAFTED(LIST(ARRAY("J\xff\xff\xff\xff\x85", ONE) "a"), "not an integer >= 0"),
    CRAFTED(LIST(ARRAY("K\x01", ONE) "a"), "not a tuple"),
    CRAFTED(LIST(ARRAY("K\x01\x85", "N") "a"), "without data"),
    CRAFTED(LIST(ARRAY("K\x01\x85", "X\x04\0\0\0\0\0\0\0") "a"), "without data"),
    CRAFTED(LIST(NEW("ndarray") "a"), "without a state"),
    CRAFTED(LIST(NEW("ndarray") "Nba"), "without a state"),
    CRAFTED(LIST(NEW("dtype") "a"), "neither a tensor"),
    CRAFTED(LIST(NEW("ndarray") STATE("K\x01\x85", "N", "\x89", ONE) "a"), "without a dtype"),
    CRAFTED(LIST(NEW("ndarray") STATE("K\x01\x85", TYPE("f4", "<"), "N", ONE) "a"), "Fortran"),
    CRAFTED(LIST(NEW("ndarray") STATE("K\x01\x85", TYPE("O8", "|"), "\x89", ONE) "a"), "of a type"),
    CRAFTED(LIST("K\x01"
                 "a"),
            "neither a tensor"),
    CRAFTED("\x80\x02}.", "not a list"),
    CRAFTED("\x80\x02N.", "not a list"),
};

START_TEST(test_crafted)
{
    const crafted *c = &pickles[_i];
    dho_torch_file *file;
    pt_zip zip = {0};
    pt_zip_add(&zip, "data.pkl", c->bytes, c->size);
    pt_zip_finish(&zip);
    const dho_status status =
        dho_torch_file_open_memory(&file, zip.bytes, zip.size, "x.tar", DHO_TORCH_LIST);
    check_crafted(c, _i, status);
    if (status == DHO_OK)
        dho_torch_file_close(&file);
    else
        ck_assert_int_eq(strncmp(dho_error_message(), "x.tar: ", 7), 0);
    free(zip.bytes);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* One text named by a thousand arrays must not become a thousand copies of it. */
START_TEST(test_repeated_data)
{
    enum { TEXT = 4096, TIMES = 1000 };
    /* The array, put into the memo, then fetched again and again. */
    static const char head[] = "\x80\x02](" NEW("ndarray") "(K\x01M\0\x04\x85" TYPE(
        "f4", "<") "\x89"
                   "c_codecs\nencode\n(X\0\x10\0\0";
    static const char tail[] = "X\x06\0\0\0latin1tRtbq\0";
    uint8_t *pickle = calloc(1, sizeof head + TEXT + sizeof tail + 2 * TIMES + 2), *at = pickle;
    memcpy(at, head, sizeof head - 1);
    at += sizeof head - 1 + TEXT;
    memcpy(at, tail, sizeof tail - 1);
    at += sizeof tail - 1;
    for (int i = 0; i < TIMES; i++) {
        memcpy(at, "h\0", 2);
        at += 2;
    }
    memcpy(at, "e.", 2);
    at += 2;
    dho_torch_file *file;
    pt_zip zip = {0};
    pt_zip_add(&zip, "data.pkl", pickle, (size_t)(at - pickle));
    pt_zip_finish(&zip);
    ck_assert_fails(dho_torch_file_open_memory(&file, zip.bytes, zip.size, "x.tar", DHO_TORCH_LIST),
                    DHO_ERR_FORMAT, "the same data too often");
    free(zip.bytes);
    free(pickle);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_every_failing_allocation)
{
    dho_torch_file *file;
    ck_assert_allocations(dho_torch_file_open(&file, golden("list.pt"), DHO_TORCH_LIST));
    dho_torch_file_close(&file);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("torch_arrays");
    TCase *tests = tcase_create("torch_arrays");
    tcase_add_loop_test(tests, test_list, 0, 2);
    tcase_add_test(tests, test_one_tensor);
    tcase_add_test(tests, test_refused);
    tcase_add_loop_test(tests, test_crafted, 0, sizeof pickles / sizeof pickles[0]);
    tcase_add_test(tests, test_repeated_data);
    tcase_add_test(tests, test_every_failing_allocation);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
