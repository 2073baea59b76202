/* dho teacher ...: heads for a teacher's embeddings. */
#include "cli/cli.h"

#include <string.h>

static const struct {
    const char *name;
    dho_status (*run)(const dho_arguments *arguments, dho_comm *comm);
} actions[] = {
    {"tip-adapter", dho_teacher_tip_adapter},
};

dho_status dho_command_teacher(const dho_arguments *arguments, dho_comm *comm)
{
    const char *action = arguments->count > 0 ? arguments->values[0] : "";
    const dho_arguments rest = {.count = arguments->count - 1, .values = arguments->values + 1};
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(action, actions[i].name) == 0) return actions[i].run(&rest, comm);
    return dho_fail(DHO_ERR_CONFIG, "usage: dho teacher tip-adapter ...");
}
