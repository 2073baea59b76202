/* A teacher's head: how its embeddings become logits. All Local.
 *
 *   logits = scale f W^T + bias                                         (zero-shot, linear)
 *   logits = scale f W^T + bias + alpha exp(-beta (1 - f K^T)) V         (with keys: Tip-Adapter)
 *
 * With keys the embedding f is divided by its length first; without, it is taken as it is. V is
 * one-hot: a key adds to the logit of its own class. Tip-Adapter: Zhang et al., ECCV 2022. The file
 * is described in docs/teacher-cache.md, "Head". */
#ifndef DHO_TEACHER_HEAD_H
#define DHO_TEACHER_HEAD_H

#include "dho/compute.h"
#include "dho/safetensors.h"
#include "dho/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum { DHO_HEAD_MAX_DIM = 1 << 20 }; /* of dim and of classes */

/* All zero: none, as for a cache of logits. */
typedef struct dho_teacher_head {
    int classes, dim;
    float scale;
    float *weight; /* owned by the head, [classes][dim] */
    float *bias;   /* owned by the head, [classes], or NULL */
    int key_count; /* 0: no Tip-Adapter */
    float alpha, beta;
    float *keys;    /* owned by the head, [key_count][dim], in the order of their classes */
    int *first_key; /* owned by the head, [classes + 1]: class c has the keys first_key[c] ..
                       first_key[c + 1] - 1 (a class may have none) */
} dho_teacher_head;

/* Reads a head file: "weight" or "prototypes" [C, D]; "scale" [] (100 where there is none), "bias"
 * [C]; and with "keys" [N, D] also "labels" [N], "alpha" [] and "beta" []. Floats of any width; the
 * keys may come in any order. classes, dim: what the head must have; 0: any. *out is all zero on
 * error. Errors: DHO_ERR_IO, DHO_ERR_MEMORY; DHO_ERR_CONFIG (other classes or dim than asked for,
 * both names of the weight); DHO_ERR_FORMAT (a tensor that is missing or of a wrong shape, a value
 * that is not finite, a label out of range) naming file and tensor. */
dho_status dho_teacher_head_load(dho_teacher_head *out, const char *path, int classes, int dim);
/* The same from an open file; `path` is for messages. */
dho_status dho_teacher_head_read(dho_teacher_head *out, const dho_safetensors *file,
                                 const char *path, int classes, int dim);

/* Gives the head keys: copies of `keys` [count][dim], of classes labels[count], sorted (stable) by
 * class. What it had before is released, also on error. Errors: DHO_ERR_FORMAT "name: label ..."
 * for a label out of range, DHO_ERR_MEMORY. */
dho_status dho_teacher_head_set_keys(dho_teacher_head *head, int64_t count, const float *keys,
                                     const int64_t *labels, const char *name);

/* Releases the keys; the head is a linear one then. */
void dho_teacher_head_drop_keys(dho_teacher_head *head);
/* A copy of a head but for its keys. *out is owned. Errors: DHO_ERR_MEMORY. */
dho_status dho_teacher_head_copy(dho_teacher_head *out, const dho_teacher_head *head);

/* The bias b of scale (f W^T + b), a cosine head's form: bias / scale, or 0 without one. out:
 * [classes]. */
void dho_teacher_head_inner_bias(const dho_teacher_head *head, float *out);

/* Are all values finite and alpha, beta >= 0? `status` is what a failure returns, `name` stands in
 * front of its message. */
dho_status dho_teacher_head_check(const dho_teacher_head *head, dho_status status,
                                  const char *name);

/* A head that someone hands in: can it be one? DHO_ERR_CONFIG for a scale that is not positive, or
 * is ln 100 in place of 100, and for weights that are all 0, or the same for all classes; warns of
 * classes without weights. `path` is for messages. */
dho_status dho_teacher_head_judge(const dho_teacher_head *head, const char *path);

/* Writes a checked head as a file that dho_teacher_head_load reads, all F32 (labels I64). metadata
 * and out_crc as in dho_safetensors_save. */
dho_status dho_teacher_head_save(const char *path, const dho_teacher_head *head,
                                 const char *const *metadata, uint32_t *out_crc);

void dho_teacher_head_free(dho_teacher_head *head);

/* "linear head crc32 1a2b3c4d" or "Tip-Adapter head of 1600 keys crc32 ...": the CRC is of all
 * values, whatever file they came from. */
void dho_teacher_head_describe(const dho_teacher_head *head, char *out, size_t bytes);

/* Floats of scratch that dho_teacher_head_logits needs for so many rows (0 without keys). */
size_t dho_teacher_head_scratch(const dho_teacher_head *head, int rows);
/* Logits [rows][classes] of embeddings [rows][dim], which stay as they are. Allocates nothing. */
void dho_teacher_head_logits(dho_compute *compute, const dho_teacher_head *head, int rows,
                             const float *embeddings, float *scratch, float *logits);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
