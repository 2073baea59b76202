/* dho weights inspect | convert: looks into files of weights, and makes safetensors of them. */
#include "base/json.h"
#include "cli/cli.h"
#include "cli/export_about.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/weights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static dho_status inspect(const dho_arguments *arguments)
{
    const char *path = arguments->count > 0 ? arguments->values[0] : NULL, *key = NULL;
    bool json = false;
    const dho_option options[] = {{.name = "--key", .value = &key},
                                  {.name = "--json", .flag = &json}};
    if (path == NULL || path[0] == '-')
        return dho_fail(DHO_ERR_CONFIG, "usage: dho weights inspect FILE [--key KEY] [--json]");
    const dho_arguments rest = {.count = arguments->count - 1, .values = arguments->values + 1};
    DHO_TRY(dho_cli_parse(&rest, NULL, options, sizeof options / sizeof *options));
    dho_weights *weights;
    DHO_TRY(dho_input_status(dho_weights_open(&weights, path, key)));
    dho_status status = DHO_OK;
    if (json)
        status = print_json(weights);
    else
        print_table(weights);
    dho_weights_close(&weights);
    if (status == DHO_OK && (fflush(stdout) != 0 || ferror(stdout)))
        status = dho_fail(DHO_ERR_IO, "standard output: cannot write");
    return status;
}

/* The tensors in `prefix`, without it; all of them without a prefix. */
static dho_status select_tensors(const dho_weights *weights, const char *prefix,
                                 dho_tensor_view *out, size_t *out_count)
{
    const size_t length = strlen(prefix);
    *out_count = 0;
    for (size_t i = 0; i < dho_weights_count(weights); i++) {
        const dho_tensor_view *tensor = dho_weights_at(weights, i);
        if (strncmp(tensor->name, prefix, length) != 0 || tensor->name[length] == '\0') continue;
        out[*out_count] = *tensor;
        out[(*out_count)++].name += length;
    }
    if (*out_count > 0) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "--strip: no tensor of %s begins with \"%.100s\"",
                    dho_weights_path(weights), prefix);
}

static dho_status convert(const dho_arguments *arguments)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    const char *key = NULL, *prefix = "";
    const dho_option options[] = {{.name = "--key", .value = &key},
                                  {.name = "--strip", .value = &prefix}};
    if (arguments->count < 2 || arguments->values[0][0] == '-' || arguments->values[1][0] == '-')
        return dho_fail(DHO_ERR_CONFIG, "usage: dho weights convert IN OUT.safetensors [--key KEY] "
                                        "[--strip PREFIX]");
    const char *from = arguments->values[0], *to = arguments->values[1];
    const dho_arguments rest = {.count = arguments->count - 2, .values = arguments->values + 2};
    DHO_TRY(dho_cli_parse(&rest, NULL, options, sizeof options / sizeof *options));
    if (dho_path_is_same(from, to))
        return dho_fail(DHO_ERR_CONFIG, "%s: is the input: write to another file", to);
    DHO_TRY(dho_export_check_place("OUT", to));
    dho_weights *weights = NULL;
    dho_tensor_view *tensors = NULL;
    dho_status status;
    size_t count;
    DHO_TRY_GOTO(dho_input_status(dho_weights_open(&weights, from, key)));
    DHO_TRY_GOTO(dho_alloc(&tensors, dho_weights_count(weights), sizeof *tensors, "tensors"));
    DHO_TRY_GOTO(select_tensors(weights, prefix, tensors, &count));
    DHO_TRY_GOTO(dho_safetensors_save(to, tensors, count, metadata, NULL));
    dho_info("%s: %zu tensors of %s (%s%s%s); %zu without the prefix left out", to, count, from,
             dho_weights_format(weights), dho_weights_key(weights)[0] != '\0' ? ", key " : "",
             dho_weights_key(weights), dho_weights_count(weights) - count);
fail:
    dho_free(tensors);
    dho_weights_close(&weights);
    return status;
}

/* Rank 0 alone. */
static dho_status run_inspect(const dho_arguments *arguments, dho_comm *comm)
{
    return dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? inspect(arguments) : DHO_OK);
}

static dho_status run_convert(const dho_arguments *arguments, dho_comm *comm)
{
    return dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? convert(arguments) : DHO_OK);
}

dho_status dho_command_weights(const dho_arguments *arguments, dho_comm *comm)
{
    static const dho_action actions[] = {{"inspect", run_inspect}, {"convert", run_convert}};
    return dho_cli_run_action("weights", actions, sizeof actions / sizeof *actions, arguments,
                              comm);
}
