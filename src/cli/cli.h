/* What the subcommands share. Private to src/cli. */
#ifndef DHO_CLI_CLI_H
#define DHO_CLI_CLI_H

#include "dho/comm.h"
#include "dho/config.h"
#include "dho/status.h"

#include <stdbool.h>

/* The arguments behind the subcommand's name. */
typedef struct dho_arguments {
    int count;
    char **values;
} dho_arguments;

/* One option of a subcommand: "--name VALUE" ("-x VALUE" with a short form) or, with flag, alone. */
typedef struct dho_option {
    const char *name;   /* "--out" */
    const char *short_name; /* "-c", or NULL */
    const char **value; /* where its value goes; or ... */
    bool *flag;         /* ... the flag that it sets */
    const char **list;  /* or a list of values that grows, [list_capacity] */
    size_t *list_count;
    size_t list_capacity;
} dho_option;

/* Takes the options apart. Errors: DHO_ERR_CONFIG naming the argument. */
dho_status dho_cli_parse(const dho_arguments *arguments, const dho_option *options,
                         size_t option_count);

/* A whole number in a range. */
dho_status dho_cli_integer(const char *option, const char *text, long long low, long long high,
                           long long *out);

enum { DHO_CLI_MAX_OVERRIDES = 256 };

/* Prints rank 0's versions, libraries and ranks: what a log needs to be understood later. */
void dho_cli_announce(const dho_comm *comm);

/* -c, --set and --out of the commands that read a configuration. */
typedef struct dho_config_arguments {
    const char *path, *out;
    const char *overrides[DHO_CLI_MAX_OVERRIDES];
    size_t override_count;
} dho_config_arguments;

/* Loads the configuration on every rank and checks that all have the same. Collective. */
dho_status dho_cli_load_config(const dho_config_arguments *arguments, dho_comm *comm,
                               dho_config *out);

/* The subcommands. Collective where comm has several ranks. */
dho_status dho_command_train(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_eval(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_cache(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_synth(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_compare(const dho_arguments *arguments, dho_comm *comm);

#endif
