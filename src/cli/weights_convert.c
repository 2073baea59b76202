/* dho weights convert */
#include "cli/cli.h"
#include "dho/weights.h"

typedef struct convert_arguments {
    const char *from, *to, *key, *prefix;
} convert_arguments;

#define AT(member) offsetof(convert_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("IN", NULL, AT(from), "safetensors or PyTorch", .required = true),
    DHO_OPTION("OUT.safetensors", NULL, AT(to), "what is written", .required = true),
    DHO_OPTION("--key", "KEY", AT(key), "where in a PyTorch file they lie"),
    DHO_OPTION("--strip", "PREFIX", AT(prefix), "takes only names that begin so, without it"),
};

static dho_status convert(void *given, dho_comm *comm)
{
    const convert_arguments *from = given;
    (void)comm;
    return dho_weights_convert(from->from, from->key, from->prefix != NULL ? from->prefix : "",
                               from->to);
}

const dho_command dho_command_weights_convert = {
    .name = "weights convert",
    .line = "the same tensors as safetensors",
    DHO_OPTIONS(options),
    .size = sizeof(convert_arguments),
    .ranks = DHO_RANK_0,
    .run = convert,
};
