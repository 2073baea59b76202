/* Between slabs (how the engine keeps values) and named tensors (how files keep them). Local.
 *
 * In files a convolution's weight is [out][in/groups][kh][kw] as everywhere; in a slab it is
 * [out][kh][kw][in/groups]. A linear layer's is [out][in] in both; a slot that says so is [in][out]
 * in files. */
#ifndef DHO_STATE_DICT_H
#define DHO_STATE_DICT_H

#include "dho/graph.h"
#include "dho/safetensors.h"
#include "dho/weights.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Named tensors in file layout. Where that is the slab's layout too, the data is the slab's own,
 * not a copy: the slab must live longer. */
typedef struct dho_state_dict {
    dho_tensor_view *tensors; /* owned, [count]; names owned too */
    size_t count, capacity;
    float **blocks; /* owned, a copy of each tensor in another layout; NULL: the slab's own */
} dho_state_dict;

/* Appends parameters (or, with `buffers`, the buffers) of a graph from a slab, names behind
 * `prefix`. Errors: DHO_ERR_NUMERIC naming a value that is not finite, DHO_ERR_MEMORY. */
dho_status dho_state_dict_add(dho_state_dict *dict, const dho_graph *graph, bool buffers,
                              const char *prefix, const float *slab);
void dho_state_dict_free(dho_state_dict *dict);

/* Fills a slab from a file. Every slot must be there with its shape, in any float dtype; tensors of
 * the file that the graph does not know are passed over.
 * Errors: DHO_ERR_FORMAT naming the tensor and both shapes. */
dho_status dho_state_dict_load(const dho_safetensors *file, const dho_graph *graph, bool buffers,
                               const char *prefix, float *slab);

/* What dho_state_dict_init did. */
typedef struct dho_init_report {
    size_t taken;       /* tensors of the file that were used */
    size_t passed_over; /* those that were not, num_batches_tracked aside */
    char examples[280]; /* "fc.* (2), logit_scale": the first of these */
    char prefix[64];    /* what stands before the backbone's names in the file */
    const char *naming; /* static: "openai", "bare", "huggingface", "timm", "nn.Sequential" */
} dho_init_report;

/* Starts a student from published weights: fills the parameters and the buffers of its backbone
 * from a file whose names are the graph's, or for CLIP's towers those of Hugging Face or timm or
 * without "visual.", or for ResNets and MobileNetV2 the numbers of an nn.Sequential, all behind one
 * prefix, whatever it is. Position embeddings of another square grid are resized (bicubic, as
 * open_clip). The heads ("head*.weight", "head*.bias") keep the slab's values or, with take_head,
 * are all filled from the file's tensors of that name, of the method's public code's ("ce_head",
 * "kd_head"), or else from its classifier "fc", "head", "classifier" or "classifier.1". Errors:
 * DHO_ERR_FORMAT naming the first tensor that is missing (and how many others are), or that has
 * another shape (and both shapes), or a value that is not finite, or a negative variance; several
 * prefixes that would do; tensors that are left over in the backbone's own name space, which are of
 * another model. */
dho_status dho_state_dict_init(const dho_weights *weights, const dho_graph *graph, bool take_head,
                               float *parameters, float *buffers, dho_init_report *out);

/* How the tensors of a model are called in a file. */
typedef struct dho_file_names {
    int naming;      /* one of dho_naming's, -1: the file has none that is known */
    char prefix[64]; /* what stands before the names */
} dho_file_names;

/* The naming and the prefix of wrappers (dho_weights_bare_name) under which the file has `first`, a
 * tensor by the engine's name; those of the model's other tensors are the same. Errors:
 * DHO_ERR_FORMAT for several prefixes that would do. */
dho_status dho_state_dict_find_names(const dho_weights *weights, const char *first,
                                     dho_file_names *out);
/* A tensor by the engine's name; NULL: the file does not have it. Of names that stand for several
 * tensors the first. *out_transposed (may be NULL): it is kept the other way round than in the
 * engine's published layout. */
const dho_tensor_view *dho_state_dict_find(const dho_weights *weights, const dho_file_names *names,
                                           const char *own, bool *out_transposed);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
