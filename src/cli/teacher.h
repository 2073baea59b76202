/* The actions of dho teacher. Private to src/cli. */
#ifndef DHO_CLI_TEACHER_H
#define DHO_CLI_TEACHER_H

#include "cli/cli.h"

/* Collective where comm has several ranks. */
dho_status dho_teacher_zero_shot(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_teacher_embed(const dho_arguments *arguments, dho_comm *comm);

/* The configuration of -c; without one, the defaults and --set. Collective. */
dho_status dho_teacher_config(dho_config_arguments *arguments, dho_comm *comm, dho_config *out);

/* Can the result be written there? Asked before the work. Collective. */
dho_status dho_teacher_check_out(const char *path, dho_comm *comm);

/* Errors: DHO_ERR_CONFIG when an option that must be there is not. */
dho_status dho_teacher_require(const char *option, const char *value);

#endif
