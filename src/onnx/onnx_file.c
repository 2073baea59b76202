#include "onnx/onnx_private.h"

#include "dho/alloc.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 64 };

dho_status dho_onnx_create(dho_onnx **out)
{
    return dho_alloc_zero(out, 1, sizeof **out, "ONNX model");
}

void dho_onnx_destroy(dho_onnx **inout)
{
    dho_onnx *onnx = *inout;
    if (onnx == NULL) return;
    for (size_t i = 0; i < onnx->blocks.count; i++) dho_free(onnx->blocks.items[i]);
    dho_onnx_list *const lists[] = {&onnx->blocks, &onnx->nodes,   &onnx->constants,
                                    &onnx->inputs, &onnx->outputs, &onnx->properties};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) dho_free(lists[i]->items);
    dho_free(onnx);
    *inout = NULL;
}

void dho_onnx_keep_failure(dho_onnx *onnx, dho_status status)
{
    if (status == DHO_OK || onnx->failure != DHO_OK) return;
    onnx->failure = status;
    snprintf(onnx->message, sizeof onnx->message, "%s", dho_error_message());
}

bool dho_onnx_push(dho_onnx *onnx, dho_onnx_list *list, void *item)
{
    if (onnx->failure != DHO_OK) return false;
    dho_onnx_keep_failure(onnx, dho_grow(&list->items, list->count, &list->capacity,
                                         sizeof *list->items, "ONNX model"));
    if (onnx->failure != DHO_OK) return false;
    list->items[list->count++] = item;
    return true;
}

void *dho_onnx_keep(dho_onnx *onnx, size_t count, size_t size)
{
    void *block = NULL;
    if (onnx->failure != DHO_OK) return NULL;
    dho_onnx_keep_failure(onnx, dho_alloc_zero(&block, count, size, "ONNX model"));
    if (block != NULL && dho_onnx_push(onnx, &onnx->blocks, block)) return block;
    dho_free(block);
    return NULL;
}

char *dho_onnx_keep_text(dho_onnx *onnx, const char *text)
{
    char *copy = dho_onnx_keep(onnx, strlen(text) + 1, 1);
    if (copy != NULL) memcpy(copy, text, strlen(text));
    return copy;
}

/* "Conv_12" */
static char *fresh_name(dho_onnx *onnx, const char *op)
{
    char *name = dho_onnx_keep(onnx, NAME_BYTES, 1);
    if (name != NULL) snprintf(name, NAME_BYTES, "%s_%d", op, onnx->names++);
    return name;
}

/* --- nodes --- */

static Dho__Onnx__Attribute *make_attribute(dho_onnx *onnx, const dho_onnx_attribute *from)
{
    Dho__Onnx__Attribute *to = dho_onnx_keep(onnx, 1, sizeof *to);
    if (to == NULL) return NULL;
    dho__onnx__attribute__init(to);
    to->name = dho_onnx_keep_text(onnx, from->name);
    to->has_type = true;
    to->type = (int32_t)from->kind;
    to->has_f = from->kind == DHO_ONNX_IS_FLOAT;
    to->f = from->f;
    to->has_i = from->kind == DHO_ONNX_IS_INT;
    to->i = from->ints[0];
    if (from->kind != DHO_ONNX_IS_INTS) return to;
    to->n_ints = (size_t)from->count;
    to->ints = dho_onnx_keep(onnx, to->n_ints, sizeof *to->ints);
    if (to->ints != NULL) memcpy(to->ints, from->ints, to->n_ints * sizeof *to->ints);
    return to;
}

const char *dho_onnx_add(dho_onnx *onnx, const dho_onnx_node *from)
{
    Dho__Onnx__Node *to = dho_onnx_keep(onnx, 1, sizeof *to);
    if (to == NULL) return "";
    dho__onnx__node__init(to);
    to->op_type = dho_onnx_keep_text(onnx, from->op);
    to->name = fresh_name(onnx, from->op);
    to->input = dho_onnx_keep(onnx, DHO_ONNX_MOST_INPUTS, sizeof *to->input);
    to->output = dho_onnx_keep(onnx, 1, sizeof *to->output);
    to->attribute = dho_onnx_keep(onnx, DHO_ONNX_MOST_ATTRIBUTES, sizeof *to->attribute);
    if (onnx->failure != DHO_OK) return "";
    to->output[to->n_output++] = to->name;
    while (to->n_input < DHO_ONNX_MOST_INPUTS && from->inputs[to->n_input] != NULL) {
        to->input[to->n_input] = (char *)from->inputs[to->n_input];
        to->n_input++;
    }
    while (to->n_attribute < DHO_ONNX_MOST_ATTRIBUTES &&
           from->attributes[to->n_attribute].name != NULL) {
        to->attribute[to->n_attribute] = make_attribute(onnx, &from->attributes[to->n_attribute]);
        to->n_attribute++;
    }
    return dho_onnx_push(onnx, &onnx->nodes, to) ? to->name : "";
}

const char *dho_onnx_call(dho_onnx *onnx, const char *op, const char *a, const char *b)
{
    return dho_onnx_add(onnx, &(dho_onnx_node){.op = op, .inputs = {a, b}});
}

const char *dho_onnx_transpose(dho_onnx *onnx, const char *x, int dims, const int *order)
{
    dho_onnx_node node = {
        .op = "Transpose",
        .inputs = {x},
        .attributes = {{.name = "perm", .kind = DHO_ONNX_IS_INTS, .count = dims}}};
    for (int d = 0; d < dims; d++) node.attributes[0].ints[d] = order[d];
    return dho_onnx_add(onnx, &node);
}

const char *dho_onnx_reshape(dho_onnx *onnx, const char *x, int dims, const int64_t *shape)
{
    return dho_onnx_call(onnx, "Reshape", x, dho_onnx_integers(onnx, dims, shape));
}

/* --- constants --- */

static size_t size_of(dho_onnx_type type)
{
    return type == DHO_ONNX_INT8    ? sizeof(int8_t)
           : type == DHO_ONNX_INT64 ? sizeof(int64_t)
                                    : sizeof(float);
}

const char *dho_onnx_constant(dho_onnx *onnx, const char *name, dho_onnx_type type, int dims,
                              const int64_t *shape, void *out_data)
{
    Dho__Onnx__Tensor *tensor = dho_onnx_keep(onnx, 1, sizeof *tensor);
    void *const none = NULL;
    size_t count = 1;
    memcpy(out_data, &none, sizeof none);
    if (tensor == NULL) return "";
    dho__onnx__tensor__init(tensor);
    tensor->name = name != NULL ? dho_onnx_keep_text(onnx, name) : fresh_name(onnx, "constant");
    tensor->has_data_type = true;
    tensor->data_type = (int32_t)type;
    tensor->n_dims = (size_t)dims;
    tensor->dims = dho_onnx_keep(onnx, (size_t)dims, sizeof *tensor->dims);
    for (int d = 0; d < dims && tensor->dims != NULL; d++) {
        tensor->dims[d] = shape[d];
        count *= (size_t)shape[d];
    }
    tensor->has_raw_data = true;
    tensor->raw_data.len = count * size_of(type);
    tensor->raw_data.data = dho_onnx_keep(onnx, count, size_of(type));
    if (!dho_onnx_push(onnx, &onnx->constants, tensor)) return "";
    memcpy(out_data, &tensor->raw_data.data, sizeof none);
    return tensor->name;
}

const char *dho_onnx_floats(dho_onnx *onnx, const char *name, int dims, const int64_t *shape,
                            const float *values)
{
    float *data;
    size_t count = 1;
    name = dho_onnx_constant(onnx, name, DHO_ONNX_FLOAT, dims, shape, &data);
    for (int d = 0; d < dims; d++) count *= (size_t)shape[d];
    if (data != NULL) memcpy(data, values, count * sizeof *data);
    return name;
}

const char *dho_onnx_scalar(dho_onnx *onnx, float value)
{
    return dho_onnx_floats(onnx, NULL, 0, NULL, &value);
}

const char *dho_onnx_integers(dho_onnx *onnx, int count, const int64_t *values)
{
    const int64_t shape[1] = {count};
    int64_t *data;
    const char *name = dho_onnx_constant(onnx, NULL, DHO_ONNX_INT64, 1, shape, &data);
    if (data != NULL) memcpy(data, values, (size_t)count * sizeof *data);
    return name;
}
