/* A command of the program: one row that parser, help, suggestions, completion and docs/commands.md
 * read. Private to src/cli. */
#ifndef DHO_CLI_COMMAND_H
#define DHO_CLI_COMMAND_H

#include "dho/comm.h"
#include "dho/config.h"
#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Words of the command line. */
typedef struct dho_arguments {
    int count;
    char **values;
} dho_arguments;

/* What an option sets in the command's structure. */
typedef enum dho_option_kind {
    DHO_OPTION_TEXT,     /* const char *; bool, when the option takes no value */
    DHO_OPTION_INT,      /* int, low .. high */
    DHO_OPTION_INT64,    /* int64_t, low .. high; or uint64_t with low >= 0 */
    DHO_OPTION_NUMBER,   /* double, low .. high */
    DHO_OPTION_POSITIVE, /* float, above 0 to high */
    DHO_OPTION_CHOICE,   /* int: the place in `value`, "fp16|int8", from 1 */
    DHO_OPTION_WORDS,   /* dho_arguments, borrowed: all words that are no options, at most `high` */
    DHO_OPTION_SETTINGS /* dho_config_arguments: one more "key=value" for the configuration */
} dho_option_kind;

typedef struct dho_option {
    const char *name;  /* "--out"; without dashes, "RUN": a word that is no option */
    const char *value; /* "DIR": what stands behind the name; NULL: nothing does */
    size_t offset;     /* of the member that it sets */
    const char *help;  /* NULL: not shown; the parser knows it so that the command can refuse it */
    dho_option_kind kind;
    long long low, high;
    const char *fallback;       /* the default, as it would be typed; NULL: the member stays 0 */
    const char *letter;         /* "-c": the same option, shorter */
    const char *needs;          /* "--search|--hold-out": has no effect without one of these */
    const char *before, *after; /* around it in the usage line; NULL: [ and ] unless required */
    bool required;
} dho_option;

/* A row; behind the four what else it has, in the order of the members or by their names. */
#define DHO_OPTION(name_, value_, offset_, help_, ...)                                        \
    {                                                                                         \
        .name = (name_), .value = (value_), .offset = (offset_), .help = (help_), __VA_ARGS__ \
    }

typedef enum dho_ranks { DHO_ALL_RANKS, DHO_RANK_0 } dho_ranks;

typedef struct dho_command {
    const char *name; /* "cache build" */
    const char *line; /* what it does */
    const char *help; /* more of it; NULL: the line says all */
    const dho_option *options;
    size_t option_count;
    size_t size;     /* bytes of the structure that the options fill */
    dho_ranks ranks; /* who runs it */
    dho_status (*run)(void *arguments, dho_comm *comm);
} dho_command;

/* Two members of a command. */
#define DHO_OPTIONS(rows) .options = (rows), .option_count = sizeof(rows) / sizeof *(rows)

/* The commands in the order of the help. A command is a word here and the file src/cli/WORD.c,
 * which defines dho_command_WORD. */
#define DHO_COMMANDS(X)    \
    X(init)                \
    X(synth)               \
    X(train)               \
    X(plan)                \
    X(watch)               \
    X(eval)                \
    X(compare)             \
    X(table)               \
    X(report)              \
    X(select)              \
    X(cache_build)         \
    X(cache_import)        \
    X(cache_info)          \
    X(cache_verify)        \
    X(teacher_zero_shot)   \
    X(teacher_embed)       \
    X(teacher_prototypes)  \
    X(teacher_tip_adapter) \
    X(data_check)          \
    X(pack)                \
    X(weights_inspect)     \
    X(weights_convert)     \
    X(predict)             \
    X(export)              \
    X(bench_step)          \
    X(bench_machine)       \
    X(bench_tune)          \
    X(bench_allreduce)     \
    X(bench_data)          \
    X(bench_rates)         \
    X(completion_bash)

#define DHO_DECLARE_COMMAND(word) extern const dho_command dho_command_##word;
DHO_COMMANDS(DHO_DECLARE_COMMAND)

extern const dho_command *const dho_commands[];
extern const size_t dho_command_count;

/* --- commands.c --- */

/* Does the command begin with this word: "cache" or "synth"? NULL: it does. */
bool dho_command_begins(const dho_command *command, const char *word);
/* The word behind the first: "build"; NULL: there is none. */
const char *dho_command_action(const dho_command *command);

/* Runs the command that the first words name. Collective. */
dho_status dho_command_run(int count, char **words, dho_comm *comm);

/* --- options.c --- */

bool dho_option_is_word(const dho_option *option);

/* Fills the command's structure, which is zero. Errors: DHO_ERR_CONFIG naming the argument. */
dho_status dho_options_parse(const dho_command *command, const dho_arguments *words, void *out);

/* --- help.c --- */

/* "usage: dho export RUN [--out FILE] ..." as an error. */
dho_status dho_fail_usage(const dho_command *command);

void dho_help_print_all(FILE *out);
/* The commands of this first word and, where there is one, this second (NULL: any), with the
 * meaning of their options; false, and nothing printed, when there are none. */
bool dho_help_print(FILE *out, const char *word, const char *action);
/* docs/commands.md */
void dho_help_print_markdown(FILE *out);
/* Man pages, dho.1 and dho-COMMAND.1, in a folder that is there; false: not all were written. */
bool dho_help_write_man(const char *folder);

#endif
