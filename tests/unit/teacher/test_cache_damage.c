/* Whatever happens to a cache's files is found and named. */
#define _GNU_SOURCE
#include "unit/teacher/cache_fixture.h"

#include <sys/stat.h>

static const char *const all_files[] = {"cache.json", "head.safetensors",
                                        "shard-00000-of-00003.bin", "shard-00001-of-00003.bin",
                                        "shard-00002-of-00003.bin"};

/* One flipped bit, then a whole inverted byte, at every place of every file. */
START_TEST(test_every_flipped_byte_is_found)
{
    /* Behind the files of version 1: manifest, (head,) first shard of version 3. */
    const bool recorded = _i >= COUNT_OF(all_files);
    const char *name = all_files[recorded ? 2 * (_i - COUNT_OF(all_files)) : _i];
    const dho_cache_spec spec = recorded ? recorded_spec() : small_spec();
    struct stat info;
    write_all(&spec);
    const char *path = fixture_path(name);
    ck_assert_int_eq(stat(path, &info), 0);
    for (off_t at = 0; at < info.st_size; at++) {
        for (int bits = 1; bits <= 256; bits *= 2) {
            const int mask = bits == 256 ? 255 : bits;
            flip_byte(path, at, mask);
            const dho_status status = open_and_verify();
            ck_assert_msg(status == DHO_ERR_FORMAT, "%s: byte %ld ^ %d: status %d", path, (long)at,
                          mask, (int)status);
            ck_assert_msg(strstr(dho_error_message(), name) != NULL, "%s", dho_error_message());
            flip_byte(path, at, mask);
        }
    }
    ck_assert_ok(open_and_verify());
}
END_TEST

START_TEST(test_every_truncation_is_found)
{
    const dho_cache_spec spec = small_spec();
    uint8_t *bytes = NULL;
    size_t capacity = 0, size;
    write_all(&spec);
    const char *path = fixture_path(all_files[_i]);
    ck_assert_ok(dho_file_read(path, 1 << 20, &bytes, &capacity, &size));
    for (size_t length = 0; length <= size + 1; length++) {
        if (length == size) continue;
        const int descriptor = open(path, O_WRONLY | O_TRUNC);
        ck_assert_int_eq(write(descriptor, bytes, length), (ssize_t)length); /* +1: a NUL follows */
        close(descriptor);
        ck_assert_int_eq(open_and_verify(), DHO_ERR_FORMAT);
    }
    dho_free(bytes);
}
END_TEST

/* Only the damaged block is refused, and the message says which and where. */
START_TEST(test_a_damaged_block_is_named)
{
    const dho_cache_spec spec = large_spec();
    write_all(&spec);
    flip_byte(fixture_path("shard-00000-of-00003.bin"), 256 + 4 * 20010 + 77,
              16); /* image 6 view 0 */
    dho_cache *cache;
    float *payload = malloc((size_t)spec.dim * sizeof *payload);
    dho_cache_record record = {.payload = payload};
    ck_assert_ok(dho_cache_open(&cache, fixture_root));
    for (int again = 0; again < 2; again++)
        ck_assert_fails(dho_cache_read(cache, 6, 0, &record), DHO_ERR_FORMAT,
                        "shard-00000-of-00003.bin: block 1 at offset 60286: CRC is ");
    ck_assert_fails(dho_cache_read(cache, 3, 1, &record), DHO_ERR_FORMAT,
                    "block 1 ");        /* record 3 */
    check_record(cache, 3, 0, payload); /* record 2 */
    check_record(cache, 9, 0, payload); /* record 6 */
    check_record(cache, 1, 0, payload);
    ck_assert_ok(dho_cache_verify(cache, 1, 3));
    ck_assert_ok(dho_cache_verify(cache, 2, 3));
    ck_assert_fails(dho_cache_verify(cache, 0, 3), DHO_ERR_FORMAT, "block 1 at offset 60286");
    dho_cache_close(&cache);
    free(payload);
}
END_TEST

/* Verification looks at the disk again, whatever was read before. */
START_TEST(test_verify_finds_later_damage)
{
    const dho_cache_spec spec = small_spec();
    write_all(&spec);
    dho_cache *cache;
    float payload[6];
    ck_assert_ok(dho_cache_open(&cache, fixture_root));
    check_record(cache, 0, 0, payload);
    ck_assert_ok(dho_cache_verify(cache, 0, 1));
    for (int i = 0; i < 3; i++) {
        const char *path = fixture_path(all_files[i]);
        flip_byte(path, 260, 1);
        ck_assert_int_eq(dho_cache_verify(cache, 0, 1), DHO_ERR_FORMAT);
        flip_byte(path, 260, 1);
    }
    ck_assert_ok(dho_cache_verify(cache, 0, 1));
    dho_cache_close(&cache);
}
END_TEST

/* Replaces one text by another in the manifest and makes its CRC right again. */
static void edit_manifest(const char *from, const char *to)
{
    uint8_t *bytes = NULL;
    size_t capacity = 0, size;
    char text[4096], digits[9];
    ck_assert_ok(dho_file_read(fixture_path("cache.json"), 2048, &bytes, &capacity, &size));
    const char *at = strstr((const char *)bytes, from);
    ck_assert_msg(at != NULL, "%s", from);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - (const char *)bytes), (const char *)bytes,
             to, at + strlen(from));
    dho_free(bytes);
    const size_t length = strlen(text);
    memset(text + length - 12, '0', 8);
    snprintf(digits, sizeof digits, "%08x", dho_crc32(0, text, length));
    memcpy(text + length - 12, digits, 8);
    ck_assert_ok(dho_file_write_text(fixture_path("cache.json"), text));
}

static const struct {
    const char *from, *to, *message;
    dho_status status;
} manifest_edits[] = {
    {"dho-teacher-cache", "dho-teacher-cash", "not the manifest", DHO_ERR_FORMAT},
    {"\"version\": 2", "\"version\": 4", "version 4 of the cache format", DHO_ERR_CONFIG},
    {"\"version\": 2", "\"version\": 1", "version 1, expected 2", DHO_ERR_FORMAT},
    {"\"head\": {", "\"top\": 2, \"head\": {", "top is 2, expected 0 to 0", DHO_ERR_FORMAT},
    {"int8x", "fp16", "version 2, expected 1", DHO_ERR_FORMAT},
    {"int8x", "topk", "topk is for logits", DHO_ERR_FORMAT},
    {"\"count\": 7", "\"count\": 0", "count is 0", DHO_ERR_FORMAT},
    {"\"count\": 7", "\"count\": -7", "count is -7", DHO_ERR_FORMAT},
    {"\"count\": 7", "\"count\": 9223372036854775807", "count is", DHO_ERR_FORMAT},
    {"\"count\": 7", "\"count\": 9223372036854775808", "integer", DHO_ERR_FORMAT},
    {"\"count\": 7", "\"count\": 7.0", "cache.json", DHO_ERR_FORMAT},
    {"\"count\": 7", "\"count\": 8", "count is 7, expected 8", DHO_ERR_FORMAT},
    {"\"shards\": 3", "\"shards\": 4294967299", "shards is -1", DHO_ERR_FORMAT},
    {"\"shards\": 3", "\"shards\": 65537", "shards is 65537", DHO_ERR_FORMAT},
    {"\"shards\": 3", "\"shards\": 2", "shard-00000-of-00002.bin", DHO_ERR_IO},
    {"\"views\": 2", "\"views\": 0", "views is 0", DHO_ERR_FORMAT},
    {"\"views\": 2", "\"views\": 1", "views is 2, expected 1", DHO_ERR_FORMAT},
    {"\"free_crops\": false", "\"free_crops\": 0", "cache.json", DHO_ERR_FORMAT},
    {"\"free_crops\": false", "\"free_crops\": true", "crop_scale", DHO_ERR_FORMAT},
    {"embedding", "logits", "dim 6 for 4 classes", DHO_ERR_FORMAT},
    {"embedding", "other", "unknown payload \"other\"", DHO_ERR_FORMAT},
    {"int8x", "int4", "encoding \"int4\"", DHO_ERR_FORMAT},
    {"int8x", "int8", "encoding int8 of an earlier program: build", DHO_ERR_FORMAT},
    {"\"dim\": 6", "\"dim\": 5", "a head of [4, 6]; the dataset has 4 classes and the embeddings 5",
     DHO_ERR_FORMAT},
    {"\"dim\": 6", "\"dim\": 2147483647", "dim is", DHO_ERR_FORMAT},
    {"\"classes\": 4", "\"classes\": 3", "a head of [4, 6]; the dataset has 3 classes",
     DHO_ERR_FORMAT},
    {"\"image_size\": 224", "\"image_size\": -1", "image_size is -1", DHO_ERR_FORMAT},
    {"0.5,", "2.5,", "crop_scale is [2.5, 1]", DHO_ERR_FORMAT},
    {"0.5,", "\"a\",", "cache.json", DHO_ERR_FORMAT},
    {"0.5,", "", "cache.json", DHO_ERR_FORMAT},
    {"fedcba9876543210", "fedcba987654321", "16 hexadecimal digits", DHO_ERR_FORMAT},
    {"fedcba9876543210", "Fedcba9876543210", "16 hexadecimal digits", DHO_ERR_FORMAT},
    {"ffffffffffffffff", "0x0000000000000f", "16 hexadecimal digits", DHO_ERR_FORMAT},
    {"ffffffffffffffff", "fffffffffffffffe", "seed is", DHO_ERR_FORMAT},
    {"caf", "cafe", "teacher is", DHO_ERR_FORMAT},
    {"\"flip\": true", "\"flop\": true", "flip", DHO_ERR_FORMAT},
    {"\"flip\": true", "\"flip\": true, \"flop\": 1", "flop", DHO_ERR_FORMAT},
    {"\"flip\": true", "\"flip\": true, \"flip\": true", "duplicate", DHO_ERR_FORMAT},
    {"head.safetensors", "../other.safetensors", "head: impossible", DHO_ERR_FORMAT},
    {"\"bytes\": ", "\"bytes\": -", "head: impossible", DHO_ERR_FORMAT},
    {"\"bytes\": ", "\"bytes\": 1", "head.safetensors: offset 0", DHO_ERR_FORMAT},
    {"\"head\": {", "\"head\": null, \"tail\": {", "tail", DHO_ERR_FORMAT},
};

START_TEST(test_manifest_is_checked)
{
    const dho_cache_spec spec = small_spec();
    write_all(&spec);
    edit_manifest("\"count\": 7", "\"count\": 7"); /* the editing itself is right */
    ck_assert_ok(open_and_verify());
    edit_manifest(manifest_edits[_i].from, manifest_edits[_i].to);
    ck_assert_fails(open_and_verify(), manifest_edits[_i].status, manifest_edits[_i].message);
}
END_TEST

static const struct {
    const char *from, *to, *message;
} transform_edits[] = {
    {"\"version\": 3", "\"version\": 1", "version 1, expected 3"},
    {"\"transform\": {", "\"transform\": null, \"other\": {", "other"},
    {"bicubic", "nearest", "unknown interpolation \"nearest\""},
    {"bicubic", "bilinear", "interpolation is \"bicubic\", expected \"bilinear\""},
    {"\"crop\"", "\"shortest\"", "resize is \"shortest\" with free_crops 0"},
    {"\"crop\"", "\"fit\"", "resize \"fit\""},
    {"\"short_side\": 0", "\"short_side\": 4294967296", "short_side is -1"},
    {"\"short_side\": 0", "\"short_side\": 7", "short_side is 7, expected 0 to 0"},
    {"\"mean\": [", "\"mean\": [1.0, ", "cache.json"},
    {"2.0", "-2.0", "std -2 of a channel"},
    {"2.0", "1e300", "std inf of a channel"},
    {"2.0", "2.5", "std is [1, 2, 0.1"},
    {"blis fp32", "blis fp32 of some machine", "compute \"blis fp32 of some machine\""},
    {"blis fp32", "onednn fp32", "compute is \"blis fp32\", expected \"onednn fp32\""},
};

START_TEST(test_transform_of_a_manifest_is_checked)
{
    const dho_cache_spec spec = recorded_spec();
    write_all(&spec);
    edit_manifest("\"count\": 7", "\"count\": 7");
    ck_assert_ok(open_and_verify());
    edit_manifest(transform_edits[_i].from, transform_edits[_i].to);
    ck_assert_fails(open_and_verify(), DHO_ERR_FORMAT, transform_edits[_i].message);
}
END_TEST

/* A header with one wrong number and a right CRC. */
typedef struct header_edit {
    int offset, bytes;
    uint64_t value;
    const char *message;
    dho_status status;
} header_edit;

static const header_edit header_edits[] = {
    {0, 1, 'X', "not a teacher cache shard", DHO_ERR_FORMAT},
    {8, 4, 4, "version 4", DHO_ERR_CONFIG},
    {8, 4, 1, "the version is 1, expected 2", DHO_ERR_FORMAT},
    {8, 4, 0, "version 0", DHO_ERR_CONFIG},
    {12, 4, 4096, "impossible", DHO_ERR_FORMAT},
    {16, 4, 1, "records of", DHO_ERR_FORMAT}, /* shard 1 has fewer images */
    {16, 4, 3, "index is 3", DHO_ERR_FORMAT},
    {16, 4, UINT32_MAX, "index is -1", DHO_ERR_FORMAT},
    {20, 4, 0, "shards is 0", DHO_ERR_FORMAT},
    {24, 8, 1, "fingerprint is 0000000000000001", DHO_ERR_FORMAT},
    {32, 8, 0, "count is 0", DHO_ERR_FORMAT},
    {32, 8, UINT64_MAX, "count is -1", DHO_ERR_FORMAT},
    {32, 8, (uint64_t)1 << 40, "records of", DHO_ERR_FORMAT},
    {40, 8, 7, "7 records of 44 bytes, expected 6 of 44", DHO_ERR_FORMAT},
    {40, 8, UINT64_MAX, "records of", DHO_ERR_FORMAT},
    {48, 8, 0, "0 records a block", DHO_ERR_FORMAT},
    {48, 8, UINT64_MAX, "records a block", DHO_ERR_FORMAT},
    {48, 8, 1, "expected 548 (cut short)", DHO_ERR_FORMAT},
    {56, 4, 0, "records of 0 bytes", DHO_ERR_FORMAT},
    {60, 4, 0, "views is 0", DHO_ERR_FORMAT},
    {64, 4, UINT32_MAX, "dim is -1", DHO_ERR_FORMAT},
    {68, 4, 5, "classes is 5, expected 4", DHO_ERR_FORMAT},
    {72, 4, 1 << 20, "image_size", DHO_ERR_FORMAT},
    {76, 1, 200, "unknown payload 200", DHO_ERR_FORMAT},
    {77, 1, 4, "unknown encoding 4", DHO_ERR_FORMAT},
    {77, 1, 2, "topk is for logits", DHO_ERR_FORMAT},
    {77, 1, 0, "the version is 2, expected 1", DHO_ERR_FORMAT},
    {77, 1, 1, "encoding int8 of an earlier program", DHO_ERR_FORMAT},
    {78, 1, 2, "impossible", DHO_ERR_FORMAT},
    {79, 1, 255, "impossible", DHO_ERR_FORMAT},
    {88, 8, UINT64_MAX, "crop_scale", DHO_ERR_FORMAT}, /* a NaN */
    {120, 1, 1, "word is not UTF-8", DHO_ERR_FORMAT},
    {248, 4, 1, "top is 1, expected 0 to 0", DHO_ERR_FORMAT},
    {248, 4, UINT32_MAX, "top is -1", DHO_ERR_FORMAT},
};

static const header_edit recorded_edits[] = {
    {8, 4, 4, "version 4", DHO_ERR_CONFIG},
    {8, 4, 2, "impossible", DHO_ERR_FORMAT}, /* its header is shorter */
    {12, 4, 256, "impossible", DHO_ERR_FORMAT},
    {12, 4, UINT32_MAX, "impossible", DHO_ERR_FORMAT},
    {78, 1, 1, "crop_scale", DHO_ERR_FORMAT},
    {252, 1, 2, "unknown interpolation 2", DHO_ERR_FORMAT},
    {252, 1, 0, "interpolation is \"bilinear\", expected \"bicubic\"", DHO_ERR_FORMAT},
    {253, 1, 3, "or resize 3", DHO_ERR_FORMAT},
    {253, 1, 1, "resize is \"shortest\" with free_crops 0", DHO_ERR_FORMAT},
    {254, 2, 256, "impossible", DHO_ERR_FORMAT},
    {256, 4, 1, "short_side is 1, expected 0 to 0", DHO_ERR_FORMAT},
    {256, 4, UINT32_MAX, "short_side is -1", DHO_ERR_FORMAT},
    {260, 4, 0x7f800000, "mean inf", DHO_ERR_FORMAT},
    {260, 4, 0, "mean is [0, 0.2", DHO_ERR_FORMAT},
    {272, 4, 0, "std 0 of a channel", DHO_ERR_FORMAT},
    {280, 4, 0x40000000, "std is [1, 2, 2], expected [1, 2, 0.1", DHO_ERR_FORMAT},
    {284, 1, 1, "compute is not UTF-8", DHO_ERR_FORMAT},
    {284, 1, 'B', "compute is \"Blis fp32\", expected \"blis fp32\"", DHO_ERR_FORMAT},
};

static void check_edit(const dho_cache_spec *spec, const header_edit *edit)
{
    uint8_t header[CACHE_HEADER_BYTES];
    uint32_t bytes;
    write_all(spec);
    const char *path = fixture_path("shard-00000-of-00003.bin");
    const int descriptor = open(path, O_RDWR);
    ck_assert_int_eq(pread(descriptor, header, sizeof header, 0), sizeof header);
    memcpy(header + edit->offset, &edit->value, (size_t)edit->bytes);
    memcpy(&bytes, header + 12, sizeof bytes);
    if (bytes <= sizeof header) {
        const uint32_t crc = dho_crc32(0, header, bytes - 4);
        memcpy(header + bytes - 4, &crc, 4);
    }
    ck_assert_int_eq(pwrite(descriptor, header, sizeof header, 0), sizeof header);
    close(descriptor);
    ck_assert_fails(open_and_verify(), edit->status, edit->message);
    ck_assert_ptr_nonnull(strstr(dho_error_message(), path));
}

START_TEST(test_header_is_checked)
{
    const dho_cache_spec spec = small_spec();
    check_edit(&spec, &header_edits[_i]);
}
END_TEST

START_TEST(test_recorded_header_is_checked)
{
    const dho_cache_spec spec = recorded_spec();
    check_edit(&spec, &recorded_edits[_i]);
}
END_TEST

START_TEST(test_exchanged_shards_are_found)
{
    dho_cache_spec spec = small_spec();
    spec.count = 6; /* shards of equal size */
    write_all(&spec);
    char other[256];
    snprintf(other, sizeof other, "%s", fixture_path("shard-00001-of-00003.bin"));
    ck_assert_int_eq(rename(fixture_path("shard-00000-of-00003.bin"), other), 0);
    ck_assert_int_eq(link(other, fixture_path("shard-00000-of-00003.bin")), 0);
    ck_assert_fails(open_and_verify(), DHO_ERR_FORMAT, "shard-00001-of-00003.bin: holds shard 0");
}
END_TEST

/* A record that its CRC calls right but no writer would make. */
START_TEST(test_impossible_content_is_found)
{
    dho_cache_spec spec = small_spec();
    dho_cache_record record = {0};
    float payload[6];
    uint8_t bytes[44] = {0}; /* a box of width 0 */
    for (int e = 0; e < CACHE_EXACT; e++) bytes[14 + CACHE_EXACT_BYTES * e] = (uint8_t)e;
    ck_assert_fails(cache_record_decode(&spec, bytes, &record), DHO_ERR_FORMAT, "impossible box");
    bytes[4] = bytes[6] = 1;
    ck_assert_ok(cache_record_decode(&spec, bytes, &record));
    bytes[8] = 2;
    ck_assert_fails(cache_record_decode(&spec, bytes, &record), DHO_ERR_FORMAT, "flags 2");
    bytes[8] = 1;
    record.payload = payload;
    ck_assert_ok(cache_record_decode(&spec, bytes, &record));
    ck_assert(record.flip);
    bytes[13] = 0xff; /* the scale is -inf or a NaN, then negative */
    bytes[12] = 0x80;
    ck_assert_fails(cache_record_decode(&spec, bytes, &record), DHO_ERR_FORMAT, "scale");
    bytes[13] = 0x80;
    ck_assert_fails(cache_record_decode(&spec, bytes, &record), DHO_ERR_FORMAT, "scale");
    bytes[13] = 0;
    bytes[20] = 0; /* an index twice */
    ck_assert_fails(cache_record_decode(&spec, bytes, &record), DHO_ERR_FORMAT, "index 0");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cache_damage");
    TCase *tests = tcase_create("cache_damage");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_set_timeout(tests, 0); /* CTest has the timeout */
    tcase_add_loop_test(tests, test_every_flipped_byte_is_found, 0, COUNT_OF(all_files) + 2);
    tcase_add_loop_test(tests, test_every_truncation_is_found, 0, COUNT_OF(all_files));
    tcase_add_test(tests, test_a_damaged_block_is_named);
    tcase_add_test(tests, test_verify_finds_later_damage);
    tcase_add_loop_test(tests, test_manifest_is_checked, 0, COUNT_OF(manifest_edits));
    tcase_add_loop_test(tests, test_header_is_checked, 0, COUNT_OF(header_edits));
    tcase_add_loop_test(tests, test_transform_of_a_manifest_is_checked, 0,
                        COUNT_OF(transform_edits));
    tcase_add_loop_test(tests, test_recorded_header_is_checked, 0, COUNT_OF(recorded_edits));
    tcase_add_test(tests, test_exchanged_shards_are_found);
    tcase_add_test(tests, test_impossible_content_is_found);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
