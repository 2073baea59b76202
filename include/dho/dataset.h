/* Datasets: which images there are, in which fixed order, with which labels. All Local.
 *
 * A sample's id is its index in the listing; the listing never depends on the order in which a
 * folder is read. ImageFolder: classes are the sub-folders in byte order, samples are ordered by
 * label, then by name in byte order. CoOp split: the order of the JSON file. */
#ifndef DHO_DATASET_H
#define DHO_DATASET_H

#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct dho_sample {
    const char *path; /* relative to root, borrowed from the dataset */
    int32_t label;    /* 0 .. classes-1 */
} dho_sample;

typedef struct dho_dataset {
    char *root;          /* owned */
    dho_sample *samples; /* owned, [count] */
    int64_t count;
    char **class_names; /* owned, [classes]; folder name, or the CoOp class name */
    int32_t classes;
    bool *class_present;  /* owned, [classes]: has at least one sample here */
    uint64_t fingerprint; /* what a teacher cache is bound to: FNV-1a of path, NUL and
                             label (4 bytes, little endian) of each sample in order, then of the
                             count (8 bytes) */
    char *path_pool;      /* owned: the bytes behind samples[].path */
} dho_dataset;

/* Lists an ImageFolder. With `reference` (NULL for a training set) labels are the indices of the
 * folder names in the reference's classes (so a subset of its classes is fine), and class_names
 * are the reference's. When no folder name is a class of the reference and all are integers
 * 0 .. C-1 without leading zeros, the integer is the label (ImageNet-V2).
 * A sample is a file or a link (not followed, not even looked at) in a class folder whose name ends
 * in .jpg, .jpeg, .jpe or .png, in any case. Names with a leading dot and files beside the class
 * folders are passed over; a class folder may be a link; folders inside it are NOT descended into.
 * Errors: DHO_ERR_CONFIG (no such folder; no class folder; a class folder without an image, named;
 * a folder that is no class of the reference), DHO_ERR_IO (a folder cannot be read),
 * DHO_ERR_MEMORY. *out is all zero on error. */
dho_status dho_dataset_open_folder(dho_dataset *out, const char *root,
                                   const dho_dataset *reference);

/* Reads one split ("train", "val" or "test") of a CoOp split file. The classes are those of the
 * whole file. Errors: DHO_ERR_CONFIG (no such file, folder or split; an empty split),
 * DHO_ERR_FORMAT (not of that form, label out of range or used by no sample of the file, one label
 * with two names, absolute paths or ".." in a path), DHO_ERR_IO, DHO_ERR_MEMORY. *out is all zero
 * on error. */
dho_status dho_dataset_open_coop(dho_dataset *out, const char *root, const char *split_file,
                                 const char *split);

/* Releases everything and zeroes *dataset; an all-zero one is fine. */
void dho_dataset_free(dho_dataset *dataset);

/* The labelled subset: sorted sample ids. */
typedef struct dho_id_list {
    int64_t *ids; /* owned */
    int64_t count;
} dho_id_list;

void dho_id_list_free(dho_id_list *list);

/* All samples. */
dho_status dho_subset_all(dho_id_list *out, const dho_dataset *dataset);
/* k per class, drawn by (seed, class); a class with fewer gives all it has, and is named. */
dho_status dho_subset_shots(dho_id_list *out, const dho_dataset *dataset, int shots, uint64_t seed);
/* percent (0 < p <= 100) of each class, rounded to nearest, at least one of each class
 * that has a sample, drawn by (seed, class). Errors: DHO_ERR_CONFIG for another p. */
dho_status dho_subset_percent(dho_id_list *out, const dho_dataset *dataset, double percent,
                              uint64_t seed);
/* One file name a line: a bare name ("n01440764_10026.JPEG"), or with a '/' the sample's whole path
 * ("class/name"). Blank lines and lines that start with # are passed over.
 * Errors: DHO_ERR_CONFIG naming file, line and the name that is not in the dataset, or is
 * ambiguous, or occurs twice; DHO_ERR_CONFIG when no name is listed; DHO_ERR_IO. */
dho_status dho_subset_file(dho_id_list *out, const dho_dataset *dataset, const char *path);

#endif
