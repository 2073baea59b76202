/* The configuration that the options -c and --set, or a word, name. */
#include "cli/cli.h"
#include "dho/alloc.h"

#include <string.h>

bool dho_cli_has_config(const dho_config_arguments *arguments)
{
    return arguments->path != NULL || arguments->word != NULL;
}

static dho_status load_local(dho_config_arguments *arguments, dho_config *out)
{
    const char *overrides[DHO_CLI_MAX_OVERRIDES + 1];
    char *out_override = NULL;
    size_t count = arguments->override_count;
    DHO_TRY(dho_cli_use_word(arguments));
    if (arguments->path == NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "no configuration: give one (a file, or the folder of a run)");
    memcpy(overrides, arguments->overrides, count * sizeof *overrides);
    if (arguments->out != NULL) {
        DHO_TRY(dho_asprintf(&out_override, "out=%s", arguments->out));
        overrides[count++] = out_override;
    }
    const dho_status status = dho_config_load(out, arguments->path, overrides, count);
    dho_free(out_override);
    return status;
}

dho_status dho_cli_load_config(dho_config_arguments *arguments, dho_comm *comm, dho_config *out)
{
    char *text = NULL;
    *out = (dho_config){0};
    dho_status status = dho_comm_agree(comm, load_local(arguments, out));
    if (status == DHO_OK) status = dho_comm_agree(comm, dho_config_format(out, false, &text));
    if (status == DHO_OK)
        status = dho_comm_check_equal(comm, text, strlen(text), "the configuration");
    if (status == DHO_OK) status = dho_cli_check_threads(out, comm);
    dho_free(text);
    if (status != DHO_OK) dho_config_free(out);
    return status;
}

dho_status dho_cli_load_config_or_defaults(dho_config_arguments *arguments, dho_comm *comm,
                                           dho_config *out)
{
    if (dho_cli_has_config(arguments)) return dho_cli_load_config(arguments, comm, out);
    static const char defaults[] = "{}";
    return dho_comm_agree(comm, dho_config_parse(out, defaults, sizeof defaults - 1, "defaults",
                                                 arguments->overrides, arguments->override_count));
}
