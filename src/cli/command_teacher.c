/* dho teacher: one function per action, each in a file of its own. */
#include "cli/teacher.h"
#include "dho/file.h"

#include <string.h>

static const struct action {
    const char *name;
    dho_status (*run)(const dho_arguments *arguments, dho_comm *comm);
} actions[] = {
    {"zero-shot", dho_teacher_zero_shot},
    {"embed", dho_teacher_embed},
    {"tip-adapter", dho_teacher_tip_adapter},
};

dho_status dho_command_teacher(const dho_arguments *arguments, dho_comm *comm)
{
    const char *word = arguments->count > 0 ? arguments->values[0] : "";
    const dho_arguments rest = {.count = arguments->count - 1, .values = arguments->values + 1};
    char known[128] = "";
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(word, actions[i].name) == 0) return actions[i].run(&rest, comm);
        strncat(known, i > 0 ? "|" : "", sizeof known - strlen(known) - 1);
        strncat(known, actions[i].name, sizeof known - strlen(known) - 1);
    }
    return dho_fail(DHO_ERR_CONFIG, "usage: dho teacher %s ...", known);
}

dho_status dho_teacher_config(const dho_config_arguments *arguments, dho_comm *comm,
                              dho_config *out)
{
    if (arguments->path != NULL) return dho_cli_load_config(arguments, comm, out);
    static const char defaults[] = "{}";
    return dho_comm_agree(comm, dho_config_parse(out, defaults, sizeof defaults - 1, "defaults",
                                                 arguments->overrides, arguments->override_count));
}

dho_status dho_teacher_check_out(const char *path, dho_comm *comm)
{
    return dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? dho_file_check_place(path) : DHO_OK);
}

dho_status dho_teacher_require(const char *option, const char *value)
{
    return value != NULL ? DHO_OK : dho_fail(DHO_ERR_CONFIG, "%s: is missing", option);
}
