/* From the tree of a PyTorch checkpoint to the list of its tensors. */
#include "dho/torch_file.h"

#include "dho/alloc.h"
#include "weights/tensor_index.h"
#include "weights/torch/pt_archive.h"
#include "weights/torch/pt_legacy.h"
#include "weights/torch/pt_numpy.h"
#include "weights/torch/pt_pickle.h"
#include "weights/torch/pt_tree.h"
#include "weights/wrong_file.h"

#include <stdio.h>
#include <string.h>

enum { STORAGE_NAME_BYTES = 64 };

struct dho_torch_file {
    char *name; /* of the file, for messages */
    dho_mapping mapping;
    pt_archive archive;
    dho_tensor_index table; /* owned, names too */
    void **blocks;          /* owned: gathered tensors */
    size_t block_count;
    pt_place place; /* of the state dict; .dict is of no use once the pickle is gone */
    size_t skipped;
    bool legacy; /* no zip archive */
};

/* --- tensors --- */

static dho_status bad_tensor(const dho_torch_file *file, const char *name, const char *why)
{
    char shown[DHO_NAME_SHOWN + 4];
    return dho_fail(DHO_ERR_FORMAT, "%s: tensor \"%s\": %s", file->name,
                    dho_name_shown(name, shown), why);
}

static bool is_contiguous(const pt_tensor *tensor)
{
    int64_t expected = 1; /* products of a shape whose product fits 64 bits */
    if (tensor->count == 0) return true;
    for (int i = tensor->dims - 1; i >= 0; i--) {
        if (tensor->shape[i] > 1 && tensor->stride[i] != expected) return false;
        expected *= tensor->shape[i];
    }
    return true;
}

/* Copies the elements in the order of the shape. */
static void gather(const pt_tensor *tensor, size_t element, const uint8_t *storage, uint8_t *out)
{
    int64_t index[DHO_MAX_DIMS] = {0};
    const int last = tensor->dims - 1; /* dims >= 1: a scalar is contiguous */
    /* Offsets, not pointers: strides of dimensions of size 1 are never used, and may be anything.
     */
    const size_t step = (size_t)tensor->stride[last] * element;
    size_t row = (size_t)tensor->offset * element;
    for (uint64_t done = 0; done < tensor->count; done += (uint64_t)tensor->shape[last]) {
        for (int64_t i = 0; i < tensor->shape[last]; i++, out += element)
            memcpy(out, storage + row + (size_t)i * step, element);
        for (int d = last - 1; d >= 0; d--) {
            row += (size_t)tensor->stride[d] * element;
            if (++index[d] < tensor->shape[d]) break;
            row -= (size_t)tensor->stride[d] * element * (size_t)tensor->shape[d];
            index[d] = 0;
        }
    }
}

/* *room: bytes that gathered tensors may still take; all together are at most the file's size. */
static dho_status gather_copy(dho_torch_file *file, const pt_tensor *tensor, dho_tensor_view *view,
                              const uint8_t *storage, size_t *room)
{
    void *block;
    if (view->bytes > *room)
        return bad_tensor(file, view->name,
                          "copies of tensors that are not contiguous would take more than the file "
                          "has: refused (save them with .contiguous())");
    *room -= view->bytes;
    DHO_TRY(dho_alloc(&block, view->bytes, 1, file->name));
    file->blocks[file->block_count++] = block;
    gather(tensor, dho_dtype_size(view->dtype), storage, block);
    view->data = block;
    return DHO_OK;
}

/* The bytes of a storage, [elements x dtype]. */
static dho_status find_storage(dho_torch_file *file, const char *name, const pt_storage *storage,
                               const uint8_t **out)
{
    char entry_name[STORAGE_NAME_BYTES], why[160];
    const pt_entry *entry;
    *out = storage->data;
    if (storage->data != NULL) return DHO_OK;
    if (storage->key_bytes > 32 || memchr(storage->key, '\0', storage->key_bytes) != NULL)
        return bad_tensor(file, name, "its storage has no proper name");
    snprintf(entry_name, sizeof entry_name, "data/%.*s", (int)storage->key_bytes, storage->key);
    DHO_TRY(pt_archive_find(&file->archive, entry_name, &entry));
    if (entry == NULL) {
        snprintf(why, sizeof why, "its storage, %s, is missing", entry_name);
        return bad_tensor(file, name, why);
    }
    if (entry->size / dho_dtype_size(storage->dtype) != storage->elements) {
        snprintf(why, sizeof why, "its storage, entry %s, has %zu bytes where %llu x %s should be",
                 entry_name, entry->size, (unsigned long long)storage->elements,
                 dho_dtype_name(storage->dtype));
        return bad_tensor(file, name, why);
    }
    *out = entry->data;
    return DHO_OK;
}

/* A new entry of the table, with its name. */
static dho_status add_name(dho_torch_file *file, const char *text, size_t length,
                           dho_tensor_view **out)
{
    char *name;
    if (memchr(text, '\0', length) != NULL)
        return dho_fail(DHO_ERR_FORMAT, "%s: a tensor's name holds a NUL", file->name);
    DHO_TRY(dho_strndup(&name, text, length));
    *out = &file->table.tensors[file->table.count++];
    **out = (dho_tensor_view){.name = name};
    return DHO_OK;
}

static dho_status fill_tensor(dho_torch_file *file, const pt_pickle *p, const pt_tensor *tensor,
                              dho_tensor_view *view, size_t *room)
{
    const pt_storage *storage = &p->storages[tensor->storage];
    const char *name = view->name;
    const uint8_t *bytes = NULL;
    view->dtype = storage->dtype;
    view->dims = tensor->dims;
    memcpy(view->shape, tensor->shape, sizeof view->shape);
    DHO_TRY(find_storage(file, name, storage, &bytes));
    if (tensor->count > storage->elements) /* expand()ed: may be larger than any memory */
        return bad_tensor(file, name,
                          "repeats the elements of a smaller storage: refused (save it with "
                          ".contiguous())");
    /* count <= elements, and the elements lie in the file: nothing overflows. */
    const size_t element = dho_dtype_size(storage->dtype);
    view->bytes = (size_t)tensor->count * element;
    if (!is_contiguous(tensor)) return gather_copy(file, tensor, view, bytes, room);
    view->data = tensor->count > 0 ? bytes + tensor->offset * element : bytes;
    return DHO_OK;
}

static dho_status check_names(const dho_torch_file *file)
{
    for (size_t i = 1; i < file->table.count; i++)
        if (strcmp(file->table.sorted[i - 1]->name, file->table.sorted[i]->name) == 0)
            return bad_tensor(file, file->table.sorted[i]->name, "is there twice");
    return DHO_OK;
}

static dho_status read_tensors(dho_torch_file *file, const pt_pickle *p, pt_id dict, size_t room)
{
    const pt_value *from = &p->values[dict];
    file->table.file = file->name;
    DHO_TRY(dho_tensor_index_reserve(&file->table, from->count));
    DHO_TRY(dho_alloc(&file->blocks, from->count, sizeof *file->blocks, file->name));
    pt_id cell = from->first;
    for (uint32_t i = 0; i < from->count; i++) {
        const pt_cell *item = &p->cells[cell];
        const pt_value *key = &p->values[item->key], *value = &p->values[item->value];
        if (key->kind == PT_STRING && value->kind == PT_TENSOR) {
            dho_tensor_view *view = NULL;
            DHO_TRY(add_name(file, key->text, key->count, &view));
            DHO_TRY(fill_tensor(file, p, &p->tensors[value->first], view, &room));
        } else {
            file->skipped++;
        }
        cell = item->next;
    }
    dho_tensor_index_sort(&file->table);
    return check_names(file);
}

/* One tensor, as a list of it. */
static dho_status read_single(dho_torch_file *file, const pt_pickle *p, pt_id tensor, size_t room)
{
    dho_tensor_view *view = NULL;
    file->table.file = file->name;
    DHO_TRY(dho_tensor_index_reserve(&file->table, 1));
    DHO_TRY(dho_alloc(&file->blocks, 1, sizeof *file->blocks, file->name));
    DHO_TRY(add_name(file, "0", 1, &view));
    DHO_TRY(fill_tensor(file, p, &p->tensors[p->values[tensor].first], view, &room));
    dho_tensor_index_sort(&file->table);
    return DHO_OK;
}

/* The items of a list or a tuple, by their index. */
static dho_status read_list(dho_torch_file *file, const pt_pickle *p, pt_id list, size_t room)
{
    const pt_value *from = &p->values[list];
    if (from->kind == PT_TENSOR) return read_single(file, p, list, room);
    if (from->kind != PT_LIST && from->kind != PT_TUPLE)
        return dho_fail(DHO_ERR_FORMAT, "%s: not a list of arrays", file->name);
    file->table.file = file->name;
    DHO_TRY(dho_tensor_index_reserve(&file->table, from->count));
    DHO_TRY(dho_alloc(&file->blocks, from->count, sizeof *file->blocks, file->name));
    pt_id cell = from->first;
    for (uint32_t i = 0; i < from->count; i++, cell = p->cells[cell].next) {
        const pt_id item = p->cells[cell].value;
        dho_tensor_view *view = NULL;
        char name[16];
        snprintf(name, sizeof name, "%u", (unsigned)i);
        DHO_TRY(add_name(file, name, strlen(name), &view));
        if (p->values[item].kind == PT_TENSOR)
            DHO_TRY(fill_tensor(file, p, &p->tensors[p->values[item].first], view, &room));
        else if (pt_is_array(p, item))
            DHO_TRY(pt_array_read(p, item, view, &file->blocks[file->block_count++], &room));
        else
            return bad_tensor(file, name, "is neither a tensor nor an array");
    }
    dho_tensor_index_sort(&file->table);
    return DHO_OK;
}

/* --- the file --- */

static dho_status check_byte_order(dho_torch_file *file)
{
    const pt_entry *order;
    DHO_TRY(pt_archive_find(&file->archive, "byteorder", &order)); /* since PyTorch 2.1 */
    if (order == NULL || (order->size == 6 && memcmp(order->data, "little", 6) == 0)) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: entry byteorder: only \"little\" is read", file->name);
}

static dho_status check_kind(const dho_torch_file *file, const uint8_t *bytes, size_t size)
{
    if (size >= 2 && bytes[0] == 0x80)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: a bare pickle, not made by torch.save: not read; torch.save the state "
                        "dict",
                        file->name);
    const char *kind = dho_weights_look_wrong(bytes, size);
    if (kind != NULL) return dho_fail(DHO_ERR_FORMAT, "%s: %s", file->name, kind);
    if (size < 4 || memcmp(bytes, "PK\3\4", 4) != 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: not a PyTorch checkpoint (no zip archive)",
                        file->name);
    return DHO_OK;
}

static dho_status read_archive(dho_torch_file *file, pt_pickle *machine, const uint8_t *bytes,
                               size_t size, pt_id *out_root)
{
    const pt_entry *pickle, *constants;
    DHO_TRY(check_kind(file, bytes, size));
    DHO_TRY(pt_archive_open(&file->archive, bytes, size, file->name));
    DHO_TRY(pt_archive_find(&file->archive, "constants.pkl", &constants));
    if (constants != NULL)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: a TorchScript program, not a checkpoint: not read; in PyTorch, "
                        "torch.save(torch.jit.load(...).state_dict(), ...)",
                        file->name);
    DHO_TRY(check_byte_order(file));
    DHO_TRY(pt_archive_find(&file->archive, "data.pkl", &pickle));
    *machine = (pt_pickle){
        .file = file->name, .part = "data.pkl: ", .bytes = pickle->data, .size = pickle->size};
    return pt_pickle_run(machine, out_root);
}

static dho_status parse_file(dho_torch_file *file, const uint8_t *bytes, size_t size,
                             const char *key)
{
    pt_pickle machine = {0};
    pt_id root;
    dho_status status;
    file->legacy = pt_is_legacy(bytes, size);
    if (file->legacy)
        DHO_TRY_GOTO(pt_legacy_read(&machine, bytes, size, file->name, &root));
    else
        DHO_TRY_GOTO(read_archive(file, &machine, bytes, size, &root));
    if (key != NULL && strcmp(key, DHO_TORCH_LIST) == 0) {
        status = read_list(file, &machine, root, size);
        goto fail;
    }
    DHO_TRY_GOTO(pt_find_state_dict(&machine, root, key, &file->place));
    DHO_TRY_GOTO(read_tensors(file, &machine, file->place.dict, size));
fail:
    pt_pickle_free(&machine);
    return status;
}

static dho_status create(dho_torch_file **out, const char *name)
{
    *out = NULL;
    DHO_TRY(dho_alloc_zero(out, 1, sizeof **out, name));
    return dho_strdup(&(*out)->name, name);
}

dho_status dho_torch_file_open(dho_torch_file **out, const char *path, const char *key)
{
    dho_status status;
    DHO_TRY_GOTO(create(out, path));
    DHO_TRY_GOTO(dho_mapping_open(&(*out)->mapping, path));
    DHO_TRY_GOTO(parse_file(*out, (*out)->mapping.data, (*out)->mapping.size, key));
    return DHO_OK;
fail:
    dho_torch_file_close(out);
    return status;
}

dho_status dho_torch_file_open_memory(dho_torch_file **out, const void *data, size_t bytes,
                                      const char *name, const char *key)
{
    dho_status status;
    DHO_TRY_GOTO(create(out, name));
    DHO_TRY_GOTO(parse_file(*out, data, bytes, key));
    return DHO_OK;
fail:
    dho_torch_file_close(out);
    return status;
}

void dho_torch_file_close(dho_torch_file **inout)
{
    dho_torch_file *file = *inout;
    if (file == NULL) return;
    for (size_t i = 0; i < file->table.count; i++)
        dho_free((void *)(uintptr_t)file->table.tensors[i].name);
    for (size_t i = 0; i < file->block_count; i++) dho_free(file->blocks[i]);
    dho_free(file->blocks);
    dho_tensor_index_free(&file->table);
    pt_archive_close(&file->archive);
    dho_mapping_close(&file->mapping);
    dho_free(file->name);
    dho_free(file);
    *inout = NULL;
}

size_t dho_torch_file_count(const dho_torch_file *file)
{
    return file->table.count;
}

const dho_tensor_view *dho_torch_file_at(const dho_torch_file *file, size_t i)
{
    return &file->table.tensors[i];
}

const dho_tensor_index *dho_torch_file_table(const dho_torch_file *file)
{
    return &file->table;
}

const char *dho_torch_file_key(const dho_torch_file *file)
{
    return file->place.key;
}

const char *dho_torch_file_other_keys(const dho_torch_file *file)
{
    return file->place.others;
}

size_t dho_torch_file_skipped(const dho_torch_file *file)
{
    return file->skipped;
}

const char *dho_torch_file_format(const dho_torch_file *file)
{
    return file->legacy ? "PyTorch legacy" : "PyTorch zip";
}
