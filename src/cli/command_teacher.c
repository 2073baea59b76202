/* dho teacher: one function per action, each in a file of its own. */
#include "cli/teacher.h"
#include "dho/file.h"

dho_status dho_command_teacher(const dho_arguments *arguments, dho_comm *comm)
{
    static const dho_action actions[] = {{"zero-shot", dho_teacher_zero_shot},
                                         {"embed", dho_teacher_embed},
                                         {"tip-adapter", dho_teacher_tip_adapter}};
    return dho_cli_run_action("teacher", actions, sizeof actions / sizeof *actions, arguments,
                              comm);
}

dho_status dho_teacher_config(dho_config_arguments *arguments, dho_comm *comm, dho_config *out)
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
