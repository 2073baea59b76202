#include "weights/state_dict_take.h"

#include "dho/alloc.h"
#include "weights/position.h"
#include "weights/state_dict_fill.h"
#include "weights/tensor_index.h"

#include <stdio.h>

enum { NAME_BYTES = 256, MAX_SIDE = 4096 };

/* The slot's part that one tensor holds, as a slot of its own. */
static dho_slot part_of(const dho_slot *slot, const dho_tensor_names *names, int part)
{
    dho_slot out = *slot;
    out.shape[0] /= names->count;
    out.count /= (size_t)names->count;
    out.offset += (size_t)part * out.count;
    if (names->transposed) {
        out.transposed = !slot->transposed;
        out.shape[0] = slot->shape[1];
        out.shape[1] = slot->shape[0];
    }
    return out;
}

/* Without dimensions of 1 behind those of the tensor: timm's scale of ConvNeXt's channels is a
 * vector.
 */
static void shorten(dho_slot *slot, const dho_tensor_view *tensor)
{
    while (slot->dims > tensor->dims && slot->shape[slot->dims - 1] == 1) slot->dims--;
}

/* Without leading dimensions of 1, down to `dims`. */
static dho_tensor_view squeezed(const dho_tensor_view *tensor, int dims)
{
    dho_tensor_view out = *tensor;
    while (out.dims > dims && out.shape[0] == 1) {
        for (int d = 1; d < out.dims; d++) out.shape[d - 1] = out.shape[d];
        out.dims--;
    }
    return out;
}

static bool same_shape(const dho_slot *slot, const dho_tensor_view *tensor)
{
    bool same = slot->dims == tensor->dims;
    for (int d = 0; same && d < slot->dims; d++) same = slot->shape[d] == tensor->shape[d];
    return same;
}

static dho_status wrong_shape(const dho_weights *weights, const dho_slot *slot,
                              const dho_tensor_view *tensor)
{
    char expected[DHO_SHAPE_TEXT], found[DHO_SHAPE_TEXT];
    return dho_fail(DHO_ERR_FORMAT, "%s: tensor \"%.200s\": expected shape %s, found %s%s",
                    dho_weights_path(weights), tensor->name,
                    dho_shape_text(slot->dims, slot->shape, expected, sizeof expected),
                    dho_shape_text(tensor->dims, tensor->shape, found, sizeof found),
                    slot->is_position ? " (another grid must be square, and of as many channels)"
                                      : "");
}

/* The side of a square grid and a class token; 0: there is none. */
static int side_of(int64_t rows)
{
    for (int side = 1; side <= MAX_SIDE; side++)
        if (1 + (int64_t)side * side == rows) return side;
    return 0;
}

static dho_status take_position(const dho_weights *weights, const dho_slot *slot,
                                const dho_tensor_view *tensor, float *slab)
{
    const int dims = slot->dims; /* tokens and channels are the last two */
    const bool alike = tensor->dims == dims && (dims == 2 || tensor->shape[0] == 1) &&
                       tensor->shape[dims - 1] == slot->shape[dims - 1];
    const int from = alike ? side_of(tensor->shape[dims - 2]) : 0;
    const int to = side_of(slot->shape[dims - 2]);
    if (from == 0 || to == 0) return wrong_shape(weights, slot, tensor);
    float *values;
    const size_t count = (size_t)tensor->shape[dims - 2] * (size_t)tensor->shape[dims - 1];
    DHO_TRY(dho_alloc(&values, count, sizeof *values, slot->name));
    dho_status status = dho_tensor_to_finite(tensor, dho_weights_path(weights), values);
    if (status == DHO_OK)
        status =
            dho_position_resize(from, to, (int)slot->shape[dims - 1], values, slab + slot->offset);
    dho_free(values);
    return status;
}

dho_status dho_state_dict_take(const dho_weights *weights, const char *prefix, dho_naming naming,
                               const dho_slot *slot, float *slab, dho_taken *out)
{
    dho_tensor_names names;
    char name[NAME_BYTES];
    *out = (dho_taken){0};
    if (!dho_tensor_names_of(naming, slot->name, &names)) /* as if OpenAI's were asked for */
        dho_tensor_names_of(DHO_NAMES_OWN, slot->name, &names);
    for (int i = 0; i < names.count; i++) {
        snprintf(name, sizeof name, "%s%s", prefix, names.names[i]);
        out->tensors[i] = dho_weights_find(weights, name);
        if (out->tensors[i] != NULL) continue;
        const dho_slot part = part_of(slot, &names, i);
        char shape[DHO_SHAPE_TEXT];
        dho_shape_text(part.dims, part.shape, shape, sizeof shape);
        snprintf(out->missing, sizeof out->missing, "\"%.200s\" of shape %.200s", name, shape);
        return DHO_OK;
    }
    for (int i = 0; i < names.count; i++) {
        dho_slot part = part_of(slot, &names, i);
        dho_tensor_view tensor = *out->tensors[i];
        if (naming == DHO_NAMES_TIMM_CONVNEXT) shorten(&part, &tensor);
        if (naming == DHO_NAMES_TIMM) tensor = squeezed(out->tensors[i], part.dims);
        if (same_shape(&part, &tensor))
            DHO_TRY(dho_state_dict_fill(&part, &tensor, dho_weights_path(weights), slab));
        else if (part.is_position)
            DHO_TRY(take_position(weights, &part, &tensor, slab));
        else
            return wrong_shape(weights, &part, &tensor);
    }
    out->count = names.count;
    return DHO_OK;
}
