#include "weights/tensor_index.h"

#include "base/finite.h"
#include "dho/alloc.h"
#include "dho/weights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

dho_status dho_tensor_index_reserve(dho_tensor_index *table, size_t capacity)
{
    DHO_TRY(dho_alloc(&table->tensors, capacity, sizeof *table->tensors, table->file));
    return dho_alloc(&table->sorted, capacity, sizeof *table->sorted, table->file);
}

static int compare_tensors(const void *a, const void *b)
{
    return strcmp((*(const dho_tensor_view *const *)a)->name,
                  (*(const dho_tensor_view *const *)b)->name);
}

void dho_tensor_index_sort(dho_tensor_index *table)
{
    for (size_t i = 0; i < table->count; i++) table->sorted[i] = &table->tensors[i];
    if (table->count > 0)
        qsort(table->sorted, table->count, sizeof *table->sorted, compare_tensors);
}

void dho_tensor_index_free(dho_tensor_index *table)
{
    dho_free(table->tensors);
    dho_free(table->sorted);
    *table = (dho_tensor_index){0};
}

const dho_tensor_view *dho_tensor_index_find(const dho_tensor_index *table, const char *name)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(name, table->sorted[middle]->name);
        if (order == 0) return table->sorted[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *dho_place_text(int dims, const int64_t *shape, size_t index, char *text, size_t bytes)
{
    int64_t place[DHO_MAX_DIMS];
    for (int d = dims - 1; d >= 0; d--) {
        place[d] = (int64_t)(index % (size_t)shape[d]);
        index /= (size_t)shape[d];
    }
    return dho_shape_text(dims, place, text, bytes);
}

const char *dho_shape_text(int dims, const int64_t *shape, char *text, size_t bytes)
{
    size_t used = (size_t)snprintf(text, bytes, "[");
    for (int i = 0; i < dims && used < bytes; i++) {
        const char *comma = i > 0 ? ", " : "";
        used += (size_t)(shape[i] < 0
                             ? snprintf(text + used, bytes - used, "%s?", comma)
                             : snprintf(text + used, bytes - used, "%s%" PRId64, comma, shape[i]));
    }
    if (used < bytes) snprintf(text + used, bytes - used, "]");
    return text;
}

dho_status dho_tensor_to_finite(const dho_tensor_view *tensor, const char *path, float *out)
{
    const size_t count = tensor->bytes / dho_dtype_size(tensor->dtype);
    dho_tensor_to_float(tensor, out);
    const size_t at = dho_first_not_finite(out, count);
    if (at == count) return DHO_OK;
    char place[DHO_SHAPE_TEXT], shown[DHO_NAME_SHOWN + 4];
    dho_name_shown(tensor->name, shown);
    if (tensor->dims == 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: tensor \"%s\" is %g", path, shown,
                        dho_shown_value(out[at]));
    return dho_fail(DHO_ERR_FORMAT, "%s: tensor \"%s\": value %s is %g", path, shown,
                    dho_place_text(tensor->dims, tensor->shape, at, place, sizeof place),
                    dho_shown_value(out[at]));
}

dho_status dho_tensor_index_require(const dho_tensor_index *table, const char *name, int dims,
                                    const int64_t *shape, const dho_tensor_view **out)
{
    *out = dho_tensor_index_find(table, name);
    if (*out == NULL)
        return dho_fail(DHO_ERR_FORMAT, "%s: no tensor \"%.200s\" (there are %zu others)",
                        table->file, name, table->count);
    if (dims < 0) return DHO_OK;
    const dho_tensor_view *tensor = *out;
    bool same = tensor->dims == dims;
    for (int i = 0; same && i < dims; i++) same = shape[i] < 0 || shape[i] == tensor->shape[i];
    if (same) return DHO_OK;
    char expected[DHO_SHAPE_TEXT], found[DHO_SHAPE_TEXT];
    *out = NULL;
    return dho_fail(DHO_ERR_FORMAT, "%s: tensor \"%.200s\": expected shape %s, found %s",
                    table->file, name, dho_shape_text(dims, shape, expected, sizeof expected),
                    dho_shape_text(tensor->dims, tensor->shape, found, sizeof found));
}

const char *dho_name_shown(const char *name, char buffer[DHO_NAME_SHOWN + 4])
{
    size_t i = 0;
    for (; name[i] != '\0' && i < DHO_NAME_SHOWN; i++) {
        const unsigned char c = (unsigned char)name[i];
        buffer[i] = c < 0x20 || c == 0x7f ? '?' : name[i];
    }
    memcpy(buffer + i, name[i] != '\0' ? "..." : "", name[i] != '\0' ? 4 : 1);
    return buffer;
}
