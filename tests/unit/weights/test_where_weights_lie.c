/* Where in a PyTorch file the weights are found, what a file is that holds none, and weights in
 * several files with an index. */
#define _GNU_SOURCE
#include "dho/alloc.h"
#include "dho/torch_file.h"
#include "dho/weights.h"
#include "folder_fixture.h"
#include "unit/weights/pt_crafted.h"
#include "unit/weights/pt_fixture.h"
#include "weights/tensor_index.h"

#include <string.h>

#define T TENSOR(STORAGE("0", "K\x04"), "K\x00", "K\x04\x85", "K\x01\x85")
#define MODEL "}U\x01w" T "sU\x01v" T "s" /* a dict of two tensors */
#define HEAD "}U\x01h" T "s"
#define KEY(length, text) "U" length text
#define SET(length, text, value) KEY(length, text) value "s"

static const struct place {
    const char *bytes;
    size_t size;
    const char *key, *others; /* key NULL: others is the error */
} places[] = {
#define PLACE(text, key, others)                            \
    {                                                       \
        PROTO text ".", sizeof(PROTO text "."), key, others \
    }
    PLACE(MODEL, "", ""),
    PLACE("}" SET("\x09", "best_acc1", T) SET("\x0a", "state_dict", MODEL), "state_dict", ""),
    PLACE("}" SET("\x0a", "state_dict", MODEL) SET("\x09", "best_acc1", T), "state_dict", ""),
    PLACE("}" SET("\x05", "model", MODEL) SET("\x09", "rng_state", T), "model", ""),
    PLACE("}" SET("\x05", "model", "}" SET("\x06", "module", MODEL)), "model.module", ""),
    PLACE("}" SET("\x10", "model_state_dict", MODEL) SET("\x05", "epoch", "K\x01"),
          "model_state_dict", ""),
    PLACE("}" SET("\x0a", "state_dict", MODEL) SET("\x0e", "state_dict_ema", MODEL),
          "state_dict_ema", "state_dict"),
    PLACE("}" SET("\x05", "model", MODEL) SET("\x09", "model_ema", MODEL), "model_ema", "model"),
    PLACE("}" SET("\x03", "ema", "}" SET("\x06", "shadow", MODEL)), "ema.shadow", ""),
    PLACE("}" SET("\x07", "student", MODEL) SET("\x07", "teacher", MODEL), "teacher", "student"),
    PLACE("}" SET("\x09", "optimizer", "}" SET("\x01", "m", MODEL)) SET("\x03", "net", MODEL),
          "net", ""),
    PLACE("}" SET("\x05", "model", "}") SET("\x07", "network", MODEL), "network", ""),
    PLACE("}" SET("\x08", "backbone", MODEL) SET("\x04", "loss", "}"), "backbone", ""),
    PLACE("}" SET("\x05", "other", "}" SET("\x06", "deeper", MODEL)), "other.deeper", ""),
    PLACE("}" SET("\x01", "a", MODEL "q\x00") SET("\x01", "b", "h\x00"), "a", ""),
    PLACE("}" SET("\x01", "a", MODEL) SET("\x01", "b", MODEL), NULL,
          "several state dicts (a, b): choose one"),
    PLACE("}" SET("\x05", "epoch", "K\x01") SET("\x04", "arch", "K\x01"), NULL,
          "there is no state dict: no dict of names and tensors at the root, nor under a key (its "
          "keys: epoch, arch)"),
    PLACE("}" SET("\x09", "optimizer", MODEL), NULL, "its keys: optimizer"),
    PLACE("K\x01", NULL, "the root has no keys"),
};
enum { PLACES = sizeof places / sizeof *places };

START_TEST(test_places)
{
    const struct place *p = &places[_i];
    const float data[4] = {1, 2, 3, 4};
    pt_zip zip = {0};
    dho_torch_file *file;
    pt_zip_add(&zip, "data.pkl", p->bytes, p->size - 1);
    pt_zip_add(&zip, "data/0", data, sizeof data);
    pt_zip_finish(&zip);
    const dho_status status = dho_torch_file_open_memory(&file, zip.bytes, zip.size, "m.pt", NULL);
    if (p->key == NULL) {
        ck_assert_fails(status, DHO_ERR_FORMAT, p->others);
    } else {
        ck_assert_ok(status);
        ck_assert_str_eq(dho_torch_file_key(file), p->key);
        ck_assert_str_eq(dho_torch_file_other_keys(file), p->others);
        ck_assert_uint_eq(dho_torch_file_count(file), 2);
    }
    dho_torch_file_close(&file);
    free(zip.bytes);
}
END_TEST

/* --- files that are something else --- */

static void put(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(fixture_path(name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static const char zeros[100];
static const struct kind {
    const char *bytes;
    size_t size;
    const char *message;
} kinds[] = {
#define KIND(text, message)            \
    {                                  \
        text, sizeof text - 1, message \
    }
    KIND("", "is empty (0 bytes)"),
    KIND("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git LFS pointer"),
    KIND("<!DOCTYPE html><html></html>", "web page"),
    KIND("\n  <HTML><head>", "web page"),
    KIND("\xef\xbb\xbf<html>", "web page"),
    KIND("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "server's answer"),
    KIND("{\"error\": \"Repository not found\"}", "server's answer"),
    KIND("\x1f\x8b\x08\x00"
         "qrstuvwx",
         "compressed by gzip"),
    KIND("\x89HDF\r\n\x1a\nabcdef", "HDF5"),
    KIND("\x93NUMPY\x01\x00v\x00{'descr'", "NumPy"),
    KIND("GGUF\x03\x00\x00\x00\x01", "GGUF"),
    KIND("{\"architectures\": [\"CLIPModel\"]}", "JSON without a weight_map"),
    {zeros, sizeof zeros, "nothing but zeros"},
    KIND("what is this, and what is it for?", "neither a safetensors file nor"),
};
enum { KINDS = sizeof kinds / sizeof *kinds };

START_TEST(test_kinds)
{
    dho_weights *weights;
    put("x", kinds[_i].bytes, kinds[_i].size);
    ck_assert_fails(dho_weights_open(&weights, fixture_path("x"), NULL), DHO_ERR_FORMAT,
                    kinds[_i].message);
    ck_assert_fails(dho_weights_open(&weights, fixture_root, NULL), DHO_ERR_FORMAT,
                    "is a folder: name");
}
END_TEST

/* --- several files --- */

static void save_one(const char *file, const char *name, float value)
{
    const dho_tensor_view tensor = {
        .name = name, .dtype = DHO_F32, .data = &value, .bytes = sizeof value};
    ck_assert_ok(dho_safetensors_save(fixture_path(file), &tensor, 1, NULL, NULL));
}

static dho_status open_index(const char *text)
{
    dho_weights *weights;
    put("m.index.json", text, strlen(text));
    const dho_status status = dho_weights_open(&weights, fixture_path("m.index.json"), NULL);
    if (status != DHO_OK) return status;
    float b;
    ck_assert_uint_eq(dho_weights_count(weights), 2);
    ck_assert_str_eq(dho_weights_format(weights), "safetensors, 2 files");
    ck_assert_str_eq(dho_weights_path(weights), fixture_path("m.index.json"));
    ck_assert_ptr_nonnull(dho_weights_find(weights, "a"));
    dho_tensor_to_float(dho_weights_find(weights, "b"), &b);
    ck_assert(b == 2);
    dho_weights_close(&weights);
    return DHO_OK;
}

START_TEST(test_index)
{
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"{\"weight_map\": {\"a\": \"1.safetensors\", \"b\": \"3.safetensors\"}}", "not there"},
        {"{\"weight_map\": {\"a\": \"1.safetensors\", \"c\": \"2.safetensors\"}}",
         "says that \"c\" is in"},
        {"{\"weight_map\": {\"a\": \"../1.safetensors\"}}", "not in a file beside"},
        {"{\"weight_map\": {\"a\": 1}}", "not in a file beside"},
        {"{\"weight_map\": {}}", "without a weight_map"},
        {"{\"weight_map\": {\"a\": \"m.index.json\"}}", "holds no weights"},
        {"{\"weight_map\": {\"a\": \"1.safetensors\", \"b\": \"2.safetensors\", \"z\": "
         "\"empty.bin\"}}",
         "empty.bin: is empty"},
        {"{\"weight_map\": ", "line 1"},
    };
    save_one("1.safetensors", "a", 1);
    save_one("2.safetensors", "b", 2);
    put("empty.bin", "", 0);
    ck_assert_ok(open_index("{\"metadata\": {}, \"weight_map\": {\"a\": \"1.safetensors\", \"b\": "
                            "\"2.safetensors\"}}"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_fails(open_index(bad[i].text), DHO_ERR_FORMAT, bad[i].message);
    save_one("2.safetensors", "a", 2);
    ck_assert_fails(
        open_index("{\"weight_map\": {\"a\": \"1.safetensors\", \"\\u0061\": \"2.safetensors\"}}"),
        DHO_ERR_FORMAT, "duplicate");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("where_weights_lie");
    TCase *tests = tcase_create("places");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_loop_test(tests, test_places, 0, PLACES);
    tcase_add_loop_test(tests, test_kinds, 0, KINDS);
    tcase_add_test(tests, test_index);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
