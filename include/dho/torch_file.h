/* PyTorch checkpoints (.pt, .pth) as torch.save writes them: a zip archive of stored entries with
 * data.pkl (the tree of Python objects as a pickle) and data/0, data/1 ... (the storages); or,
 * before PyTorch 1.6, the same parts one behind another. Nothing of the pickle is ever executed: a
 * small stack machine knows the opcodes of pickle protocol 2, the few constructors that state dicts
 * are made of, and refuses every other name. docs/weights.md. All Local.
 *
 * Tensors whose elements lie one behind another are views into the mapped file; the others
 * (transposed, sliced) are gathered into memory of the reader's own. */
#ifndef DHO_TORCH_FILE_H
#define DHO_TORCH_FILE_H

#include "dho/safetensors.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_torch_file dho_torch_file;

/* As a key: the root is a list or a tuple of tensors and NumPy arrays, torch.save([a, b]), or one
 * tensor, torch.save(a); they are named "0", "1" ... */
#define DHO_TORCH_LIST "[]"

/* key: where in the tree the state dict lies ("teacher", "model.encoder"), NULL: the root, or what
 * lies under the first of the usual keys (docs/weights.md), or the only one that holds tensors.
 * Errors: DHO_ERR_IO; DHO_ERR_FORMAT "path: [entry:] [offset N:] why" for a damaged file, a
 * TorchScript program, a Python object that is no part of a state dict (named), a tensor that does
 * not fit its storage; DHO_ERR_CONFIG when there is no such key. */
dho_status dho_torch_file_open(dho_torch_file **out, const char *path, const char *key);
void dho_torch_file_close(dho_torch_file **file);

size_t dho_torch_file_count(const dho_torch_file *file);
/* i-th tensor in the order of the state dict. */
const dho_tensor_view *dho_torch_file_at(const dho_torch_file *file, size_t i);
/* Where the state dict was found; "" for the root. */
const char *dho_torch_file_key(const dho_torch_file *file);
/* Keys that hold another state dict, which was not taken: "state_dict"; "" for none. */
const char *dho_torch_file_other_keys(const dho_torch_file *file);
/* "PyTorch zip" or "PyTorch legacy". */
const char *dho_torch_file_format(const dho_torch_file *file);
/* Entries of the state dict that are no tensors (numbers, texts, further dicts). */
size_t dho_torch_file_skipped(const dho_torch_file *file);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
