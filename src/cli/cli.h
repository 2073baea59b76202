/* What the subcommands share. Private to src/cli. */
#ifndef DHO_CLI_CLI_H
#define DHO_CLI_CLI_H

#include "cli/command.h"
#include "dho/checkpoint.h"
#include "dho/trainer.h"

/* Prints rank 0's versions, libraries and ranks: what a log needs to be understood later. */
void dho_cli_announce(const dho_comm *comm);
/* `dho version` with the words behind it; the exit code. */
int dho_version_print(int count, char **words);

/* Sets OpenMP's number of threads, within reason, and says where OMP_NUM_THREADS is without.
 * Collective. */
dho_status dho_cli_start_threads(dho_comm *comm);
/* Are compute.threads and data.loader_threads within reason? Warns when the ranks of a machine have
 * more threads than CPUs. Errors: DHO_ERR_CONFIG. Collective. */
dho_status dho_cli_check_threads(const dho_config *config, dho_comm *comm);

/* train_plan.c: what dho train --dry-run says. */
void dho_cli_print_dry_run(const dho_dry_run *run, const dho_config *config);

/* --- config_arguments.c: the options of the commands that read a configuration --- */

enum { DHO_CLI_MAX_OVERRIDES = 256, DHO_CLI_PATH_BYTES = 4096 };

/* `out` is for the commands whose --out names the run's folder. */
typedef struct dho_config_arguments {
    const char *path, *out;
    const char *word; /* instead of -c: a configuration, a run's folder or one of its checkpoints */
    /* What the word has become, dho_cli_use_word; "": it is no folder. */
    char run_folder[DHO_CLI_PATH_BYTES], run_config[DHO_CLI_PATH_BYTES];
    bool is_checkpoint;
    const char *overrides[DHO_CLI_MAX_OVERRIDES];
    size_t override_count;
} dho_config_arguments;

/* The rows of -c and --set, of the dho_config_arguments at an offset; behind it what else the row
 * of -c has. */
#define DHO_OPTION_CONFIG(at, ...)                                                \
    DHO_OPTION("--config", "CONFIG", (at) + offsetof(dho_config_arguments, path), \
               "the configuration (docs/configuration.md)", .letter = "-c", __VA_ARGS__)
/* The rows of a configuration as a plain word or behind -c, of which one is given, between `open`
 * and `close` in the usage line. */
#define DHO_OPTIONS_CONFIG(at, open, close)                                                     \
    DHO_OPTION("CONFIG", NULL, (at) + offsetof(dho_config_arguments, word),                     \
               "the configuration; or the folder of a run", .before = open "(", .after = " |"), \
        DHO_OPTION_CONFIG(at, .before = "", .after = ")" close)
#define DHO_OPTION_SET(at)               \
    DHO_OPTION("--set", "key=value", at, \
               "overrides a key of the configuration; may be given again", DHO_OPTION_SETTINGS)

/* Is there a configuration: a word, or -c? */
bool dho_cli_has_config(const dho_config_arguments *arguments);
/* Loads the configuration on every rank and checks that all have the same. Collective. */
dho_status dho_cli_load_config(dho_config_arguments *arguments, dho_comm *comm, dho_config *out);
/* The same; without one the defaults and --set. Collective. */
dho_status dho_cli_load_config_or_defaults(dho_config_arguments *arguments, dho_comm *comm,
                                           dho_config *out);

/* run_word.c: turns arguments->word, if there is one, into path and (where it is not given) out.
 * Local. Errors: DHO_ERR_CONFIG. */
dho_status dho_cli_use_word(dho_config_arguments *arguments);
/* The run's folder of a word that is one, or that is one of its checkpoints. */
dho_status dho_cli_find_run(const char *word, char out[DHO_CLI_PATH_BYTES], bool *is_checkpoint);

/* --- options that several commands have --- */

/* For help. */
#define DHO_CLI_CLIP_MODELS                                                        \
    "clip_rn50, clip_vit_b16, clip_vit_l14, clip_vit_l14_336 or clip_vit_h14_378 " \
    "(docs/teachers.md)"

/* The rows of --best and --weights, of the dho_checkpoint_choice at an offset. */
#define DHO_OPTION_BEST(at)                                                  \
    DHO_OPTION("--best", NULL, (at) + offsetof(dho_checkpoint_choice, best), \
               "of a run: its best checkpoint (train.keep_best), not its newest")
#define DHO_OPTIONS_CHOICE(at)                                                                \
    DHO_OPTION_BEST(at),                                                                      \
        DHO_OPTION("--weights", "ema|last", (at) + offsetof(dho_checkpoint_choice, weights),  \
                   "of a run with train.ema: the average over the steps, or the last step's " \
                   "(default: ema where there is one)",                                       \
                   DHO_OPTION_CHOICE)

/* --temperature, of a float. */
#define DHO_OPTION_TEMPERATURE(at)                                                             \
    DHO_OPTION("--temperature", "T", at,                                                       \
               "of the probabilities (default: that of the evaluation, docs/method.md; 1: as " \
               "they are)",                                                                    \
               DHO_OPTION_POSITIVE, .high = 1000)

/* --resize-mode, of a dho_clip_resize. */
#define DHO_OPTION_RESIZE_MODE(at, ...)                                                         \
    DHO_OPTION("--resize-mode", "squash|shortest", at,                                          \
               "how images get the model's size, as open_clip names it (default: the model's)", \
               DHO_OPTION_CHOICE, __VA_ARGS__)

/* --shards, of an int: the files of a cache or of a packed data set. */
#define DHO_OPTION_SHARDS(at, text, ...)                                                 \
    DHO_OPTION("--shards", "N", at, text, DHO_OPTION_INT, 1, DHO_CACHE_MAX_SHARDS, "64", \
               __VA_ARGS__)

#endif
