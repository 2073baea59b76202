/* What tar shards hold: made by scanning tars or read from an index file (docs/shards.md).
 * Private to src/data, its tests and its fuzzer. */
#ifndef DHO_DATA_TAR_INDEX_H
#define DHO_DATA_TAR_INDEX_H

#include "data/unused.h"

#include <stdbool.h>

#define DHO_TAR_INDEX_NAME "shards.index"
#define DHO_TAR_CLASSES_NAME "classes.txt"

enum {
    DHO_TAR_MAX_FILES = 65536,
    DHO_TAR_MAX_CLASSES = 1 << 20,
    DHO_TAR_MAX_NAME = 255 /* bytes of a shard's file name */
};
#define DHO_TAR_MAX_IMAGE_BYTES ((uint64_t)1 << 31)

typedef struct dho_tar_file {
    char *name;     /* owned; no folder */
    uint64_t bytes; /* of the whole file */
    bool packed;    /* gzip or its like: `offset` of a member is in the unpacked tar */
} dho_tar_file;

/* Where a sample's image is. */
typedef struct dho_tar_member {
    uint64_t offset; /* of its first byte in the tar */
    uint32_t bytes;  /* below DHO_TAR_MAX_IMAGE_BYTES */
    uint32_t shard;  /* index into files */
    uint32_t crc;    /* CRC-32 of the image's bytes; only with has_crc */
} dho_tar_member;

typedef struct dho_tar_index {
    dho_tar_file *files; /* owned, [file_count] */
    uint32_t file_count;
    dho_tar_member *members; /* owned, [paths.count], in the order of the ids */
    size_t member_capacity;
    dho_path_list paths; /* with the labels */
    char **class_names;  /* owned, [classes]; NULL before they are known */
    int32_t classes;     /* 0: all labels are DHO_NO_LABEL */
    bool has_crc;
    bool unlabelled;    /* what is scanned needs no label, and none is read */
    dho_unused *unused; /* owned; NULL: nothing is counted */
    int64_t dotted;     /* samples with a dot in their names, from a scan */
} dho_tar_index;

void dho_tar_index_free(dho_tar_index *index);

/* One more file or sample at the end. Errors: DHO_ERR_MEMORY; DHO_ERR_CONFIG: too many files. */
dho_status dho_tar_index_add_file(dho_tar_index *index, const char *name, uint64_t bytes);
dho_status dho_tar_index_add(dho_tar_index *index, const char *path, int32_t label,
                             const dho_tar_member *member);

/* Reads an index file's bytes; everything is checked. *out is owned: dho_tar_index_free; on error
 * it is all zero. Errors: DHO_ERR_FORMAT "name: offset ...: why"; DHO_ERR_CONFIG for another
 * version; DHO_ERR_MEMORY. */
dho_status dho_tar_index_parse(dho_tar_index *out, const uint8_t *data, size_t size,
                               const char *name);

/* Writes it atomically; class_names must be there. */
dho_status dho_tar_index_save(const dho_tar_index *index, const char *path);

/* --- scanning (tar_scan.c: a tar; tar_folder.c: a folder) --- */

/* Appends the samples of a tar, plain or compressed, which is files[shard]. An image's path is its
 * member's name with %2E and %25 in the stem read as '.' and '%'.
 *
 * WebDataset ends a key at the first dot of a file's name: "0.0.jpg" and "0.1.jpg" are the fields
 * "0.jpg" and "1.jpg" of one sample, which it then cannot use. Here "0.0.jpg" with "0.0.cls" is a
 * sample of its own (counted in `dotted`); "0.mask.png" beside "0.jpg" is a field, and not used.
 * Errors: DHO_ERR_FORMAT "path: offset ...: why" (not a whole tar; an image without a .cls; a label
 * that is no integer; two images of one key; sparse members; a name that is not UTF-8); DHO_ERR_IO;
 * DHO_ERR_MEMORY. */
dho_status dho_tar_scan(dho_tar_index *index, const char *path, uint32_t shard);
/* The same of a tar in memory. */
dho_status dho_tar_scan_memory(dho_tar_index *index, const uint8_t *data, size_t size,
                               const char *name, uint32_t shard);

/* All tars of a folder (.tar, .tar.gz, .tgz ...) and classes.txt, in the order
 * dho_dataset_open_shards says; unlabelled: of the result. *out as for parse. Errors: those, and
 * DHO_ERR_CONFIG for a folder without a tar. */
dho_status dho_tar_scan_folder(dho_tar_index *out, const char *folder, bool unlabelled);
/* Does the folder hold tars, or an index of some? Errors: DHO_ERR_IO, DHO_ERR_MEMORY. */
dho_status dho_tar_is_folder(const char *folder, bool *out);

/* Counts what lies in the folder and is neither a tar of the index nor one of its two files. */
dho_status dho_tar_count_unused(dho_tar_index *index, const char *folder);

/* Fills the CRCs by reading every image. Errors: as reading; DHO_ERR_CONFIG for compressed tars. */
dho_status dho_tar_index_checksum(dho_tar_index *index, const char *folder);

/* --- member names (tar_name.c) --- */

/* The member name of a sample's path: '.' and '%' in the stem escaped, because WebDataset ends a
 * key at the first dot of the file's name. *out is owned. Errors: DHO_ERR_CONFIG for a path without
 * stem or without extension of an image. */
dho_status dho_tar_member_name(char **out, const char *path);
/* Bytes of `name` that are its key, and where its extension starts; false: no such name. */
bool dho_tar_split_name(const char *name, size_t *out_key, const char **out_extension);
/* The path of the sample in member `name` (a valid one), the inverse of the first. */
dho_status dho_tar_sample_path(char **out, const char *name);

/* --- compressed tars (tar_unpack.c) --- */

struct archive;
/* Lets `archive` read what gzip, bzip2, xz, zstd and lz4 make. */
void dho_tar_support_filters(struct archive *archive);
/* Unpacks the open file `from` into a nameless file in TMPDIR or /tmp; *out: its descriptor.
 * Errors: DHO_ERR_FORMAT (damaged, cut); DHO_ERR_IO (no space). */
dho_status dho_tar_unpack(int *out, int from, const char *name);

/* --- open tars (tar_set.c) --- */

/* The most files that are kept open, well below the usual limit of 1024. */
enum { DHO_TAR_KEEP_OPEN = 512 };

/* Takes files and members (nulls them in *index). *out is owned: dho_tar_set_close. */
dho_status dho_tar_set_take(dho_tar_set **out, dho_tar_index *index, const char *folder);
void dho_tar_set_close(dho_tar_set **set);
/* Keeps the samples ids[count], ascending, as ids 0 .. count-1. */
void dho_tar_set_keep(dho_tar_set *set, const int64_t *ids, int64_t count);
uint32_t dho_tar_set_files(const dho_tar_set *set);
/* Files opened so far: what a run has touched. */
uint32_t dho_tar_set_touched(const dho_tar_set *set);
const dho_tar_member *dho_tar_set_member(const dho_tar_set *set, int64_t id);
dho_status dho_tar_set_read(dho_tar_set *set, int64_t id, uint8_t **inout_data,
                            size_t *inout_capacity, size_t *out_size);
dho_status dho_tar_set_blame(const dho_tar_set *set, int64_t id, dho_status status);

#endif
