#include "weights/export_fold.h"

#include "dho/alloc.h"

#include <stdio.h>
#include <string.h>

/* Index of a tensor, -1 for none. */
static ptrdiff_t find(const dho_state_dict *dict, const char *name)
{
    for (size_t i = 0; i < dict->count; i++)
        if (strcmp(dict->tensors[i].name, name) == 0) return (ptrdiff_t)i;
    return -1;
}

static ptrdiff_t find_part(const dho_state_dict *dict, const char *head, const char *part)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", head, part);
    return find(dict, name);
}

/* Puts a block into a tensor's place; `classes` is its extent along an axis. */
static void replace(dho_state_dict *dict, ptrdiff_t i, int axis, int64_t classes, float *block)
{
    dho_tensor_view *view = &dict->tensors[i];
    dho_free(dict->blocks[i]);
    dict->blocks[i] = block;
    view->data = block;
    view->bytes = view->bytes / (size_t)view->shape[axis] * (size_t)classes;
    view->shape[axis] = classes;
}

/* A projection, or its product with a head. */
typedef struct matrix {
    const float *values; /* NULL: only a layout */
    size_t outputs, inputs;
    bool transposed; /* [inputs][outputs], OpenAI's "proj" */
} matrix;

static size_t place(const matrix *m, size_t output, size_t input)
{
    return m->transposed ? input * m->outputs + output : output * m->inputs + input;
}

/* head [classes][m->outputs] times m, laid out as m. */
static dho_status multiply(const matrix *m, const float *head, size_t classes, float *out)
{
    const matrix product = {NULL, classes, m->inputs, m->transposed};
    double *row;
    DHO_TRY(dho_alloc(&row, m->inputs, sizeof *row, "export"));
    for (size_t k = 0; k < classes; k++) {
        memset(row, 0, m->inputs * sizeof *row);
        for (size_t e = 0; e < m->outputs; e++) {
            const double factor = (double)head[k * m->outputs + e];
            for (size_t i = 0; i < m->inputs; i++)
                row[i] += factor * (double)m->values[place(m, e, i)];
        }
        for (size_t i = 0; i < m->inputs; i++) out[place(&product, k, i)] = (float)row[i];
    }
    dho_free(row);
    return DHO_OK;
}

/* bias = head's + head * projection's, where that has one. */
static void add_biases(const dho_tensor_view *head, const float *head_bias, const float *bias,
                       float *out)
{
    const size_t classes = (size_t)head->shape[0], embed = (size_t)head->shape[1];
    const float *weight = head->data;
    for (size_t k = 0; k < classes; k++) {
        double sum = (double)head_bias[k];
        for (size_t e = 0; bias != NULL && e < embed; e++)
            sum += (double)weight[k * embed + e] * (double)bias[e];
        out[k] = (float)sum;
    }
}

dho_status dho_export_fold(dho_state_dict *inout, const char *head, dho_fold *out)
{
    float *weight = NULL, *bias = NULL;
    const ptrdiff_t own_bias = find(inout, "visual.attnpool.c_proj.bias");
    const bool transposed = own_bias < 0;
    const ptrdiff_t at = find(inout, transposed ? "visual.proj" : "visual.attnpool.c_proj.weight");
    const dho_tensor_view *projection = &inout->tensors[at];
    const int axis = transposed ? 1 : 0; /* of the outputs */
    const matrix m = {projection->data, (size_t)projection->shape[axis],
                      (size_t)projection->shape[1 - axis], transposed};
    *out = (dho_fold){.count = projection->shape[axis]};
    if (head == NULL) {
        if (!transposed) return DHO_OK;
        return dho_alloc_zero(&out->bias, m.outputs, sizeof *out->bias, "export");
    }
    const dho_tensor_view *classifier = &inout->tensors[find_part(inout, head, "weight")];
    const int64_t classes = out->count = classifier->shape[0];
    dho_status status;
    DHO_TRY_GOTO(dho_alloc(&weight, (size_t)classes * m.inputs, sizeof *weight, "export"));
    DHO_TRY_GOTO(dho_alloc(&bias, (size_t)classes, sizeof *bias, "export"));
    DHO_TRY_GOTO(multiply(&m, classifier->data, (size_t)classes, weight));
    add_biases(classifier, inout->tensors[find_part(inout, head, "bias")].data,
               transposed ? NULL : inout->tensors[own_bias].data, bias);
    replace(inout, at, axis, classes, weight);
    if (transposed)
        out->bias = bias;
    else
        replace(inout, own_bias, 0, classes, bias);
    return DHO_OK;
fail:
    dho_free(weight);
    dho_free(bias);
    return status;
}
