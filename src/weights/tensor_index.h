/* Named tensors of one file, found by name: what every reader of weights hands out. Private to
 * src/weights. */
#ifndef DHO_WEIGHTS_TENSOR_INDEX_H
#define DHO_WEIGHTS_TENSOR_INDEX_H

#include "dho/safetensors.h"
#include "dho/torch_file.h"

typedef struct dho_tensor_index {
    const char *file;               /* borrowed: the file's name, for messages */
    size_t count;                   /* tensors */
    dho_tensor_view *tensors;       /* owned, in the file's order */
    const dho_tensor_view **sorted; /* owned, by name */
} dho_tensor_index;

/* Allocates room for so many tensors; the caller fills .tensors and .count. */
dho_status dho_tensor_index_reserve(dho_tensor_index *table, size_t capacity);
/* Builds the index, after which .tensors must not move. */
void dho_tensor_index_sort(dho_tensor_index *table);
void dho_tensor_index_free(dho_tensor_index *table);

const dho_tensor_view *dho_tensor_index_find(const dho_tensor_index *table, const char *name);
dho_status dho_tensor_index_require(const dho_tensor_index *table, const char *name, int dims,
                                    const int64_t *shape, const dho_tensor_view **out);

enum { DHO_NAME_SHOWN = 80, DHO_SHAPE_TEXT = 256 };

/* Where the value of a flat index stands in a tensor of this shape: "[3, 7]". */
const char *dho_place_text(int dims, const int64_t *shape, size_t index, char *text, size_t bytes);

/* A name fit for a one-line message: control characters become '?', long ones are cut. */
const char *dho_name_shown(const char *name, char buffer[DHO_NAME_SHOWN + 4]);

/* What the readers offer to dho_weights. */
const dho_tensor_index *dho_safetensors_table(const dho_safetensors *file);
const dho_tensor_index *dho_torch_file_table(const dho_torch_file *file);

/* dho_torch_file_open over memory that outlives the reader: tests and fuzzers. */
dho_status dho_torch_file_open_memory(dho_torch_file **out, const void *data, size_t bytes,
                                      const char *name, const char *key);

#endif
