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

/* One option of a subcommand: "--name VALUE" or, with flag, alone. A name without dashes, "RUN", is
 * of the word that is no option. */
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

/* Sets OpenMP's number of threads, within reason, and says where OMP_NUM_THREADS is without.
 * Collective. */
dho_status dho_cli_start_threads(dho_comm *comm);
/* Are compute.threads and data.loader_threads within reason? Warns when the ranks of a machine have
 * more threads than CPUs. Errors: DHO_ERR_CONFIG. Collective. */
dho_status dho_cli_check_threads(const dho_config *config, dho_comm *comm);

/* What the commands that read a configuration take: -c (--config) FILE and --set key=value; `out`
 * is for those whose --out names the run's folder. */
enum { DHO_CLI_PATH_BYTES = 4096 };
typedef struct dho_config_arguments {
    const char *path, *out;
    const char *word; /* instead of -c: a configuration, a run's folder or one of its checkpoints */
    /* What the word has become, dho_cli_use_word; "": it is no folder. */
    char run_folder[DHO_CLI_PATH_BYTES], run_config[DHO_CLI_PATH_BYTES];
    bool is_checkpoint;
    const char *overrides[DHO_CLI_MAX_OVERRIDES];
    size_t override_count;
} dho_config_arguments;

/* Takes the options apart; config (NULL: none) receives -c and --set.
 * Errors: DHO_ERR_CONFIG naming the argument. */
dho_status dho_cli_parse(const dho_arguments *arguments, dho_config_arguments *config,
                         const dho_option *options, size_t option_count);

/* Loads the configuration on every rank and checks that all have the same. Collective. */
dho_status dho_cli_load_config(dho_config_arguments *arguments, dho_comm *comm, dho_config *out);

/* run_word.c: turns arguments->word, if there is one, into path and (where it is not given) out.
 * Local. Errors: DHO_ERR_CONFIG. */
dho_status dho_cli_use_word(dho_config_arguments *arguments);
/* The run's folder of a word that is one, or that is one of its checkpoints. */
dho_status dho_cli_find_run(const char *word, char out[DHO_CLI_PATH_BYTES], bool *is_checkpoint);

/* actions.c: of `words`, whose last is NULL, what `text` may have meant; NULL: none is like it. */
const char *dho_cli_suggest(const char *const *words, const char *text);

/* A command, or what comes behind its name. */
typedef struct dho_action {
    const char *name;
    dho_status (*run)(const dho_arguments *arguments, dho_comm *comm);
} dho_action;
/* Runs the action that the first argument names; `command`: the words before it, "" for none. */
dho_status dho_cli_run_action(const char *command, const dho_action *actions, size_t count,
                              const dho_arguments *arguments, dho_comm *comm);

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
dho_status dho_bench_step(const dho_arguments *arguments, dho_comm *comm);
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
