/* Top-k logits and int8 with exact values: sizes, content, what a reader refuses. */
#define _GNU_SOURCE
#include "unit/teacher/cache_fixture.h"

#include <float.h>

enum { CLASSES = 40, TOP = 7 };

static dho_cache_spec top_spec(void)
{
    dho_cache_spec spec = small_spec();
    spec.payload = DHO_CACHE_LOGITS;
    spec.encoding = DHO_CACHE_TOPK;
    spec.dim = spec.classes = CLASSES;
    spec.top = TOP;
    return spec;
}

/* Bytes a view of ImageNet, header, CRC table and all. */
static double bytes_a_view(dho_cache_spec spec)
{
    cache_shard_layout layout;
    spec.count = 1281167;
    spec.shards = 64;
    ck_assert_ok(cache_layout_compute(&spec, 0, cache_block_records(&spec), &layout));
    return (double)layout.file_bytes / (double)layout.records;
}

START_TEST(test_sizes)
{
    dho_cache_spec spec = top_spec();
    spec.dim = spec.classes = 1000;
    spec.top = 32;
    ck_assert_uint_eq(dho_cache_record_bytes(&spec), 146);
    ck_assert(bytes_a_view(spec) < 147); /* the limit is 200 */
    spec.payload = DHO_CACHE_EMBEDDING;
    spec.encoding = DHO_CACHE_INT8X;
    spec.top = 0;
    spec.dim = 1024;
    ck_assert_uint_eq(dho_cache_record_bytes(&spec), 1062);
    ck_assert(bytes_a_view(spec) < 1063); /* the limit is 1100 */
}
END_TEST

/* The kept ones to fp16 of their distance from the largest, the rest even, their mass at T = 1
 * right; ties go to the lower class. */
START_TEST(test_topk_content)
{
    dho_cache_spec spec = top_spec();
    float logits[CLASSES], back[CLASSES];
    uint8_t bytes[64];
    dho_cache_record record = {.box = {0, 0, 1, 1}, .payload = logits}, read = {.payload = back};
    for (int i = 0; i < CLASSES; i++) logits[i] = 3 * sinf((float)(i * i)) + 20;
    logits[4] = logits[11] = logits[30] = 25.5f;
    for (spec.top = 1; spec.top <= CLASSES; spec.top = spec.top == TOP ? CLASSES : spec.top + 1) {
        uint8_t all[CACHE_BOX_BYTES + CACHE_TOP_HEAD + CACHE_TOP_BYTES * CLASSES];
        ck_assert_ok(cache_record_encode(&spec, &record, all));
        ck_assert_ok(cache_record_decode(&spec, all, &read));
        double rest = 0, rest_back = 0;
        for (int c = 0; c < CLASSES; c++) {
            int larger = 0;
            for (int d = 0; d < CLASSES; d++)
                larger += logits[d] > logits[c] || (logits[d] == logits[c] && d < c);
            if (larger < spec.top) {
                ck_assert(fabsf(back[c] - logits[c]) <= (25.5f - logits[c]) * 0x1p-11f + 2e-6f);
            } else {
                rest += exp(logits[c] - 25.5);
                rest_back += exp(back[c] - 25.5);
            }
        }
        ck_assert(fabs(rest - rest_back) <= 1e-5 * rest);
    }
    /* Extremes are written and read back finite. */
    static const float extremes[][2] = {
        {-FLT_MAX, -FLT_MAX}, {FLT_MAX, FLT_MAX}, {FLT_MAX, -FLT_MAX}, {0, -FLT_MAX}, {0, 0},
        {1e-45f, -1e30f}};
    spec.top = TOP;
    for (int e = 0; e < COUNT_OF(extremes); e++) {
        for (int c = 0; c < CLASSES; c++) logits[c] = extremes[e][c > 2];
        ck_assert_ok(cache_record_encode(&spec, &record, bytes));
        ck_assert_ok(cache_record_decode(&spec, bytes, &read));
        for (int c = 0; c < CLASSES; c++) ck_assert(isfinite(back[c]));
    }
    logits[3] = NAN;
    ck_assert_fails(cache_record_encode(&spec, &record, bytes), DHO_ERR_NUMERIC, "value 3 is nan");
}
END_TEST

START_TEST(test_impossible_topk)
{
    dho_cache_spec spec = top_spec();
    spec.free_crops = true;
    float logits[CLASSES], back[CLASSES];
    uint8_t good[36], bad[36];
    dho_cache_record record = {.payload = logits}, read = {.payload = back};
    for (int i = 0; i < CLASSES; i++) logits[i] = (float)-i;
    ck_assert_ok(cache_record_encode(&spec, &record, good));
    static const struct {
        int at, low, high;
    } edits[] = {
        {2, 0x80, 0x7f}, {6, 0xc0, 0x7f}, {6, 0x80, 0x40},      /* infinite, NaN, rest > log n */
        {8, CLASSES, 0}, {8, 1, 0},       {10, 0, 0x80 | 0x3c}, /* class, twice, first < 0 */
        {14, 0, 0x3c},   {14, 0, 0x7e},   {14, 0, 0xfc},        /* above, NaN, -infinite */
        {14, 0, 0xff},   {18, 0, 0x80}};                        /* NaN; not sorted */
    for (int e = 0; e < COUNT_OF(edits); e++) {
        memcpy(bad, good, sizeof bad);
        bad[edits[e].at] = (uint8_t)edits[e].low;
        bad[edits[e].at + 1] = (uint8_t)edits[e].high;
        ck_assert_msg(cache_record_decode(&spec, bad, &read) == DHO_ERR_FORMAT, "edit %d", e);
        ck_assert_ptr_nonnull(strstr(dho_error_message(), "impossible topk"));
    }
    ck_assert_ok(cache_record_decode(&spec, good, &read));
}
END_TEST

START_TEST(test_int8x)
{
    dho_cache_spec spec = small_spec();
    spec.encoding = DHO_CACHE_INT8X;
    spec.dim = 32;
    float values[32], back[32];
    uint8_t bytes[10 + 4 + 24 + 32];
    dho_cache_record record = {.box = {0, 0, 1, 1}, .payload = values}, read = {.payload = back};
    for (int i = 0; i < 32; i++) values[i] = 0.1f * sinf((float)i);
    values[9] = 40.3f, values[3] = -1e30f, values[31] = FLT_MAX, values[20] = -2;
    ck_assert_ok(cache_record_encode(&spec, &record, bytes));
    ck_assert_ok(cache_record_decode(&spec, bytes, &read));
    for (int i = 0; i < 32; i++) {
        const bool exact = i == 9 || i == 3 || i == 31 || i == 20;
        ck_assert(fabsf(back[i] - values[i]) <= (exact ? 0 : 0.1f / 127 * 0.501f));
    }
    bytes[14] = 10; /* the first index behind the second */
    ck_assert_fails(cache_record_decode(&spec, bytes, &read), DHO_ERR_FORMAT, "impossible int8x");
    for (spec.dim = 1; spec.dim < 6; spec.dim++) {
        ck_assert_ok(cache_record_encode(&spec, &record, bytes));
        ck_assert_ok(cache_record_decode(&spec, bytes, &read));
        if (spec.dim <= CACHE_EXACT)
            ck_assert_mem_eq(back, values, (size_t)spec.dim * sizeof(float));
    }
}
END_TEST

/* Whole caches: manifest and header carry the encoding, a flipped byte is found. */
START_TEST(test_whole_cache)
{
    dho_cache_spec spec = top_spec();
    if (_i) {
        spec = small_spec();
        spec.encoding = DHO_CACHE_INT8X;
    }
    write_all(&spec);
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, fixture_root));
    ck_assert_ok(cache_spec_compare(dho_cache_get_spec(cache), &spec, DHO_ERR_INTERNAL, "spec"));
    ck_assert_ok(dho_cache_verify(cache, 0, 1));
    dho_cache_close(&cache);
    bool written;
    dho_cache_spec other = spec;
    other.encoding = DHO_CACHE_FP16;
    other.top = 0;
    ck_assert_fails(write_one(&other, 0, &written), DHO_ERR_CONFIG,
                    _i ? "encoding is \"int8x\"" : "encoding is \"topk\", expected \"fp16\"");
    flip_byte(fixture_path("shard-00001-of-00003.bin"), 290, 1);
    ck_assert_fails(open_and_verify(), DHO_ERR_FORMAT, "bin: block 0 at offset 256");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cache_topk");
    TCase *tests = tcase_create("cache_topk");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_set_timeout(tests, 0); /* CTest has the timeout */
    tcase_add_test(tests, test_sizes);
    tcase_add_test(tests, test_topk_content);
    tcase_add_test(tests, test_impossible_topk);
    tcase_add_test(tests, test_int8x);
    tcase_add_loop_test(tests, test_whole_cache, 0, 2);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
