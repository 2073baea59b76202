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

/* "--name=VALUE" becomes two words; the others stay. The words are borrowed and changed, the list
 * is owned: dho_free(out->values). */
dho_status dho_cli_split(int count, char **words, dho_arguments *out);

/* One option of a subcommand: "--name VALUE" or, with flag, alone. */
typedef struct dho_option {
    const char *name;   /* "--out" */
    const char **value; /* where its value goes; or ... */
    bool *flag;         /* ... the flag that it sets */
} dho_option;

/* A whole number in a range. */
dho_status dho_cli_integer(const char *option, const char *text, long long low, long long high,
                           long long *out);

/* --scale: a positive number. */
dho_status dho_cli_scale(const char *text, float *out);
/* --resize-mode: open_clip's words, "squash" or "shortest"; NULL leaves *out_squash as it is. */
dho_status dho_cli_resize_mode(const char *text, bool *out_squash);

enum { DHO_CLI_MAX_OVERRIDES = 256 };

/* Prints rank 0's versions, libraries and ranks: what a log needs to be understood later. */
void dho_cli_announce(const dho_comm *comm);

/* What the commands that read a configuration take: -c (--config) FILE and --set key=value; `out`
 * is for those whose --out names the run's folder. */
typedef struct dho_config_arguments {
    const char *path, *out;
    const char *overrides[DHO_CLI_MAX_OVERRIDES];
    size_t override_count;
} dho_config_arguments;

/* Takes the options apart; config (NULL: none) receives -c and --set.
 * Errors: DHO_ERR_CONFIG naming the argument. */
dho_status dho_cli_parse(const dho_arguments *arguments, dho_config_arguments *config,
                         const dho_option *options, size_t option_count);

/* Loads the configuration on every rank and checks that all have the same. Collective. */
dho_status dho_cli_load_config(const dho_config_arguments *arguments, dho_comm *comm,
                               dho_config *out);

/* The subcommands. Collective where comm has several ranks. */
dho_status dho_command_train(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_eval(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_cache(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_synth(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_compare(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_table(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_report(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_weights(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_bench(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_bench_step(const dho_arguments *arguments);
dho_status dho_bench_allreduce(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_pack(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_data(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_bench_data(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_teacher(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_teacher_tip_adapter(const dho_arguments *arguments, dho_comm *comm);
/* dho cache import with --fkd or --tinyvit. */
bool dho_cli_imports_labels(const dho_arguments *arguments);
dho_status dho_cli_import_labels(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_cli_cache_info(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_cli_cache_verify(const dho_arguments *arguments, dho_comm *comm);
dho_status dho_command_export(const dho_arguments *arguments, dho_comm *comm);

#endif
