/* Soft labels of FKD and TinyViT become a cache: exact boxes and flips, probabilities to fp16; and
 * what is wrong with a source is said with its file. */
#define _GNU_SOURCE
#include "dho/alloc.h"
#include "dho/cache_import.h"
#include "dho/safetensors.h"
#include "teacher/import_labels.h"
#include "teacher/tinyvit_crop.h"
#include "unit/data/data_fixture.h"
#include "unit/weights/pt_fixture.h"

#include <math.h>

enum { CLASSES = 6, PER_CLASS = 2, COUNT = CLASSES * PER_CLASS, VIEWS = 3, TOP = 3 };

/* --- softmax of a label --- */

static dho_status to_logits(int count, const int32_t *ids, const double *probabilities,
                            float *logits, int *best)
{
    static bool used[CLASSES];
    int32_t copied_ids[8];
    double copied[8];
    memcpy(copied_ids, ids, (size_t)count * sizeof *ids);
    memcpy(copied, probabilities, (size_t)count * sizeof *copied);
    const soft_label label = {count, copied_ids, copied};
    const dho_status status = soft_label_to_logits(&label, CLASSES, used, logits, best);
    for (int c = 0; c < CLASSES; c++) ck_assert(!used[c]);
    return status;
}

#define IDS(...)    \
    (int32_t[])     \
    {               \
        __VA_ARGS__ \
    }
#define P(...)      \
    (double[])      \
    {               \
        __VA_ARGS__ \
    }

START_TEST(test_label)
{
    float logits[CLASSES];
    int best;
    ck_assert_ok(to_logits(2, IDS(4, 1), P(0.25, 0.5), logits, &best));
    ck_assert_int_eq(best, 1);
    double sum = 0;
    for (int c = 0; c < CLASSES; c++) sum += exp((double)logits[c]);
    ck_assert_double_eq_tol(sum, 1, 1e-6);
    ck_assert_double_eq_tol(exp((double)logits[4]), 0.25, 1e-7);
    ck_assert_double_eq_tol(exp((double)logits[0]), 0.0625, 1e-7);
    /* All of the mass named; a probability of 0; all classes named. */
    ck_assert_ok(to_logits(2, IDS(3, 0), P(1, 0), logits, &best));
    ck_assert_int_eq(best, 3);
    ck_assert(logits[3] == 0 && logits[0] < -65504 && logits[5] < -65504 && isfinite(logits[5]));
    ck_assert_ok(to_logits(6, IDS(0, 1, 2, 3, 4, 5), P(.1, .1, .1, .1, .1, .1), logits, &best));
    ck_assert_ok(to_logits(1, IDS(2), P(1.001), logits, &best)); /* fp16 rounds up, too */

    ck_assert_fails(to_logits(1, IDS(6), P(1), logits, &best), DHO_ERR_FORMAT, "class 6 of 6");
    ck_assert_fails(to_logits(1, IDS(-1), P(1), logits, &best), DHO_ERR_FORMAT, "class -1");
    ck_assert_fails(to_logits(2, IDS(1, 1), P(.5, .5), logits, &best), DHO_ERR_FORMAT, "twice");
    ck_assert_fails(to_logits(2, IDS(1, 2), P(.8, .5), logits, &best), DHO_ERR_FORMAT, "sum 1.3");
    ck_assert_fails(to_logits(1, IDS(1), P(0), logits, &best), DHO_ERR_FORMAT, "sum 0");
    ck_assert_fails(to_logits(2, IDS(1, 2), P(.6, .05), logits, &best), DHO_ERR_FORMAT,
                    "not the largest");
    ck_assert_fails(to_logits(1, IDS(1), P(NAN), logits, &best), DHO_ERR_FORMAT, "nan");
    ck_assert_fails(to_logits(2, IDS(1, 2), P(.5, -.1), logits, &best), DHO_ERR_FORMAT, "-0.1");
}
END_TEST

/* Boxes that TinyViT's own get_params gives under NumPy. */
START_TEST(test_tinyvit_crops)
{
    static const struct {
        int width, height;
        uint32_t seed;
        dho_box box;
        bool flip;
    } cases[] = {
        {500, 375, 0u, {339, 166, 129, 171}, false},
        {500, 375, 1u, {128, 13, 366, 282}, true},
        {500, 375, 123456789u, {214, 221, 158, 125}, false},
        {500, 375, 2147483647u, {141, 68, 281, 219}, true},
        {375, 500, 0u, {0, 5, 331, 378}, false},
        {375, 500, 7u, {17, 25, 356, 417}, true},
        {20, 17, 0u, {0, 0, 14, 16}, false},
        {20, 17, 7u, {0, 3, 17, 13}, true},
        {20, 17, 2147483647u, {5, 3, 12, 9}, true},
        {2000, 60, 0u, {960, 0, 80, 60}, true}, /* none of ten fits */
        {2000, 60, 1u, {960, 0, 80, 60}, false},
        {31, 400, 0u, {0, 179, 31, 41}, true},
        {31, 400, 2147483647u, {0, 179, 31, 41}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dho_box box;
        bool flip;
        tinyvit_crop_draw(cases[i].seed, cases[i].width, cases[i].height, &box, &flip);
        ck_assert_mem_eq(&box, &cases[i].box, sizeof box);
        ck_assert_int_eq(flip, cases[i].flip);
    }
}
END_TEST

/* --- sources --- */

static dho_comm *comm;
static dho_dataset dataset;
static int widths[COUNT], heights[COUNT];

static void setup(void)
{
    fixture_setup();
    ck_assert_ok(dho_comm_create_serial(&comm));
    fixture_folder(&dataset, CLASSES, PER_CLASS);
    for (int id = 0; id < COUNT; id++) { /* as fixture_image makes them */
        widths[id] = 20 + id % 13;
        heights[id] = 17 + id % 7;
    }
}

static void teardown(void)
{
    dho_dataset_free(&dataset);
    dho_comm_destroy(&comm);
    fixture_teardown();
}

static dho_label_import plan(const char *source)
{
    static char out[256];
    snprintf(out, sizeof out, "%s", fixture_path("cache"));
    return (dho_label_import){.source = source,
                              .out = out,
                              .dataset = &dataset,
                              .shards = 1, /* each is an fsync */
                              .crop_scale = {0.08, 1},
                              .crop_ratio = {0.75, 4.0 / 3},
                              .flip = true};
}

/* Without the fsync of fixture_write: there are many. */
static void write_bytes(const char *name, const void *bytes, size_t size)
{
    char parent[512];
    snprintf(parent, sizeof parent, "%s", fixture_path(name));
    *strrchr(parent, '/') = '\0';
    ck_assert_ok(dho_make_folders(parent));
    FILE *file = fopen(fixture_path(name), "wb");
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

/* What view v of image id says. */
static int class_of(int id, int view, int k)
{
    return (id + view * 2 + k) % CLASSES;
}

static double probability_of(int id, int view, int k)
{
    static const double values[TOP] = {0.5, 0.25, 0.125};
    return values[k] * (1 - (id % 3 + view) / 64.0);
}

static dho_box box_of(int id, int view)
{
    return (dho_box){view + id % 2, view, widths[id] - 4 - view, heights[id] - 3 - view};
}

static bool flip_of(int id, int view)
{
    return (id + view) % 2 == 1;
}

/* --- an FKD file --- */

typedef struct pickle {
    uint8_t bytes[8192];
    size_t size;
} pickle;

static void put(pickle *p, const void *bytes, size_t size)
{
    ck_assert_uint_le(p->size + size, sizeof p->bytes);
    memcpy(p->bytes + p->size, bytes, size);
    p->size += size;
}
#define PUT(p, text) put(p, text, sizeof(text) - 1)

/* An array as numpy pickles it under protocol 2; shape: the tuple's opcodes. */
static void put_array(pickle *p, const char *type, const char *shape, const void *data,
                      size_t bytes)
{
    const uint8_t *from = data;
    uint8_t text[4096];
    size_t length = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (from[i] >= 0x80) text[length++] = 0xc0 | from[i] >> 6;
        text[length++] = from[i] >= 0x80 ? 0x80 | (from[i] & 0x3f) : from[i];
    }
    const uint8_t front[4] = {(uint8_t)length, (uint8_t)(length >> 8)};
    PUT(p, "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85U\x01"
           "btR(K\x01");
    put(p, shape, strlen(shape));
    PUT(p, "cnumpy\ndtype\n(U\x02");
    put(p, type, 2);
    PUT(p, "K\0K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89"
           "c_codecs\nencode\n(X");
    put(p, front, 4);
    put(p, text, length);
    PUT(p, "U\x06latin1tRtb");
}

/* What a test changes of a file. */
typedef struct fkd_change {
    int image;                               /* -1: none */
    float coordinate, id, probability, flip; /* of view 1, where not 0 */
    bool fewer;                              /* a crop is missing */
    const char *label_shape;                 /* other than [3, 2, 3] */
} fkd_change;

static void write_fkd(int id, const fkd_change *change)
{
    float coords[VIEWS][4], labels[VIEWS][2][TOP];
    uint8_t flips[VIEWS];
    const bool changed = id == change->image;
    for (int v = 0; v < VIEWS; v++) {
        const dho_box box = box_of(id, v);
        const float w = (float)widths[id], h = (float)heights[id];
        const float row[4] = {(float)box.y / h, (float)box.x / w, (float)box.height / h,
                              (float)box.width / w};
        memcpy(coords[v], row, sizeof row);
        flips[v] = flip_of(id, v);
        for (int k = 0; k < TOP; k++) {
            labels[v][0][k] = (float)class_of(id, v, k);
            labels[v][1][k] = (float)probability_of(id, v, k);
        }
    }
    if (changed && change->coordinate != 0) coords[1][2] = change->coordinate;
    if (changed && change->id != 0) labels[1][0][1] = change->id;
    if (changed && change->probability != 0) labels[1][1][0] = change->probability;
    if (changed && change->flip != 0) flips[1] = (uint8_t)change->flip;
    const bool fewer = changed && change->fewer;
    const size_t n = fewer ? VIEWS - 1 : VIEWS;
    pickle p = {.size = 0};
    PUT(&p, "\x80\x02](");
    put_array(&p, "f4", fewer ? "K\x02K\x04\x86" : "K\x03K\x04\x86", coords, n * sizeof coords[0]);
    put_array(&p, changed && change->flip != 0 ? "u1" : "b1", fewer ? "K\x02\x85" : "K\x03\x85",
              flips, n);
    const char *shape = fewer ? "K\x02K\x02K\x03\x87" : "K\x03K\x02K\x03\x87";
    if (changed && change->label_shape != NULL) shape = change->label_shape;
    put_array(&p, "f4", shape, labels, n * sizeof labels[0]);
    PUT(&p, "e.");
    pt_zip zip = {0};
    char name[64];
    pt_zip_add(&zip, "data.pkl", p.bytes, p.size);
    pt_zip_finish(&zip);
    snprintf(name, sizeof name, "fkd/c%02d/c%02d_i%02d.tar", id / PER_CLASS, id / PER_CLASS,
             id % PER_CLASS);
    write_bytes(name, zip.bytes, zip.size);
    free(zip.bytes);
}

static void write_all_fkd(const fkd_change *change)
{
    for (int id = 0; id < COUNT; id++) write_fkd(id, change);
}

/* --- the cache --- */

/* The probabilities of the cached record against the label's. */
static void check_probabilities(const float *logits, int id, int view, int top)
{
    double sum = 0, named = 0;
    for (int c = 0; c < CLASSES; c++) sum += exp((double)logits[c]);
    ck_assert_double_eq_tol(sum, 1, 1e-3);
    for (int k = 0; k < top; k++) {
        const double p = probability_of(id, view, k);
        ck_assert_double_eq_tol(exp((double)logits[class_of(id, view, k)]), p, 2e-3 * p);
        named += p;
    }
    const double even = (1 - named) / (CLASSES - top);
    ck_assert_double_eq_tol(exp((double)logits[class_of(id, view, top)]), even, 1e-6);
}

static void check_cache(int views, int top, bool boxes)
{
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, fixture_path("cache")));
    ck_assert_ok(dho_cache_verify(cache, 0, 1));
    ck_assert_ok(dho_cache_check_dataset(cache, dataset.fingerprint, dataset.count));
    const dho_cache_spec *spec = dho_cache_get_spec(cache);
    ck_assert(!spec->free_crops && spec->views == views && spec->top == top && spec->flip);
    ck_assert_int_eq(spec->encoding, DHO_CACHE_TOPK);
    for (int id = 0; id < COUNT; id++) {
        for (int v = 0; v < views; v++) {
            float logits[CLASSES];
            dho_cache_record record = {.payload = logits};
            ck_assert_ok(dho_cache_read(cache, id, v, &record));
            check_probabilities(logits, id, v, top);
            if (!boxes) continue;
            const dho_box box = box_of(id, v);
            ck_assert_mem_eq(&record.box, &box, sizeof box);
            ck_assert_int_eq(record.flip, flip_of(id, v));
        }
    }
    dho_cache_close(&cache);
}

START_TEST(test_fkd)
{
    const fkd_change none = {.image = -1};
    char source[256];
    snprintf(source, sizeof source, "%s", fixture_path("fkd"));
    write_all_fkd(&none);
    dho_label_import import = plan(source);
    import.shards = 5;
    ck_assert_ok(dho_cache_import_fkd(&import, comm));
    ck_assert_ok(dho_cache_import_fkd(&import, comm)); /* all is there */
    check_cache(VIEWS, TOP, true);
    ck_assert_ok(dho_remove_tree(fixture_path("cache")));
    import = plan(source);
    import.views = 2;
    import.top = 2;
    ck_assert_ok(dho_cache_import_fkd(&import, comm));
    check_cache(2, 2, true);
}
END_TEST

START_TEST(test_fkd_refused)
{
    static const struct {
        fkd_change change;
        dho_status status;
        const char *message;
    } cases[] = {
        {{.image = 7, .coordinate = 0.3f},
         DHO_ERR_FORMAT,
         "c03_i01.tar: crop 1 is no box of whole"},
        {{.image = 7, .coordinate = NAN}, DHO_ERR_FORMAT, "crop 1 is no box"},
        {{.image = 7, .coordinate = 1e30f}, DHO_ERR_FORMAT, "crop 1 is no box"},
        {{.image = 7, .coordinate = 1}, DHO_ERR_FORMAT, "crop 1 is no box"}, /* with y = 1 */
        {{.image = 6, .coordinate = 1.0f / 23}, DHO_ERR_CONFIG, "data.crop_scale is [0.08, 1]"},
        {{.image = 7, .id = 6}, DHO_ERR_FORMAT, "c03_i01.tar: label of crop 1: class 6 of 6"},
        {{.image = 7, .id = 2.5f}, DHO_ERR_FORMAT, "label of crop 1: class -1"},
        {{.image = 7, .id = NAN}, DHO_ERR_FORMAT, "label of crop 1: class -1"},
        {{.image = 7, .probability = 2}, DHO_ERR_FORMAT, "the probability 2"},
        {{.image = 7, .flip = 3}, DHO_ERR_FORMAT, "flip 1 is 3"},
        {{.image = 7, .fewer = true}, DHO_ERR_CONFIG, "2 crops with 3 classes a label, other"},
        {{.image = 7, .label_shape = "K\x03K\x03K\x02\x87"}, DHO_ERR_FORMAT, "labels must be"},
        {{.image = 0, .label_shape = "K\x12\x85"},
         DHO_ERR_FORMAT,
         "labels must be [3, 2, classes]"},
    };
    char source[256];
    snprintf(source, sizeof source, "%s", fixture_path("fkd"));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_ok(dho_remove_tree(fixture_path("cache")));
        write_all_fkd(&cases[i].change);
        const dho_label_import import = plan(source);
        ck_assert_fails(dho_cache_import_fkd(&import, comm), cases[i].status, cases[i].message);
        ck_assert(!dho_path_exists(fixture_path("cache/cache.json")));
    }
    write_all_fkd(&(fkd_change){.image = -1});
    dho_label_import import = plan(source);
    import.views = 4;
    ck_assert_fails(dho_cache_import_fkd(&import, comm), DHO_ERR_CONFIG, "3 views were saved");
    import = plan(source);
    import.top = 4;
    ck_assert_fails(dho_cache_import_fkd(&import, comm), DHO_ERR_CONFIG, "--top asks for 4");
    import = plan(source);
    import.flip = false;
    ck_assert_fails(dho_cache_import_fkd(&import, comm), DHO_ERR_CONFIG, "data.flip is false");
    ck_assert_ok(dho_remove_tree(fixture_path("fkd/c04")));
    import = plan(source);
    ck_assert_fails(dho_cache_import_fkd(&import, comm), DHO_ERR_CONFIG,
                    "fkd/c04/c04_i00.tar: there is no such file");
}
END_TEST

/* --- TinyViT files --- */

enum { ITEM = 4 + 4 * TOP };

/* Two ranks a folder; the sampler's padding gives image 0 to both, with other values. */
static void write_tinyvit(int epoch, bool names, int seed_of_five)
{
    char path[128], keys[2][1024] = {"", ""};
    uint8_t values[2][(COUNT + 1) * ITEM];
    size_t rows[2] = {0, 0};
    for (int i = 0; i < COUNT + 1; i++) {
        const int rank = (i < COUNT ? i + epoch : epoch + 1) % 2, id = i % COUNT;
        char *end = keys[rank] + strlen(keys[rank]);
        if (names)
            sprintf(end, "c%02d_i%02d\n", id / PER_CLASS, id % PER_CLASS);
        else
            sprintf(end, "%d\n", id);
        uint8_t *at = values[rank] + ITEM * rows[rank]++;
        const int seed = id == 5 ? seed_of_five : 1000 * epoch + id;
        /* The padded sample is image 0 again, on the other rank. */
        at = pt_zip_put(at, (uint32_t)(i < COUNT ? seed : seed + 77), 4);
        for (int k = 0; k < TOP; k++) at = pt_zip_put(at, (uint64_t)class_of(id, epoch, k), 2);
        for (int k = 0; k < TOP; k++)
            at = pt_zip_put(at, dho_float_to_half((float)probability_of(id, epoch, k)), 2);
    }
    for (int rank = 0; rank < 2; rank++) {
        snprintf(path, sizeof path, "tiny/logits_top3_epoch%d/rank%d-keys.txt", epoch, rank);
        write_text(path, keys[rank]);
        snprintf(path, sizeof path, "tiny/logits_top3_epoch%d/rank%d-values.bin", epoch, rank);
        write_bytes(path, values[rank], ITEM * rows[rank]);
    }
}

static void write_all_tinyvit(bool names)
{
    for (int epoch = 0; epoch < VIEWS; epoch++) write_tinyvit(epoch, names, 1000 * epoch + 5);
}

static void check_tinyvit_crops(void)
{
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, fixture_path("cache")));
    for (int id = 0; id < COUNT; id++) {
        for (int v = 0; v < VIEWS; v++) {
            dho_box box, expected;
            bool flip, expected_flip;
            /* Image 0 is on rank v % 2, and as padding on the other: rank 0's counts. */
            const int padding = id == 0 && v % 2 == 1 ? 77 : 0;
            tinyvit_crop_draw((uint32_t)(1000 * v + id + padding), widths[id], heights[id],
                              &expected, &expected_flip);
            ck_assert_ok(dho_cache_read_view(cache, id, v, &box, &flip));
            ck_assert_mem_eq(&box, &expected, sizeof box);
            ck_assert_int_eq(flip, expected_flip);
        }
    }
    dho_cache_close(&cache);
}

START_TEST(test_tinyvit)
{
    char source[256];
    snprintf(source, sizeof source, "%s", fixture_path("tiny"));
    for (int names = 0; names < 2; names++) {
        ck_assert_ok(dho_remove_tree(fixture_path("cache")));
        write_all_tinyvit(names == 1);
        const dho_label_import import = plan(source);
        ck_assert_ok(dho_cache_import_tinyvit(&import, comm));
        check_cache(VIEWS, TOP, false);
        check_tinyvit_crops();
    }
    ck_assert_ok(dho_remove_tree(fixture_path("cache")));
    dho_label_import import = plan(source);
    import.views = 1;
    import.top = 1;
    ck_assert_ok(dho_cache_import_tinyvit(&import, comm));
    check_cache(1, 1, false);
}
END_TEST

static void refused(dho_status status, const char *message)
{
    char source[256];
    snprintf(source, sizeof source, "%s", fixture_path("tiny"));
    const dho_label_import import = plan(source);
    ck_assert_fails(dho_cache_import_tinyvit(&import, comm), status, message);
    ck_assert(!dho_path_exists(fixture_path("cache/cache.json")));
    write_all_tinyvit(false);
}

START_TEST(test_tinyvit_refused)
{
    static const char keys[] = "tiny/logits_top3_epoch1/rank1-keys.txt";
    static const char values[] = "tiny/logits_top3_epoch1/rank1-values.bin";
    uint8_t item[ITEM] = {0};
    write_all_tinyvit(false);
    write_tinyvit(1, false, -3);
    refused(DHO_ERR_FORMAT, "rank0-values.bin: c02/c02_i01.jpg: seed -3 is below 0");
    write_text(keys, "0\n1\n");
    refused(DHO_ERR_FORMAT, "rank1-values.bin: 96 bytes for 2 keys of 16 bytes (top 3)");
    write_text(keys, "0\n\n1\n");
    refused(DHO_ERR_FORMAT, "rank1-keys.txt:2: an empty key");
    write_text(keys, "0\nzero\n");
    refused(DHO_ERR_FORMAT, "rank1-keys.txt:2: \"zero\" is not a position");
    write_text(keys, "0\n12\n");
    refused(DHO_ERR_CONFIG, "rank1-keys.txt:2: position 12, but the dataset has 12 images");
    write_text(keys, "0");
    write_bytes(values, item, ITEM);
    refused(DHO_ERR_CONFIG, "logits_top3_epoch1: no key for 5 of 12 images, the first is c01");
    write_text(keys, "0\n2\n4\n6\n8\n10\n");
    uint8_t six[6 * ITEM];
    memset(six, 0xff, sizeof six);
    for (int i = 0; i < 6; i++) six[i * ITEM + 3] = 0; /* of the seed */
    write_bytes(values, six, sizeof six);
    write_tinyvit(0, false, 5);
    char source[256];
    snprintf(source, sizeof source, "%s", fixture_path("tiny"));
    dho_label_import import = plan(source);
    ck_assert_fails(dho_cache_import_tinyvit(&import, comm), DHO_ERR_FORMAT, "class -1 of 6");
    write_all_tinyvit(false);
    write_text("tiny/logits_top5_epoch3/rank0-keys.txt", "");
    refused(DHO_ERR_CONFIG, "labels of top 3 and of top 5");
    ck_assert_ok(dho_remove_tree(fixture_path("tiny/logits_top5_epoch3")));
    write_text("tiny/logits_top3_epoch2/rankx-values.bin", "");
    refused(DHO_ERR_FORMAT, "rankx-values.bin: expected rankR-values.bin");
    ck_assert_ok(dho_remove_tree(fixture_path("tiny/logits_top3_epoch2/rankx-values.bin")));
    ck_assert_ok(dho_remove_tree(fixture_path("tiny/logits_top3_epoch1/rank1-keys.txt")));
    refused(DHO_ERR_IO, "rank1-keys.txt");
    import = plan(source);
    import.crop_scale[0] = 0.5;
    ck_assert_fails(dho_cache_import_tinyvit(&import, comm), DHO_ERR_CONFIG,
                    "data.crop_scale [0.08, 1]");
    ck_assert_ok(dho_remove_tree(source));
    ck_assert_ok(dho_make_folders(source));
    refused(DHO_ERR_CONFIG, "no folder logits_topK_epochE");
}
END_TEST

/* Positions are of no use in another order, names when two images have the same. */
START_TEST(test_tinyvit_datasets)
{
    char source[256];
    snprintf(source, sizeof source, "%s", fixture_path("tiny"));
    write_all_tinyvit(false);
    const dho_sample first = dataset.samples[0];
    dataset.samples[0] = dataset.samples[1];
    dataset.samples[1] = first;
    dho_label_import import = plan(source);
    ck_assert_fails(dho_cache_import_tinyvit(&import, comm), DHO_ERR_CONFIG, "another order");
    write_all_tinyvit(true);
    dataset.samples[1] = dataset.samples[0];
    ck_assert_fails(dho_cache_import_tinyvit(&import, comm), DHO_ERR_CONFIG, "have the same");
    /* With names the dataset may be a part of what was saved. */
    dataset.samples[1] = first;
    dataset.count = 5;
    ck_assert_ok(dho_cache_import_tinyvit(&import, comm));
    dataset.count = COUNT;
}
END_TEST

START_TEST(test_every_failing_allocation)
{
    char source[256];
    snprintf(source, sizeof source, "%s", fixture_path("tiny"));
    write_all_tinyvit(true);
    write_all_fkd(&(fkd_change){.image = -1});
    for (int kind = 0; kind < 2; kind++) {
        dho_status status = DHO_ERR_MEMORY;
        if (kind == 1) snprintf(source, sizeof source, "%s", fixture_path("fkd"));
        const int64_t before = dho_alloc_get_stats().live_blocks;
        /* Every one of the first, some of the many of the records. */
        for (int64_t n = 1; status != DHO_OK; n += 1 + n / 8) {
            ck_assert_int_lt(n, 100000);
            ck_assert_ok(dho_remove_tree(fixture_path("cache")));
            const dho_label_import import = plan(source);
            dho_alloc_fail_at(n);
            status = kind == 0 ? dho_cache_import_tinyvit(&import, comm)
                               : dho_cache_import_fkd(&import, comm);
            dho_alloc_fail_at(0);
            if (status != DHO_OK) ck_assert_int_eq(status, DHO_ERR_MEMORY);
            ck_assert_int_eq(dho_alloc_get_stats().live_blocks, before);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("import_labels");
    TCase *numbers = tcase_create("numbers"), *sources = tcase_create("sources");
    tcase_add_test(numbers, test_label);
    tcase_add_test(numbers, test_tinyvit_crops);
    tcase_set_timeout(sources, 60);
    tcase_add_checked_fixture(sources, setup, teardown);
    tcase_add_test(sources, test_fkd);
    tcase_add_test(sources, test_fkd_refused);
    tcase_add_test(sources, test_tinyvit);
    tcase_add_test(sources, test_tinyvit_refused);
    tcase_add_test(sources, test_tinyvit_datasets);
    tcase_add_test(sources, test_every_failing_allocation);
    suite_add_tcase(suite, numbers);
    suite_add_tcase(suite, sources);
    return dho_check_run(suite);
}
