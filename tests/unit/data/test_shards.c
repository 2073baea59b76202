#define _GNU_SOURCE
#include "data/tar_index.h"
#include "dho/comm.h"
#include "dho/loader.h"
#include "dho/tar.h"
#include "image/image_name.h"
#include "unit/data/data_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

/* Names that tars and keys stumble over: dots, percents, non-ASCII (composed, decomposed, Latin-1),
 * more than a ustar header takes. */
static const char *const odd_names[] = {
    "set/a b/0.000116_digital clock _ digital clock_0.865662.jpg",
    "set/a b/x%2Ey.JPEG",
    "set/a b/100%.jpg",
    "set/d.o.t/\xc3\xa4.jpg",
    "set/d.o.t/a\xcc\x88.jpg",
    "set/d.o.t/b.webp",
    "set/long/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
    "56789012345678901234567890123456789012345678901234567890123456789.jpg",
    "set/long/s.png",
    "set/long/t.jpg",
};
enum { ODD = sizeof odd_names / sizeof *odd_names };

static void make_odd(dho_dataset *out)
{
    for (int i = 0; i < ODD; i++) {
        char folder[512];
        snprintf(folder, sizeof folder, "%s", fixture_path(odd_names[i]));
        *strrchr(folder, '/') = '\0';
        ck_assert_ok(dho_make_folders(folder));
        fixture_image(odd_names[i], i);
    }
    ck_assert_ok(dho_dataset_open_folder(out, fixture_path("set"), NULL));
    ck_assert_int_eq(out->count, ODD);
}

static void pack(const dho_dataset *dataset, const char *folder, int shards)
{
    dho_comm *comm;
    ck_assert_ok(dho_comm_create_serial(&comm));
    ck_assert_ok(dho_pack(dataset, comm, fixture_path(folder), shards, false));
    dho_comm_destroy(&comm);
}

static void assert_same(const dho_dataset *a, const dho_dataset *b)
{
    uint8_t *bytes[2] = {NULL, NULL};
    size_t capacity[2] = {0, 0}, size[2];
    ck_assert_int_eq(a->count, b->count);
    ck_assert_uint_eq(a->fingerprint, b->fingerprint);
    ck_assert_int_eq(a->classes, b->classes);
    for (int32_t c = 0; c < a->classes; c++) {
        ck_assert_str_eq(a->class_names[c], b->class_names[c]);
        ck_assert_int_eq(a->class_present[c], b->class_present[c]);
    }
    for (int64_t i = 0; i < a->count; i++) {
        ck_assert_str_eq(a->samples[i].path, b->samples[i].path);
        ck_assert_int_eq(a->samples[i].label, b->samples[i].label);
        ck_assert_ok(dho_dataset_read(a, i, &bytes[0], &capacity[0], &size[0]));
        ck_assert_ok(dho_dataset_read(b, i, &bytes[1], &capacity[1], &size[1]));
        ck_assert_uint_eq(size[0], size[1]);
        ck_assert_mem_eq(bytes[0], bytes[1], size[0]);
    }
    dho_free(bytes[0]);
    dho_free(bytes[1]);
}

START_TEST(test_names)
{
    static const struct {
        const char *path, *member, *key;
    } names[] = {
        {"a/b.jpg", "a/b.jpg", "a/b"},
        {"a.b/c.d.JPEG", "a.b/c%2Ed.JPEG", "a.b/c%2Ed"},
        {"x%2E.png", "x%252E.png", "x%252E"},
        {"%.jpe", "%25.jpe", "%25"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *member, *path;
        const char *extension;
        size_t key;
        ck_assert_ok(dho_tar_member_name(&member, names[i].path));
        ck_assert_str_eq(member, names[i].member);
        ck_assert(dho_tar_split_name(member, &key, &extension));
        ck_assert_uint_eq(key, strlen(names[i].key));
        ck_assert(dho_is_image_extension(extension));
        ck_assert_ok(dho_tar_sample_path(&path, member));
        ck_assert_str_eq(path, names[i].path);
        dho_free(path);
        dho_free(member);
    }
    char *member;
    static const char *const wrong[] = {"a/b", "a/.jpg", "a/b.txt", "a.jpg/b", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_fails(dho_tar_member_name(&member, wrong[i]), DHO_ERR_CONFIG, "cannot be packed");
}
END_TEST

START_TEST(test_round_trip)
{
    dho_dataset folder, packed, again;
    make_odd(&folder);
    for (int shards = 1; shards <= 4; shards += 3) {
        pack(&folder, "packed", shards);
        ck_assert_ok(dho_dataset_open_shards(&packed, fixture_path("packed"), NULL));
        assert_same(&folder, &packed);
        /* Without the index: the same, from the tars alone. */
        ck_assert_int_eq(unlink(fixture_path("packed/shards.index")), 0);
        ck_assert_ok(dho_dataset_open_shards(&again, fixture_path("packed"), NULL));
        assert_same(&folder, &again);
        dho_dataset_free(&again);
        ck_assert_ok(dho_pack_index(fixture_path("packed"), false));
        ck_assert_ok(dho_dataset_open_shards(&again, fixture_path("packed"), NULL));
        assert_same(&folder, &again);
        dho_dataset_free(&again);
        /* Shards into shards. */
        pack(&packed, "other", 3);
        ck_assert_ok(dho_dataset_open_shards(&again, fixture_path("other"), NULL));
        assert_same(&folder, &again);
        dho_dataset_free(&again);
        dho_dataset_free(&packed);
        ck_assert_ok(dho_remove_tree(fixture_path("packed")));
        ck_assert_ok(dho_remove_tree(fixture_path("other")));
    }
    dho_dataset_free(&folder);
}
END_TEST

START_TEST(test_shard_of_an_id)
{
    dho_dataset folder, packed;
    uint8_t *bytes = NULL;
    size_t capacity = 0, size;
    fixture_folder(&folder, 3, 8);
    pack(&folder, "packed", 6);
    ck_assert_ok(dho_dataset_open_shards(&packed, fixture_path("packed"), NULL));
    for (int64_t id = 0; id < 24; id++)
        ck_assert_uint_eq(dho_tar_set_member(packed.shards, id)->shard, id % 6);
    /* Virtual shard 1 of V = 3 touches the shards 1 and 4 and no others. */
    for (int64_t id = 1; id < 24; id += 3)
        ck_assert_ok(dho_dataset_read(&packed, id, &bytes, &capacity, &size));
    ck_assert_uint_eq(dho_tar_set_touched(packed.shards), 2);
    dho_free(bytes);
    dho_dataset_free(&packed);
    dho_dataset_free(&folder);
}
END_TEST

/* Interrupted packing: whole tars are kept, others are written, strangers are refused. */
START_TEST(test_resume)
{
    dho_dataset folder, packed;
    struct stat before, after;
    dho_comm *comm;
    fixture_folder(&folder, 2, 6);
    pack(&folder, "packed", 3);
    ck_assert_int_eq(unlink(fixture_path("packed/shards.index")), 0);
    ck_assert_int_eq(unlink(fixture_path("packed/shard-00001-of-00003.tar")), 0);
    ck_assert_int_eq(stat(fixture_path("packed/shard-00002-of-00003.tar"), &before), 0);
    pack(&folder, "packed", 3);
    ck_assert_int_eq(stat(fixture_path("packed/shard-00002-of-00003.tar"), &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    ck_assert_ok(dho_dataset_open_shards(&packed, fixture_path("packed"), NULL));
    assert_same(&folder, &packed);
    pack(&folder, "packed", 3); /* complete: nothing happens */
    dho_dataset_free(&packed);

    ck_assert_ok(dho_comm_create_serial(&comm));
    ck_assert_int_eq(unlink(fixture_path("packed/shards.index")), 0);
    ck_assert_int_eq(rename(fixture_path("packed/shard-00000-of-00003.tar"),
                            fixture_path("packed/shard-00001-of-00003.tar")),
                     0);
    ck_assert_fails(dho_pack(&folder, comm, fixture_path("packed"), 3, false), DHO_ERR_CONFIG,
                    "is not shard 1 of this dataset");
    pack(&folder, "other", 2);
    fixture_image("set/c00/new.jpg", 77);
    dho_dataset_free(&folder);
    ck_assert_ok(dho_dataset_open_folder(&folder, fixture_path("set"), NULL));
    ck_assert_fails(dho_pack(&folder, comm, fixture_path("other"), 2, false), DHO_ERR_CONFIG,
                    "holds another dataset");
    ck_assert_fails(dho_pack(&folder, comm, fixture_path("third"), 14, false), DHO_ERR_CONFIG,
                    "14 shards of 13 images");
    pack(&folder, "fourth", 4);
    ck_assert_fails(dho_pack(&folder, comm, fixture_path("fourth"), 8, false), DHO_ERR_CONFIG,
                    "holds these images in 4 shards, not 8");
    ck_assert_fails(dho_pack(&folder, comm, fixture_path("set"), 4, false), DHO_ERR_CONFIG,
                    "is the folder of the images");
    fclose(fopen(fixture_path("set/c00/new.jpg"), "w"));
    ck_assert_fails(dho_pack(&folder, comm, fixture_path("fifth"), 4, false), DHO_ERR_FORMAT,
                    "new.jpg: is empty");
    ck_assert_ok(dho_pack(&folder, comm, fixture_path("fifth"), 4, true));
    ck_assert_ok(dho_dataset_open_shards(&packed, fixture_path("fifth"), NULL));
    assert_same(&folder, &packed);
    dho_dataset_free(&packed);
    dho_comm_destroy(&comm);
    dho_dataset_free(&folder);
}
END_TEST

/* The labels of a reference: by name, a part of its classes, integers; order as of the folder. */
START_TEST(test_reference)
{
    static const char *const images[] = {"v2/0/a.jpg", "v2/10/b.jpg", "v2/2/c.jpg", "v2/1/d.jpg"};
    char *names[11];
    dho_dataset folder, plain, packed;
    for (int i = 0; i < 11; i++) {
        names[i] = malloc(8);
        snprintf(names[i], 8, "n%02d", i);
    }
    const dho_dataset reference = {.class_names = names, .classes = 11};
    for (int i = 0; i < 4; i++) fixture_write(images[i], "");
    for (int i = 0; i < 4; i++) fixture_image(images[i], i);
    ck_assert_ok(dho_dataset_open_folder(&plain, fixture_path("v2"), NULL));
    ck_assert_ok(dho_dataset_open_folder(&folder, fixture_path("v2"), &reference));
    ck_assert_int_eq(folder.samples[3].label, 10);
    pack(&plain, "packed", 2);
    ck_assert_ok(dho_dataset_open_shards(&packed, fixture_path("packed"), &reference));
    assert_same(&folder, &packed);
    dho_dataset_free(&packed);
    names[10][0] = names[2][0] = 'm'; /* still integers */
    const dho_dataset small = {.class_names = names, .classes = 5};
    ck_assert_fails(dho_dataset_open_shards(&packed, fixture_path("packed"), &small),
                    DHO_ERR_CONFIG, "\"10\" is none of the 5 classes");
    dho_dataset_free(&folder);
    dho_dataset_free(&plain);
    for (int i = 0; i < 11; i++) free(names[i]);
}
END_TEST

/* The loader's batches are the same bits from a folder and from shards. */
START_TEST(test_loader)
{
    dho_dataset sets[2];
    dho_sampler *samplers[2];
    dho_loader *loaders[2];
    dho_id_list labelled;
    fixture_folder(&sets[0], 3, 8);
    pack(&sets[0], "packed", 4);
    ck_assert_ok(dho_dataset_open_shards(&sets[1], fixture_path("packed"), NULL));
    ck_assert_ok(dho_subset_shots(&labelled, &sets[0], 2, false, 1));
    const int shards[] = {0, 1};
    for (int i = 0; i < 2; i++) {
        const dho_sampler_options sampler = {.seed = 3,
                                             .shards = 2,
                                             .labelled = 2,
                                             .unlabelled = 4,
                                             .dataset_count = sets[i].count,
                                             .labelled_ids = labelled.ids,
                                             .labelled_count = labelled.count};
        ck_assert_ok(dho_sampler_create(&samplers[i], &sampler));
        const dho_loader_options options = {.dataset = &sets[i],
                                            .image_size = 32,
                                            .transform = {.filter = DHO_FILTER_BICUBIC},
                                            .scale = {0.5, 1},
                                            .ratio = {0.75, 4.0 / 3},
                                            .flip = true,
                                            .normalise = {.std = {1, 1, 1}},
                                            .threads = 1 + i,
                                            .prefetch = 2};
        const dho_loader_steps steps = {
            .sampler = samplers[i], .shards = shards, .shard_count = 2, .last = 5};
        ck_assert_ok(dho_loader_create(&loaders[i], &options, &steps));
    }
    for (int batch = 0;; batch++) {
        dho_batch a, b;
        ck_assert_ok(dho_loader_next(loaders[0], &a));
        ck_assert_ok(dho_loader_next(loaders[1], &b));
        ck_assert_int_eq(a.count, b.count);
        if (a.count == 0) {
            ck_assert_int_eq(batch, 10);
            break;
        }
        ck_assert_mem_eq(a.images, b.images, (size_t)a.count * 32 * 32 * 3 * sizeof(float));
        ck_assert_mem_eq(a.labels, b.labels, (size_t)a.count * sizeof *a.labels);
        dho_loader_release(loaders[0], &a);
        dho_loader_release(loaders[1], &b);
    }
    for (int i = 0; i < 2; i++) {
        dho_loader_destroy(&loaders[i]);
        dho_sampler_destroy(&samplers[i]);
        dho_dataset_free(&sets[i]);
    }
    dho_id_list_free(&labelled);
}
END_TEST

/* --- damage --- */

static void read_bytes(const char *name, uint8_t **data, size_t *size)
{
    size_t capacity = 0;
    *data = NULL;
    ck_assert_ok(dho_file_read(fixture_path(name), 1 << 26, data, &capacity, size));
}

static void write_bytes(const char *name, const uint8_t *data, size_t size)
{
    FILE *file = fopen(fixture_path(name), "wb");
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    fclose(file);
}

START_TEST(test_damaged_index)
{
    dho_dataset folder;
    dho_tar_index index;
    uint8_t *data;
    size_t size;
    fixture_folder(&folder, 2, 3);
    pack(&folder, "packed", 2);
    read_bytes("packed/shards.index", &data, &size);
    ck_assert_ok(dho_tar_index_parse(&index, data, size, "i"));
    ck_assert_uint_eq(index.paths.count, 6);
    dho_tar_index_free(&index);
    for (size_t i = 0; i < size; i++) { /* every byte, every length */
        data[i] ^= 0x41;
        ck_assert_int_ne(dho_tar_index_parse(&index, data, size, "i"), DHO_OK);
        data[i] ^= 0x41;
        uint8_t *cut = malloc(i + 1);
        memcpy(cut, data, i);
        ck_assert_fails(dho_tar_index_parse(&index, cut, i, "i"), DHO_ERR_FORMAT, "i: ");
        free(cut);
    }
    dho_free(data);
    dho_dataset_free(&folder);
}
END_TEST

START_TEST(test_damaged_tar)
{
    dho_dataset folder, packed;
    uint8_t *data, *image = NULL;
    size_t size, capacity = 0, got;
    fixture_folder(&folder, 2, 3);
    pack(&folder, "packed", 2);
    read_bytes("packed/shard-00000-of-00002.tar", &data, &size);
    ck_assert_ok(dho_dataset_open_shards(&packed, fixture_path("packed"), NULL));
    const uint64_t offset = dho_tar_set_member(packed.shards, 2)->offset;
    data[offset + 30] ^= 1;
    write_bytes("packed/shard-00000-of-00002.tar", data, size);
    ck_assert_ok(dho_dataset_read(&packed, 0, &image, &capacity, &got));
    ck_assert_fails(dho_dataset_read(&packed, 2, &image, &capacity, &got), DHO_ERR_FORMAT,
                    "shard-00000-of-00002.tar: offset ");
    ck_assert_fails(dho_dataset_read(&packed, 2, &image, &capacity, &got), DHO_ERR_FORMAT,
                    "checksum is wrong");
    dho_dataset_free(&packed);
    write_bytes("packed/shard-00000-of-00002.tar", data, size - 512);
    ck_assert_ok(dho_dataset_open_shards(&packed, fixture_path("packed"), NULL));
    ck_assert_fails(dho_dataset_read(&packed, 2, &image, &capacity, &got), DHO_ERR_FORMAT,
                    "not that shard");
    ck_assert_int_eq(unlink(fixture_path("packed/shard-00000-of-00002.tar")), 0);
    ck_assert_fails(dho_dataset_read(&packed, 2, &image, &capacity, &got), DHO_ERR_IO,
                    "cannot open");
    dho_dataset_free(&packed);
    /* Without an index, a tar that is cut anywhere but between two samples is refused. */
    ck_assert_int_eq(unlink(fixture_path("packed/shards.index")), 0);
    ck_assert_int_eq(unlink(fixture_path("packed/shard-00001-of-00002.tar")), 0);
    for (size_t cut = 100; cut < size - 1024; cut += 517) {
        write_bytes("packed/one.tar", data, cut);
        const dho_status status = dho_dataset_open_shards(&packed, fixture_path("packed"), NULL);
        if (status == DHO_OK)
            ck_assert_int_lt(packed.count, 3);
        else
            ck_assert_msg(strstr(dho_error_message(), "one.tar: ") != NULL ||
                              strstr(dho_error_message(), "no image in") != NULL,
                          "%s", dho_error_message());
        dho_dataset_free(&packed);
    }
    dho_free(image);
    dho_free(data);
    dho_dataset_free(&folder);
}
END_TEST

/* Tars by `tar`: what is in them and what they lack. */
START_TEST(test_foreign_tars)
{
    dho_dataset set;
    char command[1024];
    fixture_image("src", 1);
    const char *const make =
        "cd %s && mkdir -p x tars && cp src x/0.jpg && cp src x/0.png && cp src x/0.avif && cp src "
        "x/1.PNG && cp src "
        "x/2.jpeg && "
        "printf '7\\n' > x/0.cls && printf 3 > x/1.cls && printf 7 > x/0.CLS && printf 0 > x/2.cls "
        "&& echo {} > x/0.json "
        "&& echo hi > README && %s";
    snprintf(command, sizeof command, make, fixture_root,
             "tar -cf tars/a.tar README ./x/0.cls ./x/0.json ./x/0.jpg ./x/1.PNG ./x/1.cls && "
             "tar --format=ustar -cf tars/b.tar x/2.jpeg x/2.cls");
    ck_assert_int_eq(system(command), 0);
    ck_assert_ok(dho_dataset_open_shards(&set, fixture_path("tars"), NULL));
    ck_assert_int_eq(set.count, 3);
    ck_assert_int_eq(set.classes, 8);
    ck_assert_str_eq(set.samples[0].path, "x/0.jpg");
    ck_assert_str_eq(set.samples[2].path, "x/2.jpeg");
    ck_assert_int_eq(set.samples[0].label, 7);
    ck_assert_int_eq(set.samples[1].label, 3);
    ck_assert_str_eq(set.class_names[7], "7");
    dho_dataset_free(&set);
    fixture_write("tars/classes.txt", "zero\none\ntwo words\n3\n4\n5\n6\nseven\neight\n");
    ck_assert_ok(dho_dataset_open_shards(&set, fixture_path("tars"), NULL));
    ck_assert_int_eq(set.classes, 9);
    ck_assert_str_eq(set.class_names[2], "two words");
    dho_dataset_free(&set);
    fixture_write("tars/classes.txt", "zero\none\n");
    ck_assert_fails(dho_dataset_open_shards(&set, fixture_path("tars"), NULL), DHO_ERR_FORMAT,
                    "2 class names, the largest label is 7");
    ck_assert_int_eq(unlink(fixture_path("tars/classes.txt")), 0);

    static const struct {
        const char *members, *message;
    } wrong[] = {
        {"x/0.jpg x/1.PNG", "has no label: no member \"x/0.cls\""},
        {"x/0.jpg x/0.cls x/0.png", "have the same key"},
        {"x/0.cls x/0.CLS", "expected one integer label"},
        {"x/0.json README", "no image in its 1 tars"},
        {"x/1.PNG x/1.cls x/0.cls x/0.avif x/2.jpeg x/2.cls",
         "\"x/0.cls\" has no image that can be read (jpg, png, webp, ...); beside it is "
         "\"x/0.avif\""},
        {"x/0.avif x/0.json x/0.cls", "beside it is \"x/0.avif\""},
        {"x/1.PNG x/1.cls x/0.cls", "\"x/0.cls\" has no image that can be read"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(command, sizeof command, "cd %s && rm -f tars/* && tar -cf tars/a.tar %s",
                 fixture_root, wrong[i].members);
        ck_assert_int_eq(system(command), 0);
        const dho_status status = dho_dataset_open_shards(&set, fixture_path("tars"), NULL);
        ck_assert_msg(status != DHO_OK, "%s", wrong[i].members);
        ck_assert_msg(strstr(dho_error_message(), wrong[i].message) != NULL, "%s",
                      dho_error_message());
    }
    /* A heap reads no label: two images of one key are two images, a field is still none. */
    snprintf(
        command, sizeof command,
        "cd %s && rm -f tars/* && printf cat >x/0.cls && cp x/0.jpg x/0.mask.jpg && cp x/1.PNG "
        "x/0.png && tar -cf tars/a.tar x/0.jpg x/0.cls x/0.png x/0.mask.jpg x/1.PNG README",
        fixture_root);
    ck_assert_int_eq(system(command), 0);
    for (int one = 0; one < 2; one++) {
        const char *path = fixture_path(one ? "tars/a.tar" : "tars");
        ck_assert_ok(dho_dataset_open_unlabelled(&set, path));
        ck_assert_str_eq(set.root, path);
        ck_assert_int_eq(set.count, 3);
        ck_assert_str_eq(set.samples[0].path, "x/0.jpg");
        ck_assert_str_eq(set.samples[1].path, "x/0.png");
        ck_assert_str_eq(set.samples[2].path, "x/1.PNG");
        dho_dataset_free(&set);
    }
    static const char *const labels[] = {"x", "-1", "1.5", "1 2", "", "99999999999999999999"};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        snprintf(command, sizeof command,
                 "cd %s && printf -- '%s' > x/0.cls && rm -f tars/* && tar -cf tars/a.tar x/0.jpg "
                 "x/0.cls",
                 fixture_root, labels[i]);
        ck_assert_int_eq(system(command), 0);
        ck_assert_fails(dho_dataset_open_shards(&set, fixture_path("tars"), NULL), DHO_ERR_FORMAT,
                        "expected one integer label");
    }
    fixture_write("tars/a.tar", "this is no tar at all, but it is long enough to look at");
    ck_assert_fails(dho_dataset_open_shards(&set, fixture_path("tars"), NULL), DHO_ERR_FORMAT,
                    "a.tar: ");
    ck_assert_int_eq(unlink(fixture_path("tars/a.tar")), 0);
    ck_assert_fails(dho_dataset_open_shards(&set, fixture_path("tars"), NULL), DHO_ERR_CONFIG,
                    "no *.tar");
    ck_assert_fails(dho_dataset_open_shards(&set, fixture_path("nowhere"), NULL), DHO_ERR_CONFIG,
                    "no such folder");
}
END_TEST

/* Whatever allocation fails, it is reported and nothing leaks (the teardown looks). */
START_TEST(test_allocations)
{
    dho_dataset folder, packed;
    dho_comm *comm;
    fixture_folder(&folder, 2, 2);
    ck_assert_ok(dho_comm_create_serial(&comm));
    /* also of what is kept from the attempts before */
    ck_assert_allocations(dho_pack(&folder, comm, fixture_path("packed"), 2, false));
    for (int indexed = 1; indexed >= 0; indexed--) {
        ck_assert_allocations(dho_dataset_open_shards(&packed, fixture_path("packed"), &folder));
        dho_dataset_free(&packed);
        if (indexed) ck_assert_int_eq(unlink(fixture_path("packed/shards.index")), 0);
    }
    dho_comm_destroy(&comm);
    dho_dataset_free(&folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shards");
    TCase *tests = tcase_create("shards");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_names);
    tcase_add_test(tests, test_round_trip);
    tcase_add_test(tests, test_shard_of_an_id);
    tcase_add_test(tests, test_resume);
    tcase_add_test(tests, test_reference);
    tcase_add_test(tests, test_loader);
    tcase_add_test(tests, test_damaged_index);
    tcase_add_test(tests, test_damaged_tar);
    tcase_add_test(tests, test_foreign_tars);
    tcase_add_test(tests, test_allocations);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
