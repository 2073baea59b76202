/* The files of TinyViT's saved labels. Private to src/teacher.
 *
 *   SOURCE/logits_top{K}_epoch{E}/rank{R}-keys.txt     one key a line
 *   SOURCE/logits_top{K}_epoch{E}/rank{R}-values.bin   for each key, in that order: i32 seed of the
 *       augmentation, K x i16 class, K x fp16 probability (softmax at T = 1), largest first
 * A key is the image's position in the ImageFolder, or the name a data set gives (ImageNet-22k: the
 * file's name without its extension). The sampler pads: a key may come on two ranks, and the lower
 * one counts. Source: TinyViT/data/augmentation/manager.py and dataset_wrapper.py, save_logits.py
 * of github.com/microsoft/Cream. */
#ifndef DHO_TEACHER_TINYVIT_FILES_H
#define DHO_TEACHER_TINYVIT_FILES_H

#include "dho/dataset.h"
#include "dho/file.h"

enum { TINYVIT_SEED_BYTES = 4, TINYVIT_CLASS_BYTES = 4 }; /* class and probability */

/* One rank's values. */
typedef struct tinyvit_package {
    char *path;           /* owned: of values.bin */
    dho_mapping values;   /* owned */
    uint32_t first, rows; /* its rows among those of the epoch */
} tinyvit_package;

typedef struct tinyvit_epoch {
    int epoch;
    char *path;                /* owned: of the folder */
    tinyvit_package *packages; /* owned, by rank */
    size_t package_count;
    uint32_t *rows; /* owned, [images]: the row of each image */
} tinyvit_epoch;

typedef struct tinyvit_files {
    int top;               /* K */
    tinyvit_epoch *epochs; /* owned, ascending */
    int epoch_count;
    int64_t strange; /* keys of no image here; with names only */
} tinyvit_files;

/* Opens the `most` first epochs (0: all) for the images of a dataset. Memory: 4 bytes an image and
 * epoch. tinyvit_files_close in any case. Errors: DHO_ERR_CONFIG (nothing there; an image without a
 * key; keys that are positions in a dataset that is not in an ImageFolder's order or of that size;
 * names that several images have), DHO_ERR_FORMAT (names and sizes of files), DHO_ERR_IO. */
dho_status tinyvit_files_open(tinyvit_files *out, const char *source, const dho_dataset *dataset,
                              int most);
void tinyvit_files_close(tinyvit_files *files);

/* The record of image `id` in an epoch: seed, classes, probabilities. */
const uint8_t *tinyvit_files_record(const tinyvit_files *files, int epoch, int64_t id,
                                    const char **out_path);

#endif
