/* A head file with what else dho teacher zero-shot keeps in it.
 *
 * Beside the head (dho/teacher_head.h): the tensor `text_means` [C, D], the means of each class's
 * text embeddings, never normalised, from which the method's students start. Metadata: `classes`,
 * the names as they stand in the prompts, and `dataset_classes`, the dataset's names of the same
 * classes, both JSON lists. Any of these may be absent. Local. */
#ifndef DHO_HEAD_FILE_H
#define DHO_HEAD_FILE_H

#include "dho/teacher_head.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_head_file {
    dho_teacher_head head;  /* owned */
    float *text_means;      /* owned, [classes][dim], or NULL */
    char **dataset_classes; /* owned, [classes], or NULL */
} dho_head_file;

/* Errors: those of dho_teacher_head_load; DHO_ERR_FORMAT (text_means of another shape or not
 * finite, a scale that is not positive, dataset_classes that is no list of as many texts). */
dho_status dho_head_file_read(dho_head_file *out, const char *path);
/* The same from an open file; `path` is for messages. */
dho_status dho_head_file_parse(dho_head_file *out, const dho_safetensors *file, const char *path);
void dho_head_file_free(dho_head_file *file);

/* Is it the head of these classes? Counts are compared, and names where the file has them.
 * Errors: DHO_ERR_CONFIG naming the first class that differs. */
dho_status dho_head_file_check(const dho_head_file *file, const char *path, int classes,
                               char *const *class_names);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
