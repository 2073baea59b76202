/* How a listing is put together; lists of lines. Private to src. */
#ifndef DHO_DATA_DATASET_BUILD_H
#define DHO_DATA_DATASET_BUILD_H

#include "dho/dataset.h"

/* FNV-1a, 64 bits; start with DHO_FNV_START. */
#define DHO_FNV_START UINT64_C(0xcbf29ce484222325)
uint64_t dho_fnv1a(uint64_t hash, const void *data, size_t bytes);

/* A growing list of strings in one pool; entries hold offsets because the pool moves. */
typedef struct dho_path_entry {
    size_t offset; /* of the string in the pool */
    int32_t label;
} dho_path_entry;

typedef struct dho_path_list {
    char *pool;              /* owned */
    size_t used, pool_size;  /* bytes */
    dho_path_entry *entries; /* owned */
    size_t count, capacity;  /* entries */
} dho_path_list;

/* Appends "folder/name", or name when folder is NULL. Errors: DHO_ERR_MEMORY. */
dho_status dho_path_list_append(dho_path_list *list, const char *folder, const char *name,
                                int32_t label);
void dho_path_list_free(dho_path_list *list);

/* The order of samples of one class: by folder, then by name, both in byte order, as os.walk and
 * torchvision's ImageFolder have it. */
int dho_path_compare(const char *a, const char *b);

/* A text file of names: UTF-8, without its byte-order mark, a NUL behind it. *out_text is owned
 * (dho_free, also on error). Errors: DHO_ERR_IO; DHO_ERR_FORMAT (a NUL byte; not UTF-8, with the
 * line; larger than 1 GiB); DHO_ERR_MEMORY. */
dho_status dho_read_list_file(const char *path, uint8_t **out_text, size_t *out_size);

/* Appends the lines of a text file without white space around them; with `comments`, blank lines
 * and lines that start with # are passed over. Errors: as
 * dho_read_list_file. */
dho_status dho_read_lines(dho_path_list *list, const char *path, bool comments);

/* Labels a list of class names by the reference's: by name, or, when none is known to it and all
 * are integers 0 .. C-1 without leading zeros, by the integer. The order of the list stays. Errors:
 * DHO_ERR_CONFIG "root: ..." naming the first name, in byte order, that has no label. */
dho_status dho_dataset_label_names(dho_path_list *names, const char *root,
                                   const dho_dataset *reference);

/* The folder that a file lies in; owned by the caller. */
dho_status dho_folder_of(char **out, const char *file);

/* dho_dataset_open_unlabelled of a folder of tars, or of one; *out must be all zero. */
dho_status dho_dataset_open_unlabelled_tars(dho_dataset *out, const char *path);

/* dho_dataset_open_coop of FGVC-Aircraft's variants.txt; *out must be all zero, and is on error. */
dho_status dho_dataset_open_fgvc(dho_dataset *out, const char *root, const char *variants_file,
                                 const char *split);

/* Checks that names are UTF-8, and makes samples, class_present, count and fingerprint
 * of *out from the list (whose pool it takes; free the list all the same); root, classes and
 * class_names must be set, labels be in range, or, without classes, all be DHO_NO_LABEL. */
dho_status dho_dataset_finish(dho_dataset *out, dho_path_list *list);

#endif
