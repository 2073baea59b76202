/* What the names in a state dict's pickle stand for. This list is the whole of it: a name that is
 * not here stops the reading. */
#include "weights/torch/pt_pickle.h"

#include <string.h>

typedef enum pt_role {
    ROLE_DICT,
    ROLE_TENSOR,    /* (storage, offset, size, stride[, requires_grad, hooks[, metadata]]) */
    ROLE_PARAMETER, /* (tensor[, requires_grad, hooks[, state]]) */
    ROLE_STORAGE,
    ROLE_OPAQUE /* harmless companions of a state dict; their values are carried and never used */
} pt_role;

typedef struct pt_global {
    const char *module, *name;
    pt_role role;
    dho_dtype dtype; /* ROLE_STORAGE */
} pt_global;

static const pt_global globals[] = {
    {"collections", "OrderedDict", ROLE_DICT, 0},
    {"torch._utils", "_rebuild_tensor_v2", ROLE_TENSOR, 0},
    {"torch._utils", "_rebuild_tensor", ROLE_TENSOR, 0},    /* before PyTorch 0.4 */
    {"torch.nn.parameter", "Parameter", ROLE_PARAMETER, 0}, /* the same */
    {"torch._utils", "_rebuild_parameter", ROLE_PARAMETER, 0},
    {"torch._utils", "_rebuild_parameter_with_state", ROLE_PARAMETER, 0},
    {"torch", "FloatStorage", ROLE_STORAGE, DHO_F32},
    {"torch", "HalfStorage", ROLE_STORAGE, DHO_F16},
    {"torch", "BFloat16Storage", ROLE_STORAGE, DHO_BF16},
    {"torch", "DoubleStorage", ROLE_STORAGE, DHO_F64},
    {"torch", "LongStorage", ROLE_STORAGE, DHO_I64},
    {"torch", "IntStorage", ROLE_STORAGE, DHO_I32},
    {"torch", "ShortStorage", ROLE_STORAGE, DHO_I16},
    {"torch", "CharStorage", ROLE_STORAGE, DHO_I8},
    {"torch", "ByteStorage", ROLE_STORAGE, DHO_U8},
    {"torch", "BoolStorage", ROLE_STORAGE, DHO_BOOL},
    {"argparse", "Namespace", ROLE_OPAQUE, 0},
    {"collections", "defaultdict", ROLE_OPAQUE, 0},
    {"collections", "Counter", ROLE_OPAQUE, 0},
    {"pathlib", "PosixPath", ROLE_OPAQUE, 0},
    {"_codecs", "encode", ROLE_OPAQUE, 0},
    {"__builtin__", "set", ROLE_OPAQUE, 0},
    {"__builtin__", "dict", ROLE_OPAQUE, 0},
    {"__builtin__", "list", ROLE_OPAQUE, 0},
    {"__builtin__", "complex", ROLE_OPAQUE, 0},
    {"torch", "Size", ROLE_OPAQUE, 0},
    {"torch", "device", ROLE_OPAQUE, 0},
    {"torch", "float32", ROLE_OPAQUE, 0},
    {"torch", "float16", ROLE_OPAQUE, 0},
    {"torch", "bfloat16", ROLE_OPAQUE, 0},
    {"torch", "float64", ROLE_OPAQUE, 0},
    {"torch", "int64", ROLE_OPAQUE, 0},
    {"numpy", "dtype", ROLE_OPAQUE, 0},
    {"numpy", "ndarray", ROLE_OPAQUE, 0},
    {"numpy.core.multiarray", "scalar", ROLE_OPAQUE, 0},
    {"numpy.core.multiarray", "_reconstruct", ROLE_OPAQUE, 0},
    {"numpy._core.multiarray", "scalar", ROLE_OPAQUE, 0},
    {"numpy._core.multiarray", "_reconstruct", ROLE_OPAQUE, 0},
};

static bool is_text(const char *expected, const char *text, size_t bytes)
{
    return strlen(expected) == bytes && memcmp(expected, text, bytes) == 0;
}

/* Printable, and short enough for one line. */
static void copy_name(char *out, size_t room, const char *text, size_t bytes)
{
    const size_t length = bytes < room - 1 ? bytes : room - 1;
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        out[i] = c < 0x20 || c >= 0x7f ? '?' : text[i];
    }
    out[length] = '\0';
}

dho_status pt_global_find(const pt_pickle *pickle, const char *module, size_t module_bytes,
                          const char *name, size_t name_bytes, int64_t *out)
{
    char shown_module[80], shown_name[80];
    for (size_t i = 0; i < sizeof globals / sizeof globals[0]; i++) {
        if (!is_text(globals[i].module, module, module_bytes) ||
            !is_text(globals[i].name, name, name_bytes))
            continue;
        *out = (int64_t)i;
        return DHO_OK;
    }
    copy_name(shown_module, sizeof shown_module, module, module_bytes);
    copy_name(shown_name, sizeof shown_name, name, name_bytes);
    return pt_bad(pickle,
                  "asks for %s.%s, which is no part of a state dict: refused (save the state dict "
                  "alone, or as safetensors)",
                  shown_module, shown_name);
}

bool pt_global_is(const pt_pickle *p, pt_id id, const char *name)
{
    const pt_value *value = &p->values[id];
    return value->kind == PT_GLOBAL && strcmp(globals[value->integer].name, name) == 0;
}

bool pt_unpack(const pt_pickle *p, pt_id id, size_t least, size_t room, pt_id *out)
{
    const pt_value *tuple = &p->values[id];
    if (tuple->kind != PT_TUPLE || tuple->count < least || tuple->count > room) return false;
    pt_id cell = tuple->first;
    for (size_t i = 0; i < tuple->count; i++) {
        out[i] = p->cells[cell].value;
        cell = p->cells[cell].next;
    }
    return true;
}

dho_status pt_persistent(pt_pickle *p, pt_id id, pt_id *out)
{
    pt_id item[6];
    if (!pt_unpack(p, id, 5, 6, item))
        return pt_bad(p, "a persistent id that is not of torch.save");
    if (p->values[id].count == 6 && p->values[item[5]].kind != PT_NONE)
        return pt_bad(p, "a view of a storage, as PyTorch before 0.4 wrote them: not read");
    const pt_value *word = &p->values[item[0]], *type = &p->values[item[1]];
    const pt_value *key = &p->values[item[2]], *elements = &p->values[item[4]];
    if (word->kind != PT_STRING || !is_text("storage", word->text, word->count) ||
        type->kind != PT_GLOBAL || globals[type->integer].role != ROLE_STORAGE ||
        key->kind != PT_STRING || elements->kind != PT_INT || elements->integer < 0)
        return pt_bad(p, "a persistent id that is not (\"storage\", type, key, device, elements)");
    const pt_storage storage = {.dtype = globals[type->integer].dtype,
                                .key = key->text,
                                .key_bytes = key->count,
                                .elements = (uint64_t)elements->integer};
    DHO_TRY(pt_grow(p, &p->storages, p->storage_count, &p->storage_capacity, sizeof *p->storages,
                    1 << 20, "storages"));
    DHO_TRY(pt_new(p, PT_STORAGE, out));
    p->values[*out].first = (pt_id)p->storage_count;
    p->storages[p->storage_count++] = storage;
    return DHO_OK;
}

dho_status pt_extents(const pt_pickle *p, pt_id id, const char *what, int *dims,
                      int64_t out[DHO_MAX_DIMS])
{
    pt_id item[DHO_MAX_DIMS];
    if (!pt_unpack(p, id, 0, DHO_MAX_DIMS, item))
        return pt_bad(p, "a tensor's %s is not a tuple of at most %d numbers", what, DHO_MAX_DIMS);
    *dims = (int)p->values[id].count;
    for (int i = 0; i < *dims; i++) {
        const pt_value *number = &p->values[item[i]];
        if (number->kind != PT_INT || number->integer < 0)
            return pt_bad(p, "a tensor's %s has an entry that is not an integer >= 0", what);
        out[i] = number->integer;
    }
    return DHO_OK;
}

/* Does every element lie inside the storage? */
static dho_status check_extent(const pt_pickle *p, pt_tensor *tensor)
{
    const uint64_t elements = p->storages[tensor->storage].elements;
    uint64_t last = tensor->offset, step;
    bool empty = false, overflow = false;
    tensor->count = 1;
    for (int i = 0; i < tensor->dims; i++) empty |= tensor->shape[i] == 0;
    for (int i = 0; i < tensor->dims && !empty; i++) {
        const uint64_t extent = (uint64_t)tensor->shape[i];
        overflow |= __builtin_mul_overflow(tensor->count, extent, &tensor->count) ||
                    __builtin_mul_overflow(extent - 1, (uint64_t)tensor->stride[i], &step) ||
                    __builtin_add_overflow(last, step, &last);
    }
    if (empty) {
        tensor->count = 0;
        return DHO_OK;
    }
    if (overflow || last >= elements)
        return pt_bad(p, "a tensor reaches beyond its storage of %llu elements",
                      (unsigned long long)elements);
    return DHO_OK;
}

static dho_status rebuild_tensor(pt_pickle *p, pt_id arguments, pt_id *out)
{
    pt_id item[7];
    pt_tensor tensor = {0};
    int strides;
    if (!pt_unpack(p, arguments, 4, 7, item)) return pt_bad(p, "a tensor has not 4 to 7 arguments");
    const pt_value *storage = &p->values[item[0]], *offset = &p->values[item[1]];
    if (storage->kind != PT_STORAGE) return pt_bad(p, "a tensor without a storage");
    if (offset->kind != PT_INT || offset->integer < 0)
        return pt_bad(p, "a tensor's offset is not an integer >= 0");
    tensor.storage = storage->first;
    tensor.offset = (uint64_t)offset->integer;
    DHO_TRY(pt_extents(p, item[2], "shape", &tensor.dims, tensor.shape));
    DHO_TRY(pt_extents(p, item[3], "stride", &strides, tensor.stride));
    if (strides != tensor.dims) return pt_bad(p, "a tensor's shape and stride differ in length");
    DHO_TRY(check_extent(p, &tensor));
    DHO_TRY(pt_grow(p, &p->tensors, p->tensor_count, &p->tensor_capacity, sizeof *p->tensors,
                    1 << 20, "tensors"));
    DHO_TRY(pt_new(p, PT_TENSOR, out));
    p->values[*out].first = (pt_id)p->tensor_count;
    p->tensors[p->tensor_count++] = tensor;
    return DHO_OK;
}

/* OrderedDict() or, as Python 2 wrote it, OrderedDict([(key, value), ...]). */
static dho_status rebuild_dict(pt_pickle *p, pt_id arguments, pt_id *out)
{
    pt_id list, pair[2];
    if (!pt_unpack(p, arguments, 0, 1, &list))
        return pt_bad(p, "an OrderedDict of several arguments");
    const bool filled = p->values[arguments].count == 1;
    if (filled && p->values[list].kind != PT_LIST)
        return pt_bad(p, "an OrderedDict of something that is not a list");
    DHO_TRY(pt_new(p, PT_DICT, out));
    pt_id cell = filled ? p->values[list].first : 0;
    for (uint32_t i = 0; filled && i < p->values[list].count; i++) {
        const pt_value *entry = &p->values[p->cells[cell].value];
        if (entry->kind == PT_LIST && entry->count == 2) {
            pair[0] = p->cells[entry->first].value;
            pair[1] = p->cells[entry->last].value;
        } else if (!pt_unpack(p, p->cells[cell].value, 2, 2, pair)) {
            return pt_bad(p, "an OrderedDict of something that is not pairs");
        }
        DHO_TRY(pt_append(p, *out, pair[0], pair[1]));
        cell = p->cells[cell].next;
    }
    return DHO_OK;
}

dho_status pt_reduce(pt_pickle *p, pt_id callable, pt_id arguments, pt_id *out)
{
    pt_id item[4];
    const pt_value *value = &p->values[callable];
    if (p->values[arguments].kind != PT_TUPLE) return pt_bad(p, "arguments that are not a tuple");
    if (value->kind != PT_GLOBAL) return pt_bad(p, "a call of something that is not a name");
    const pt_global *global = &globals[value->integer];
    switch (global->role) {
    case ROLE_DICT:
        return rebuild_dict(p, arguments, out);
    case ROLE_TENSOR:
        return rebuild_tensor(p, arguments, out);
    case ROLE_PARAMETER:
        if (!pt_unpack(p, arguments, 1, 4, item) || p->values[item[0]].kind != PT_TENSOR)
            return pt_bad(p, "a parameter without a tensor");
        *out = item[0];
        return DHO_OK;
    case ROLE_OPAQUE:
        DHO_TRY(pt_new(p, PT_OPAQUE, out));
        p->values[*out].first = callable;
        p->values[*out].last = arguments;
        return DHO_OK;
    case ROLE_STORAGE:
        break;
    }
    return pt_bad(p, "a call of %s.%s", global->module, global->name);
}
