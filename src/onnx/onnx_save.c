/* The model's face, and the file. */
#include "dho/file.h"
#include "dho/version.h"
#include "onnx/onnx_private.h"

enum { IR_VERSION = 8, OPERATOR_SET = 17 };

static Dho__Onnx__Dimension *make_dimension(dho_onnx *onnx, const char *name, int64_t size)
{
    Dho__Onnx__Dimension *dimension = dho_onnx_keep(onnx, 1, sizeof *dimension);
    if (dimension == NULL) return NULL;
    dho__onnx__dimension__init(dimension);
    dimension->has_dim_value = name == NULL;
    dimension->dim_value = size;
    if (name != NULL) dimension->dim_param = dho_onnx_keep_text(onnx, name);
    return dimension;
}

/* A float value [batch][shape ...]; NULL after a failure. */
static Dho__Onnx__ValueInfo *describe(dho_onnx *onnx, const char *name, const char *about, int dims,
                                      const int64_t *sizes)
{
    Dho__Onnx__ValueInfo *value = dho_onnx_keep(onnx, 1, sizeof *value);
    Dho__Onnx__Type *type = dho_onnx_keep(onnx, 1, sizeof *type);
    Dho__Onnx__TensorType *tensor = dho_onnx_keep(onnx, 1, sizeof *tensor);
    Dho__Onnx__Shape *shape = dho_onnx_keep(onnx, 1, sizeof *shape);
    if (shape == NULL) return NULL;
    dho__onnx__value_info__init(value);
    dho__onnx__type__init(type);
    dho__onnx__tensor_type__init(tensor);
    dho__onnx__shape__init(shape);
    value->name = dho_onnx_keep_text(onnx, name);
    value->doc_string = dho_onnx_keep_text(onnx, about);
    value->type = type;
    type->tensor_type = tensor;
    tensor->has_elem_type = true;
    tensor->elem_type = DHO_ONNX_FLOAT;
    tensor->shape = shape;
    shape->n_dim = (size_t)dims + 1;
    shape->dim = dho_onnx_keep(onnx, shape->n_dim, sizeof *shape->dim);
    if (shape->dim == NULL) return NULL;
    shape->dim[0] = make_dimension(onnx, "batch", 0);
    for (int d = 0; d < dims; d++) shape->dim[d + 1] = make_dimension(onnx, NULL, sizes[d]);
    return value;
}

const char *dho_onnx_input(dho_onnx *onnx, const char *name, const char *about, int dims,
                           const int64_t *shape)
{
    Dho__Onnx__ValueInfo *value = describe(onnx, name, about, dims, shape);
    return dho_onnx_push(onnx, &onnx->inputs, value) ? value->name : "";
}

/* Everywhere; names are the same text, not only equal. */
static void rename_value(dho_onnx *onnx, const char *from, char *to)
{
    for (size_t i = 0; i < onnx->nodes.count; i++) {
        Dho__Onnx__Node *node = onnx->nodes.items[i];
        for (size_t k = 0; k < node->n_input; k++)
            if (node->input[k] == from) node->input[k] = to;
        if (node->output[0] == from) node->output[0] = to;
    }
}

void dho_onnx_output(dho_onnx *onnx, const char *value, const char *name, const char *about,
                     int64_t width)
{
    Dho__Onnx__ValueInfo *output = describe(onnx, name, about, 1, &width);
    if (dho_onnx_push(onnx, &onnx->outputs, output)) rename_value(onnx, value, output->name);
}

void dho_onnx_metadata(dho_onnx *onnx, const char *key, const char *value)
{
    Dho__Onnx__Property *property = dho_onnx_keep(onnx, 1, sizeof *property);
    if (property == NULL) return;
    dho__onnx__property__init(property);
    property->key = dho_onnx_keep_text(onnx, key);
    property->value = dho_onnx_keep_text(onnx, value);
    dho_onnx_push(onnx, &onnx->properties, property);
}

/* protobuf-c's way to write piece by piece. */
typedef struct sink {
    ProtobufCBuffer base; /* the first member */
    dho_atomic_file *file;
    dho_status status;
} sink;

static void append(ProtobufCBuffer *buffer, size_t bytes, const uint8_t *data)
{
    sink *to = (sink *)buffer;
    if (to->status == DHO_OK) to->status = dho_atomic_file_write(to->file, data, bytes);
}

static dho_status write_model(const Dho__Onnx__Model *model, const char *path)
{
    const size_t bytes = dho__onnx__model__get_packed_size(model);
    sink to = {.base = {.append = append}};
    if (bytes > INT32_MAX)
        return dho_fail(
            DHO_ERR_CONFIG,
            "%s: would have %zu bytes, an ONNX file has at most 2 GiB (protobuf's limit)", path,
            bytes);
    DHO_TRY(dho_atomic_file_create(&to.file, path));
    dho__onnx__model__pack_to_buffer(model, &to.base);
    if (to.status == DHO_OK) return dho_atomic_file_commit(&to.file);
    dho_atomic_file_discard(&to.file);
    return to.status;
}

dho_status dho_onnx_save(dho_onnx *onnx, const char *path)
{
    Dho__Onnx__Graph graph = DHO__ONNX__GRAPH__INIT;
    Dho__Onnx__OperatorSet set = DHO__ONNX__OPERATOR_SET__INIT;
    Dho__Onnx__OperatorSet *sets[] = {&set};
    Dho__Onnx__Model model = DHO__ONNX__MODEL__INIT;
    if (onnx->failure != DHO_OK) return dho_fail(onnx->failure, "%s: %s", path, onnx->message);
    graph.name = "student";
    graph.n_node = onnx->nodes.count;
    graph.node = (Dho__Onnx__Node **)onnx->nodes.items;
    graph.n_initializer = onnx->constants.count;
    graph.initializer = (Dho__Onnx__Tensor **)onnx->constants.items;
    graph.n_input = onnx->inputs.count;
    graph.input = (Dho__Onnx__ValueInfo **)onnx->inputs.items;
    graph.n_output = onnx->outputs.count;
    graph.output = (Dho__Onnx__ValueInfo **)onnx->outputs.items;
    set.domain = "";
    set.has_version = true;
    set.version = OPERATOR_SET;
    model.has_ir_version = true;
    model.ir_version = IR_VERSION;
    model.producer_name = "dho";
    model.producer_version = DHO_VERSION;
    model.graph = &graph;
    model.n_opset_import = 1;
    model.opset_import = sets;
    model.n_metadata_props = onnx->properties.count;
    model.metadata_props = (Dho__Onnx__Property **)onnx->properties.items;
    return write_model(&model, path);
}
