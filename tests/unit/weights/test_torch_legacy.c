/* PyTorch checkpoints from before 1.6, by hand: magic number, version, machine, objects, keys,
 * storages. Those that torch.save wrote are in test_torch_file.c. */
#include "dho/torch_file.h"
#include "unit/weights/pt_crafted.h"
#include "weights/tensor_index.h"

#define MAGIC "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define VERSION PROTO "M\xe9\x03."
#define MACHINE(little) PROTO "}X\x0d\0\0\0little_endian" little "s."
#define OBJECTS DICT(TENSOR(STORAGE("0", "K\x02"), "K\x00", "K\x02\x85", "K\x01\x85"))
#define VIEWED(view)                                       \
    DICT(TENSOR("(U\x07storagectorch\nFloatStorage\nU\x01" \
                "0U\x03"                                   \
                "cpuK\x02" view "tQ",                      \
                "K\x00", "K\x02\x85", "K\x01\x85"))
#define KEYS(items) PROTO "]" items "."
#define KEY0 \
    "U\x01"  \
    "0a"
#define COUNT2 "\x02\0\0\0\0\0\0\0"
#define FLOATS2 "\0\0\x80\x3f\0\0\0\x40"
#define HEAD MAGIC VERSION MACHINE("\x88")

static const crafted legacies[] = {
    CRAFTED(HEAD OBJECTS KEYS(KEY0) COUNT2 FLOATS2, NULL),
    CRAFTED(HEAD OBJECTS KEYS(KEY0) COUNT2 FLOATS2 "more", NULL), /* as PyTorch */
    CRAFTED(HEAD VIEWED("N") KEYS(KEY0) COUNT2 FLOATS2, NULL),
    CRAFTED(HEAD VIEWED("(U\x01vK\x00K\x01t") KEYS(KEY0) COUNT2 FLOATS2, "a view of a storage"),
    CRAFTED(MAGIC, "offset 15: not a pickle"),
    CRAFTED(MAGIC PROTO "M\xe8\x03.", "the protocol version is not 1001"),
    CRAFTED(MAGIC PROTO "}.", "the protocol version is not 1001"),
    CRAFTED(MAGIC VERSION, "offset 21: not a pickle"),
    CRAFTED(MAGIC VERSION MACHINE("\x89"), "not of a little-endian machine"),
    CRAFTED(MAGIC VERSION MACHINE("K\x01"), "not of a little-endian machine"),
    CRAFTED(MAGIC VERSION PROTO "K\x01.", "not of a little-endian machine"),
    CRAFTED(HEAD PROTO "cos\nsystem\n.", "offset 47: asks for os.system"),
    CRAFTED(HEAD OBJECTS, "not a pickle"),
    CRAFTED(HEAD OBJECTS PROTO "cos\nsystem\n.", "asks for os.system"),
    CRAFTED(HEAD OBJECTS PROTO "}.", "are no list"),
    CRAFTED(HEAD OBJECTS KEYS("K\x01"
                              "a") COUNT2 FLOATS2,
            "storage 0: its key is no text"),
    CRAFTED(HEAD OBJECTS KEYS("") COUNT2 FLOATS2, "tensor \"w\": its storage, data/0, is missing"),
    CRAFTED(HEAD OBJECTS KEYS("U\x01"
                              "1a" KEY0) COUNT2 FLOATS2,
            "storage 0: no tensor has it"),
    CRAFTED(HEAD OBJECTS KEYS(KEY0 KEY0) COUNT2 FLOATS2 COUNT2 FLOATS2,
            "storage 1: is listed twice"),
    CRAFTED(HEAD OBJECTS KEYS(KEY0) "\x02\0\0", "the file ends before it"),
    CRAFTED(HEAD OBJECTS KEYS(KEY0) COUNT2 "\0\0\x80\x3f\0\0\0", "the file ends inside of it"),
    CRAFTED(HEAD OBJECTS KEYS(KEY0) "\x03\0\0\0\0\0\0\0" FLOATS2, "another number of elements"),
    CRAFTED(HEAD OBJECTS KEYS(KEY0) "\x02\0\0\0\0\0\0\x80" FLOATS2, "another number of elements"),
    CRAFTED(HEAD DICT(TENSOR(STORAGE("0", HUGE8), "K\x00", ")", ")"))
                KEYS(KEY0) "\xff\xff\xff\xff\xff\xff\xff\x7f" FLOATS2,
            "the file ends inside of it"),
    CRAFTED(HEAD PROTO "](" TENSOR(STORAGE("0", "K\x02"), "K\x00", ")", ")")
                TENSOR(STORAGE("0", "K\x03"), "K\x00", ")", ")") "e." KEYS(KEY0) COUNT2 FLOATS2,
            "do not agree"),
};

START_TEST(test_crafted_legacy)
{
    const crafted *craft = &legacies[_i];
    uint8_t *exact = malloc(craft->size); /* the sanitizer sees its end */
    memcpy(exact, craft->bytes, craft->size);
    dho_torch_file *file;
    const dho_status status = dho_torch_file_open_memory(&file, exact, craft->size, "mem", NULL);
    check_crafted(craft, _i, status);
    if (status == DHO_OK) {
        float values[2];
        const dho_tensor_view *w = dho_tensor_index_find(dho_torch_file_table(file), "w");
        ck_assert_uint_eq(w->bytes, sizeof values);
        dho_tensor_to_float(w, values);
        ck_assert(values[0] == 1 && values[1] == 2);
    }
    dho_torch_file_close(&file);
    free(exact);
}
END_TEST

START_TEST(test_damaged_legacy)
{
    size_t size;
    dho_torch_file *file;
    uint8_t *bytes = load(golden("legacy_plain.pt"), &size);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *shorter = malloc(cut > 0 ? cut : 1);
        memcpy(shorter, bytes, cut);
        ck_assert_int_eq(dho_torch_file_open_memory(&file, shorter, cut, "m", NULL),
                         DHO_ERR_FORMAT);
        free(shorter);
    }
    for (size_t i = 0; i < size; i++) { /* there is no checksum: values may change, no more */
        bytes[i] ^= 0x55;
        if (dho_torch_file_open_memory(&file, bytes, size, "m", NULL) == DHO_OK)
            dho_torch_file_close(&file);
        bytes[i] ^= 0x55;
    }
    free(bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("torch_legacy");
    TCase *tests = tcase_create("torch_legacy");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, test_crafted_legacy, 0, sizeof legacies / sizeof legacies[0]);
    tcase_add_test(tests, test_damaged_legacy);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
