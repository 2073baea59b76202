/* A classifier on embeddings as a safetensors file: what dho teacher zero-shot writes, and any file
 * with `weight` or `prototypes` [C, D].
 *
 * Tensors: `weight` (or `prototypes`) [C, D]; `bias` [C]; `scale` []: logits = scale f W^T + bias
 * of the normalised embedding f; `text_means` [C, D]: the means of each class's text embeddings,
 * never normalised, from which the method's students start. Metadata: `classes`, the names as they
 * stand in the prompts, and `dataset_classes`, the dataset's names of the same classes, both JSON
 * lists. All but the first may be absent. Local. */
#ifndef DHO_HEAD_FILE_H
#define DHO_HEAD_FILE_H

#include "dho/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct dho_head_file {
    int classes, dim;
    float scale;       /* 0: the file has none */
    float *weight;     /* owned, [classes][dim] */
    float *bias;       /* owned, [classes], or NULL */
    float *text_means; /* owned, [classes][dim], or NULL */
    char **keys;       /* owned, [classes]: dataset_classes, or NULL */
    bool tip_adapter;  /* the file has `keys` too, which are not read */
} dho_head_file;

/* Errors: DHO_ERR_IO, DHO_ERR_FORMAT (no such tensor, shapes that do not go together, a value that
 * is not finite, dataset_classes that is no list of `classes` texts), DHO_ERR_CONFIG (both `weight`
 * and `prototypes`), DHO_ERR_MEMORY. */
dho_status dho_head_file_read(dho_head_file *out, const char *path);
void dho_head_file_free(dho_head_file *head);

/* Is it the head of these classes? Counts are compared, and names where the file has
 * dataset_classes. Errors: DHO_ERR_CONFIG naming the first class that differs. */
dho_status dho_head_file_check(const dho_head_file *head, const char *path, int classes,
                               char *const *class_names);

#endif
