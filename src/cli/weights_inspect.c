/* dho weights inspect */
#include "base/json.h"
#include "cli/cli.h"
#include "dho/file.h"
#include "dho/weights.h"

#include <string.h>

typedef struct inspect_arguments {
    const char *path, *key;
    bool json;
} inspect_arguments;

#define AT(member) offsetof(inspect_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("FILE", NULL, AT(path), "safetensors or PyTorch", .required = true),
    DHO_OPTION("--key", "KEY", AT(key), "where in a PyTorch file they lie"),
    DHO_OPTION("--json", NULL, AT(json), "as JSON"),
};

/* Control characters of a hostile name must not reach the terminal. */
static void print_name(const char *name, int width)
{
    int printed = 0;
    for (; name[printed] != '\0'; printed++) {
        const unsigned char c = (unsigned char)name[printed];
        putchar(c < 0x20 || c == 0x7f ? '?' : c);
    }
    printf("%*s", printed < width ? width - printed : 0, "");
}

static void print_table(const dho_weights *weights)
{
    int width = 4;
    size_t bytes = 0, elements = 0;
    const size_t count = dho_weights_count(weights);
    for (size_t i = 0; i < count; i++) {
        const size_t length = strlen(dho_weights_at(weights, i)->name);
        if (length > (size_t)width) width = length < 100 ? (int)length : 100;
    }
    printf("%-*s  %-5s %-22s %12s\n", width, "name", "dtype", "shape", "bytes");
    for (size_t i = 0; i < count; i++) {
        const dho_tensor_view *tensor = dho_weights_at(weights, i);
        char shape[256];
        print_name(tensor->name, width);
        printf("  %-5s %-22s %12zu\n", dho_dtype_name(tensor->dtype),
               dho_shape_text(tensor->dims, tensor->shape, shape, sizeof shape), tensor->bytes);
        bytes += tensor->bytes;
        elements += tensor->bytes / dho_dtype_size(tensor->dtype);
    }
    const char *key = dho_weights_key(weights);
    printf("%s%s%s: %zu tensors, %zu values, %zu bytes", dho_weights_format(weights),
           key[0] != '\0' ? ", key " : "", key, count, elements, bytes);
    if (dho_weights_skipped(weights) > 0)
        printf("; %zu entries that are no tensors", dho_weights_skipped(weights));
    if (dho_weights_other_keys(weights)[0] != '\0')
        printf("; not shown: %s (--key)", dho_weights_other_keys(weights));
    putchar('\n');
}

static json_t *describe(const dho_tensor_view *tensor)
{
    json_t *shape = json_array();
    for (int d = 0; d < tensor->dims; d++)
        json_array_append_new(shape, json_integer(tensor->shape[d]));
    return json_pack("{s:s, s:s, s:o, s:I}", "name", tensor->name, "dtype",
                     dho_dtype_name(tensor->dtype), "shape", shape, "bytes",
                     (json_int_t)tensor->bytes);
}

static dho_status print_json(const dho_weights *weights)
{
    dho_status status = DHO_OK;
    json_int_t bytes = 0;
    json_t *tensors = json_array();
    for (size_t i = 0; i < dho_weights_count(weights) && status == DHO_OK; i++) {
        const dho_tensor_view *tensor = dho_weights_at(weights, i);
        bytes += (json_int_t)tensor->bytes;
        if (json_array_append_new(tensors, describe(tensor)) != 0)
            status = dho_fail(DHO_ERR_FORMAT, "%s: tensor %zu: the name is not UTF-8 text",
                              dho_weights_path(weights), i);
    }
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "path", dho_weights_path(weights),
                  "format", dho_weights_format(weights), "key", dho_weights_key(weights), "count",
                  (json_int_t)dho_weights_count(weights), "bytes", bytes, "not_tensors",
                  (json_int_t)dho_weights_skipped(weights), "tensors", tensors);
    if (status == DHO_OK) {
        if (root == NULL || json_dumpf(root, stdout, JSON_INDENT(2)) != 0)
            status = dho_fail(DHO_ERR_IO, "standard output: cannot write");
        else
            putchar('\n');
    }
    json_decref(root);
    return status;
}

static dho_status inspect(void *given, dho_comm *comm)
{
    const inspect_arguments *arguments = given;
    dho_weights *weights;
    dho_status status = DHO_OK;
    (void)comm;
    DHO_TRY(dho_input_status(dho_weights_open(&weights, arguments->path, arguments->key)));
    if (arguments->json)
        status = print_json(weights);
    else
        print_table(weights);
    dho_weights_close(&weights);
    if (status == DHO_OK && (fflush(stdout) != 0 || ferror(stdout)))
        status = dho_fail(DHO_ERR_IO, "standard output: cannot write");
    return status;
}

const dho_command dho_command_weights_inspect = {
    .name = "weights inspect",
    .line = "the tensors of a safetensors or PyTorch file (docs/weights.md)",
    DHO_OPTIONS(options),
    .size = sizeof(inspect_arguments),
    .ranks = DHO_RANK_0,
    .run = inspect,
};
