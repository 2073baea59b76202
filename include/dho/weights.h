/* A file of named tensors in any format that dho reads: safetensors or a PyTorch checkpoint, told
 * apart by their first bytes. All Local. docs/weights.md. */
#ifndef DHO_WEIGHTS_H
#define DHO_WEIGHTS_H

#include "dho/safetensors.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_weights dho_weights;

/* A JSON file with a weight_map ("model.safetensors.index.json", "pytorch_model.bin.index.json")
 * stands for all the files that it names, which lie beside it. key: see dho_torch_file_open; a
 * safetensors file has none (DHO_ERR_CONFIG). Errors: those of the two readers; DHO_ERR_FORMAT for
 * any other file, and says what it is where that can be told (a git LFS pointer, a web page). */
dho_status dho_weights_open(dho_weights **out, const char *path, const char *key);
void dho_weights_close(dho_weights **weights);

size_t dho_weights_count(const dho_weights *weights);
/* i-th tensor in the file's order; views live as long as the reader. */
const dho_tensor_view *dho_weights_at(const dho_weights *weights, size_t i);
/* By name; NULL when there is none. */
const dho_tensor_view *dho_weights_find(const dho_weights *weights, const char *name);
/* By name, demanded; as dho_safetensors_require. */
dho_status dho_weights_require(const dho_weights *weights, const char *name, int dims,
                               const int64_t *shape, const dho_tensor_view **out);

const char *dho_weights_path(const dho_weights *weights);
/* "safetensors", "PyTorch zip" or "PyTorch legacy"; "safetensors, 2 files" */
const char *dho_weights_format(const dho_weights *weights);
/* Where in a PyTorch file the state dict was found ("" for the root, and for safetensors), and how
 * many of its entries are no tensors. */
const char *dho_weights_key(const dho_weights *weights);
size_t dho_weights_skipped(const dho_weights *weights);
/* Keys with another state dict, which was not taken; "" for none. */
const char *dho_weights_other_keys(const dho_weights *weights);

/* "layer1.0.conv1.weight" in "module.backbone.layer1.0.conv1.weight": the name behind the prefixes
 * that wrappers add ("module.", "_orig_mod.", "backbone.", "model." and more, in any order and
 * number). */
const char *dho_weights_bare_name(const char *name);

/* Writes the tensors of the file `from` whose names begin with `prefix`, without it, as
 * safetensors. Errors: DHO_ERR_CONFIG when `to` is the same file, has another format's name, or
 * when no tensor begins so; those of dho_weights_open and of writing. */
dho_status dho_weights_convert(const char *from, const char *key, const char *prefix,
                               const char *to);

/* "[100, 512]" into text; a negative entry is shown as "?". */
const char *dho_shape_text(int dims, const int64_t *shape, char *text, size_t bytes);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
