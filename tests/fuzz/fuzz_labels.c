/* libFuzzer: TinyViT's files. The input is cut into keys of two ranks and values of two ranks,
 * which are written to a folder and read for a data set of four images; every record's label
 * becomes logits. Bytes 0 and 1: lengths of the keys; byte 2: how many classes a label has, and
 * whether the sizes of the values are made right. Seeds: tests/fuzz/seeds/labels. */
#define _GNU_SOURCE
#include "dho/alloc.h"
#include "dho/safetensors.h"
#include "teacher/import_labels.h"
#include "teacher/tinyvit_crop.h"
#include "teacher/tinyvit_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IMAGES = 4, CLASSES = 6, FRONT = 3, MAX_TOP = 7 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_bytes(const char *folder, const char *name, const uint8_t *bytes, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) abort();
}

static size_t lines(const uint8_t *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) count += text[i] == '\n' || i + 1 == size;
    return count;
}

/* Splits the input over four files in `folder`. */
static void write_files(const char *folder, const uint8_t *data, size_t size)
{
    const bool right = data[2] & 8;
    const size_t item = TINYVIT_SEED_BYTES + TINYVIT_CLASS_BYTES * (size_t)(1 + data[2] % MAX_TOP);
    size_t at = FRONT;
    for (int rank = 0; rank < 2; rank++) {
        char name[32];
        size_t length = data[rank];
        if (length > size - at) length = size - at;
        snprintf(name, sizeof name, "rank%d-keys.txt", rank);
        write_bytes(folder, name, data + at, length);
        const size_t wanted = item * lines(data + at, length);
        at += length;
        snprintf(name, sizeof name, "rank%d-values.bin", rank);
        const size_t left = rank == 0 ? (size - at) / 2 : size - at;
        uint8_t *values = calloc(1, wanted + left + 1);
        memcpy(values, data + at, left);
        write_bytes(folder, name, values, right ? wanted : left);
        free(values);
        at += left;
    }
}

static void read_records(const tinyvit_files *files)
{
    for (int64_t id = 0; id < IMAGES; id++) {
        const char *path;
        const uint8_t *record = tinyvit_files_record(files, 0, id, &path);
        int32_t ids[MAX_TOP];
        double probabilities[MAX_TOP];
        for (int k = 0; k < files->top; k++) {
            const uint8_t *value = record + TINYVIT_SEED_BYTES + 2 * (files->top + k);
            ids[k] = (int8_t)record[TINYVIT_SEED_BYTES + 2 * k];
            probabilities[k] = (double)dho_half_to_float((uint16_t)(value[0] | value[1] << 8));
        }
        static bool used[CLASSES];
        float logits[CLASSES];
        int best = -1;
        const soft_label label = {files->top, ids, probabilities};
        if (soft_label_to_logits(&label, CLASSES, used, logits, &best) == DHO_OK) {
            if (best < 0 || best >= CLASSES) abort();
            for (int c = 0; c < CLASSES; c++)
                if (!isfinite(logits[c])) abort();
        }
        dho_box box;
        bool flip;
        const int width = 1 + record[0], height = 1 + record[1];
        tinyvit_crop_draw(record[0] * 65537u + record[1], width, height, &box, &flip);
        if (box.x < 0 || box.y < 0 || box.x > width - box.width || box.y > height - box.height)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char root[64];
    static dho_sample samples[IMAGES] = {
        {"a/one.jpg", 0}, {"a/two.JPEG", 0}, {"b/0.png", 1}, {"b/3.x.jpg", 1}};
    char name[64] = "a", folder[256], old[256];
    dho_dataset dataset = {.root = name, .samples = samples, .count = IMAGES, .classes = CLASSES};
    tinyvit_files files;
    if (size < FRONT) return 0;
    if (root[0] == '\0') {
        snprintf(root, sizeof root, "%s/dho-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (mkdtemp(root) == NULL) abort();
    }
    snprintf(folder, sizeof folder, "%s/logits_top%d_epoch0", root, 1 + data[2] % MAX_TOP);
    if (mkdir(folder, 0700) != 0) abort();
    write_files(folder, data, size);
    if (tinyvit_files_open(&files, root, &dataset, 0) == DHO_OK) read_records(&files);
    tinyvit_files_close(&files);
    for (int i = 0; i < 4; i++) {
        snprintf(old, sizeof old, "%s/rank%d-%s", folder, i / 2,
                 i % 2 == 0 ? "keys.txt" : "values.bin");
        unlink(old);
    }
    rmdir(folder);
    if (dho_alloc_get_stats().live_blocks != 0) abort();
    return 0;
}
