#include "dho/state_dict.h"

#include "base/finite.h"
#include "dho/alloc.h"
#include "weights/state_dict_fill.h"
#include "weights/tensor_index.h"

#include <string.h>

/* Copies a convolution weight between [o][i][h*w] (file) and [o][h*w][i] (slab). */
static void permute_conv(const dho_slot *slot, bool to_file, const float *from, float *to)
{
    const size_t out = (size_t)slot->shape[0], in = (size_t)slot->shape[1];
    const size_t area = (size_t)(slot->shape[2] * slot->shape[3]);
    for (size_t o = 0; o < out; o++) {
        for (size_t i = 0; i < in; i++) {
            for (size_t a = 0; a < area; a++) {
                const size_t file = (o * in + i) * area + a, slab = (o * area + a) * in + i;
                if (to_file)
                    to[file] = from[slab];
                else
                    to[slab] = from[file];
            }
        }
    }
}

/* Copies a matrix [rows][columns] as [columns][rows]. */
static void transpose(size_t rows, size_t columns, const float *from, float *to)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) to[c * rows + r] = from[r * columns + c];
}

static bool is_permuted(const dho_slot *slot)
{
    return slot->is_conv || slot->transposed;
}

static void permute(const dho_slot *slot, bool to_file, const float *from, float *to)
{
    const size_t first = (size_t)slot->shape[0], second = (size_t)slot->shape[1];
    if (slot->is_conv)
        permute_conv(slot, to_file, from, to);
    else
        transpose(to_file ? second : first, to_file ? first : second, from, to);
}

static const dho_slot *slot_at(const dho_graph *graph, bool buffers, size_t i)
{
    return buffers ? dho_graph_buffer(graph, i) : dho_graph_parameter(graph, i);
}

static size_t slot_count(const dho_graph *graph, bool buffers)
{
    return buffers ? dho_graph_buffer_count(graph) : dho_graph_parameter_count(graph);
}

static dho_status reserve(dho_state_dict *dict, size_t more)
{
    const size_t capacity = dict->count + more;
    if (capacity <= dict->capacity) return DHO_OK;
    DHO_TRY(dho_realloc(&dict->tensors, capacity, sizeof *dict->tensors, "state dict"));
    DHO_TRY(dho_realloc(&dict->blocks, capacity, sizeof *dict->blocks, "state dict"));
    dict->capacity = capacity;
    return DHO_OK;
}

static dho_status add_one(dho_state_dict *dict, const dho_slot *slot, const char *prefix,
                          const float *slab)
{
    char *name;
    float *block = NULL;
    const float *values = slab + slot->offset;
    DHO_TRY(dho_asprintf(&name, "%s%s", prefix, slot->name));
    if (is_permuted(slot)) {
        const dho_status status = dho_alloc(&block, slot->count, sizeof *block, slot->name);
        if (status != DHO_OK) {
            dho_free(name);
            return status;
        }
        permute(slot, true, values, block);
        values = block;
    }
    dho_tensor_view view = {.name = name,
                            .dtype = DHO_F32,
                            .dims = slot->dims,
                            .data = values,
                            .bytes = slot->count * sizeof *values};
    for (int d = 0; d < slot->dims; d++) view.shape[d] = slot->shape[d];
    dict->blocks[dict->count] = block;
    dict->tensors[dict->count++] = view;
    const size_t at = dho_first_not_finite(values, slot->count);
    if (at == slot->count) return DHO_OK;
    char place[DHO_SHAPE_TEXT];
    return dho_fail(DHO_ERR_NUMERIC, "tensor \"%s\": value %s is %g", name,
                    dho_place_text(slot->dims, slot->shape, at, place, sizeof place),
                    dho_shown_value(values[at]));
}

dho_status dho_state_dict_add(dho_state_dict *dict, const dho_graph *graph, bool buffers,
                              const char *prefix, const float *slab)
{
    const size_t count = slot_count(graph, buffers);
    DHO_TRY(reserve(dict, count));
    for (size_t i = 0; i < count; i++)
        DHO_TRY(add_one(dict, slot_at(graph, buffers, i), prefix, slab));
    return DHO_OK;
}

void dho_state_dict_free(dho_state_dict *dict)
{
    for (size_t i = 0; i < dict->count; i++) {
        dho_free((void *)(uintptr_t)dict->tensors[i].name);
        dho_free(dict->blocks[i]);
    }
    dho_free(dict->tensors);
    dho_free(dict->blocks);
    *dict = (dho_state_dict){0};
}

/* The square root of a negative one is NaN, which only an evaluation would show. */
static dho_status check_variance(const dho_slot *slot, const dho_tensor_view *tensor,
                                 const char *path, const float *values)
{
    const char *part = strrchr(slot->name, '.');
    if (part == NULL || strcmp(part, ".running_var") != 0) return DHO_OK;
    for (size_t i = 0; i < slot->count; i++)
        if (values[i] < 0)
            return dho_fail(DHO_ERR_FORMAT,
                            "%s: tensor \"%.200s\": value [%zu] is %g: a variance is not negative",
                            path, tensor->name, i, (double)values[i]);
    return DHO_OK;
}

dho_status dho_state_dict_fill(const dho_slot *slot, const dho_tensor_view *tensor,
                               const char *path, float *slab)
{
    float *values;
    if (!is_permuted(slot)) {
        DHO_TRY(dho_tensor_to_finite(tensor, path, slab + slot->offset));
        return check_variance(slot, tensor, path, slab + slot->offset);
    }
    DHO_TRY(dho_alloc(&values, slot->count, sizeof *values, slot->name));
    const dho_status status = dho_tensor_to_finite(tensor, path, values);
    if (status == DHO_OK) permute(slot, false, values, slab + slot->offset);
    dho_free(values);
    return status;
}

static dho_status load_one(const dho_safetensors *file, const dho_slot *slot, const char *prefix,
                           float *slab)
{
    const dho_tensor_view *tensor;
    char *name;
    DHO_TRY(dho_asprintf(&name, "%s%s", prefix, slot->name));
    dho_status status = dho_safetensors_require(file, name, slot->dims, slot->shape, &tensor);
    if (status == DHO_OK)
        status = dho_state_dict_fill(slot, tensor, dho_safetensors_path(file), slab);
    dho_free(name);
    return status;
}

dho_status dho_state_dict_load(const dho_safetensors *file, const dho_graph *graph, bool buffers,
                               const char *prefix, float *slab)
{
    for (size_t i = 0; i < slot_count(graph, buffers); i++)
        DHO_TRY(load_one(file, slot_at(graph, buffers, i), prefix, slab));
    return DHO_OK;
}
