/* Datasets: which images there are, in which fixed order, with which labels. All Local.
 *
 * A sample's id is its index in the listing; the listing never depends on the order in which a
 * folder is read. ImageFolder: classes are the sub-folders in byte order, samples are ordered by
 * label, folder and name in byte order, as torchvision's are. Names are UTF-8; other bytes are
 * refused. CoOp split: the order of the JSON file. */
#ifndef DHO_DATASET_H
#define DHO_DATASET_H

#include "dho/config.h"
#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* In place of a sample's id, or of a label, where there is none. */
enum { DHO_NO_ID = -1, DHO_NO_LABEL = -1 };

typedef struct dho_sample {
    const char *path; /* relative to root, borrowed from the dataset */
    int32_t label;    /* 0 .. classes-1; DHO_NO_LABEL: an image without a class */
} dho_sample;

/* The open tar shards of a packed dataset (docs/shards.md). */
typedef struct dho_tar_set dho_tar_set;

/* What lies in the set and is not used, by reason. */
typedef struct dho_unused dho_unused;

typedef struct dho_dataset {
    char *root;          /* owned */
    dho_sample *samples; /* owned, [count] */
    int64_t count;
    char **class_names; /* owned, [classes]; folder name, or the CoOp class name */
    int32_t classes;
    char **class_titles;      /* owned, [classes]: what people call them; NULL: not told */
    bool *class_present;      /* owned, [classes]: has at least one sample here */
    uint64_t fingerprint;     /* what a teacher cache is bound to: FNV-1a of path, NUL and
                                 label (4 bytes, little endian) of each sample in order, then of the
                                 count (8 bytes) */
    char *path_pool;          /* owned: the bytes behind samples[].path */
    dho_tar_set *shards;      /* owned; the samples' bytes are in tar shards under root; NULL: each
                                   sample is a file root/path */
    dho_unused *unused;       /* owned; NULL: nothing is looked for (FGVC-Aircraft) */
    struct dho_dataset *heap; /* owned; of a set that has images with a class and, behind them,
                                 others: root, count, shards and unused of those; else NULL */
} dho_dataset;

/* The first id without a class; count: there is none. */
static inline int64_t dho_dataset_heap_start(const dho_dataset *dataset)
{
    return dataset->count - (dataset->heap != NULL ? dataset->heap->count : 0);
}

/* Lists an ImageFolder. With `reference` (NULL for a training set) labels are the indices of the
 * folder names in the reference's classes (so a subset of its classes is fine), and class_names
 * are the reference's. When no folder name is a class of the reference and all are integers
 * 0 .. C-1 without leading zeros, the integer is the label (ImageNet-V2).
 * A sample is a file or a link (not followed, not even looked at) in a class folder, or a folder
 * inside it, whose name ends in .jpg, .jpeg, .jpe, .jfif, .png, .webp, .bmp, .tif, .tiff, .gif,
 * .ppm, .pgm, .pbm or .pnm, in any case. Folders may be links. What else lies there is counted in
 * `unused`. Errors: DHO_ERR_CONFIG (no such folder; no class folder; a class folder without an
 * image, named; a folder that is no class of the reference), DHO_ERR_IO (a folder cannot be read),
 * DHO_ERR_MEMORY. *out is all zero on error. */
dho_status dho_dataset_open_folder(dho_dataset *out, const char *root,
                                   const dho_dataset *reference);

/* Reads one split ("train", "val" or "test") of a CoOp split file, or, when its name ends in .txt,
 * of FGVC-Aircraft: variants.txt (line c: class c) with images_variant_SPLIT.txt beside it, lines
 * "image variant", paths image.jpg. The classes are those of the whole file. Errors: DHO_ERR_CONFIG
 * (no such file, folder or split; an empty split), DHO_ERR_FORMAT (not of that form, label out of
 * range or used by no sample of the file, one label with two names, absolute paths or ".." in a
 * path), DHO_ERR_IO, DHO_ERR_MEMORY. *out is all zero on error. */
dho_status dho_dataset_open_coop(dho_dataset *out, const char *root, const char *split_file,
                                 const char *split);

/* Opens a folder of tar shards: what dho pack writes, or WebDataset tars (KEY.jpg|jpeg|jpe|png with
 * KEY.cls). Samples, order, labels and fingerprint of a packed dataset are those of what was
 * packed. `reference` as for an ImageFolder: labels are those of the class names (or, when no name
 * is known to it, integers); samples are then ordered by label and path, as an ImageFolder's are.
 * Without the index "shards.index" all tars are scanned: the shards in the order of their names,
 * or, when they are named ...-SSSSS-of-NNNNN.tar and have the sizes of it, id = position * N + S.
 * Class names are then the lines of classes.txt, or the integers. Errors: DHO_ERR_CONFIG (no such
 * folder, no shard in it, a class that is not the reference's), DHO_ERR_FORMAT (a damaged index or
 * tar, with file and offset; a shard that has changed since it was indexed), DHO_ERR_IO,
 * DHO_ERR_MEMORY. *out is all zero on error. */
dho_status dho_dataset_open_shards(dho_dataset *out, const char *folder,
                                   const dho_dataset *reference);

/* Puts the images of *heap, an unlabelled set, behind those of *dataset, which has classes: they
 * get the ids from dho_dataset_heap_start on, and count and fingerprint become those of both. Takes
 * *heap, which is all zero then, also on error. Errors: DHO_ERR_MEMORY. */
dho_status dho_dataset_add_heap(dho_dataset *dataset, dho_dataset *heap);

/* Keeps the samples ids[count] alone, ascending and of images with a class, as ids 0 .. count-1. */
void dho_dataset_keep(dho_dataset *dataset, const int64_t *ids, int64_t count);

/* The folder that sample id's path starts at; "" for an absolute path. Borrowed. */
const char *dho_dataset_root_of(const dho_dataset *dataset, int64_t id);

/* --- images without labels: every label is DHO_NO_LABEL, and there are no classes --- */

/* The files of these names, in this order; nothing is looked at. root is "".
 * Errors: DHO_ERR_FORMAT (a name that is not UTF-8), DHO_ERR_MEMORY; as in the next one, *out is
 * all zero then. */
dho_status dho_dataset_open_files(dho_dataset *out, const char *const *paths, size_t count);
/* The images of a folder, found at any depth and ordered by folder and name in byte order (what
 * counts as an image: dho_dataset_open_folder); of a folder with tars or an index in it (as
 * dho_dataset_open_shards, but no label is needed or read); of a tar, plain or compressed, in its
 * order, with the tar's name as root; or of a text file with a path a line, relative to the file's
 * folder (blank lines and lines that start with # are passed over), ordered as a folder's. There
 * may be none. Errors: DHO_ERR_CONFIG (nothing there, a path that is listed twice), and those of a
 * folder and of tars. */
dho_status dho_dataset_open_unlabelled(dho_dataset *out, const char *path);
/* Errors: DHO_ERR_CONFIG "path: no image in it", with what else there is. */
dho_status dho_dataset_require_images(const dho_dataset *dataset, const char *path);
/* Does the file's name end as a tar's: .tar, .tar.gz, .tgz ...? */
bool dho_tar_is_name(const char *path);

/* Reads sample id's file, wherever it is, into *inout_data (as dho_file_read does). Thread-safe.
 * Errors: DHO_ERR_IO; DHO_ERR_FORMAT for more than 2 GiB, or a CRC that is not the index's. */
dho_status dho_dataset_read(const dho_dataset *dataset, int64_t id, uint8_t **inout_data,
                            size_t *inout_capacity, size_t *out_size);

/* After a failure on sample id's bytes: says in the message which shard they come from, and where
 * in it; returns `status`. Nothing to add for a plain file. */
dho_status dho_dataset_blame(const dho_dataset *dataset, int64_t id, dho_status status);

/* Compares the classes that have samples with a list, one name a line (blank lines and lines that
 * start with # are passed over): 199 of the 200 classes of a benchmark would go unnoticed.
 * Errors: DHO_ERR_CONFIG naming up to five missing and five unexpected classes; DHO_ERR_IO. */
dho_status dho_dataset_check_classes(const dho_dataset *dataset, const char *class_file);

/* Fills class_titles from a text file of lines "class<TAB>name", or "class name" without a tab
 * (blank lines and lines that start with # are passed over). The file may name more classes; one
 * that it does not name keeps its own name, with a warning. Errors: DHO_ERR_CONFIG (no such file;
 * it names no class of the set), DHO_ERR_FORMAT (a line without a name, a class twice), DHO_ERR_IO,
 * DHO_ERR_MEMORY. */
dho_status dho_dataset_load_titles(dho_dataset *dataset, const char *file);

/* Says in one line, by rank 0, what lies in the set and is not used, if anything is: a warning
 * where torchvision's ImageFolder or webdataset would have used it or refused the set. */
void dho_dataset_say_unused(const dho_dataset *dataset);

/* Releases everything and zeroes *dataset; an all-zero one is fine. */
void dho_dataset_free(dho_dataset *dataset);

/* The labelled subset: sorted sample ids; with dho_subset_shots' repeat some more than once. */
typedef struct dho_id_list {
    int64_t *ids; /* owned */
    int64_t count;
} dho_id_list;

void dho_id_list_free(dho_id_list *list);

/* All samples that have a class, as of all subsets below. */
dho_status dho_subset_all(dho_id_list *out, const dho_dataset *dataset);
/* k per class, drawn by (seed, class); a class with fewer gives all it has, and is named; with
 * `repeat` k draws of them with repetition, as CoOp's code and the method's do. */
dho_status dho_subset_shots(dho_id_list *out, const dho_dataset *dataset, int shots, bool repeat,
                            uint64_t seed);
/* percent (0 < p <= 100) of each class, rounded to nearest, at least one of each class
 * that has a sample, drawn by (seed, class). Errors: DHO_ERR_CONFIG for another p. */
dho_status dho_subset_percent(dho_id_list *out, const dho_dataset *dataset, double percent,
                              uint64_t seed);
/* The method's own balanced split: about the same number of each class, `percent` of all in total.
 * With numpy.random.seed(seed) (the method: 13), q = percent / 100, n images, C classes that have
 * any, c_l images of class l: k_l = max(min(n/C q - 1, c_l), 1), rounded in cascade (up where the
 * fraction of k_0 + ... + k_l is above 1/2) and at most c_l; as long as the sum is below n q, 1/C
 * is added to each k_l. Class by class numpy.random.choice(the class's ids, k_l, replace=False)
 * draws. Source: datasets/imagenet_percent.py, which is the same file in the method's public
 * repository and in the authors' later one (erjui/PCoreSet). Of ImageNet: 13,000 images for 1 %,
 * 128,286 for 10 %. `seed` is taken modulo 2^32. Errors: DHO_ERR_CONFIG for another p. */
dho_status dho_subset_balanced(dho_id_list *out, const dho_dataset *dataset, double percent,
                               uint64_t seed);
/* One file name a line: a bare name ("n01440764_10026.JPEG"), or the sample's whole path
 * ("class/name"); behind it, if at all, a tab and the name of its class. Blank lines and lines that
 * start with # are passed over. An image of a heap must have a class there, which becomes its
 * label. Errors: DHO_ERR_CONFIG naming file, line and the name that is not in the dataset, or is
 * ambiguous, or occurs twice, or whose class is not the dataset's, or missing; DHO_ERR_CONFIG when
 * no name is listed; DHO_ERR_IO. */
dho_status dho_subset_file(dho_id_list *out, dho_dataset *dataset, const char *path);
/* Writes such a file, atomically: whole paths in the order of `list`, each with its class; that of
 * an image without one is left empty.
 * Errors: DHO_ERR_CONFIG for a path that such a file cannot have (a tab, a line's end, # or white
 * space at its edges; that of another image, too); DHO_ERR_IO, DHO_ERR_MEMORY. */
dho_status dho_subset_file_save(const char *path, dho_dataset *dataset, const dho_id_list *list);

/* Moves a share of each class's images (a percentage is rounded to nearest, but to at least one)
 * from the labelled list to *out, sorted, each once: one that is in the list several times leaves
 * it. Images of a heap are not held out. Which ones depends on the seed and the images' paths
 * alone: those with the lowest random numbers, so a smaller share is a part of a larger one.
 * Errors: DHO_ERR_CONFIG for a class that would have no labelled image left. */
dho_status dho_subset_hold_out(dho_id_list *labelled, dho_id_list *out, const dho_dataset *dataset,
                               const dho_holdout *share, uint64_t seed);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
