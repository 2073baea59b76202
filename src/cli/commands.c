/* The list of commands; which one the words mean, and suggestions for a slip. */
#include "cli/command.h"
#include "dho/alloc.h"

#include <string.h>

#define POINT_TO(word) &dho_command_##word,
const dho_command *const dho_commands[] = {DHO_COMMANDS(POINT_TO)};
const size_t dho_command_count = sizeof dho_commands / sizeof *dho_commands;

enum { MOST_WORDS = 64 };

bool dho_command_begins(const dho_command *command, const char *word)
{
    const size_t length = strcspn(command->name, " ");
    return word == NULL || (strlen(word) == length && strncmp(command->name, word, length) == 0);
}

const char *dho_command_action(const dho_command *command)
{
    const char *blank = strchr(command->name, ' ');
    return blank != NULL ? blank + 1 : NULL;
}

/* The words that may stand here, each once: behind `first`, or (NULL) as the first one. They are
 * owned, and NULL is behind the last: dho_free each of them. */
static dho_status list_words(const char *first, char *out[MOST_WORDS])
{
    size_t count = 0;
    for (size_t i = 0; i < dho_command_count && count + 1 < MOST_WORDS; i++) {
        const dho_command *command = dho_commands[i];
        const char *word = first != NULL ? dho_command_action(command) : command->name;
        if (!dho_command_begins(command, first)) continue;
        const size_t length = strcspn(word, " ");
        if (count > 0 && strlen(out[count - 1]) == length &&
            strncmp(out[count - 1], word, length) == 0)
            continue;
        DHO_TRY(dho_strndup(&out[count++], word, length));
    }
    return DHO_OK;
}

static dho_status describe_unknown(const char *first, const char *word, char *const *words)
{
    const char *blank = first != NULL ? " " : "";
    char known[400] = "";
    for (size_t i = 0; words[i] != NULL; i++) {
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? "|" : "", words[i]);
    }
    if (first == NULL) first = "";
    if (word[0] == '\0' || word[0] == '-')
        return dho_fail(DHO_ERR_CONFIG, "usage: dho %s%s%s ...", first, blank, known);
    const char *like = dho_suggest_name((const char *const *)words, word);
    if (like != NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "dho %s%s%.60s: there is no such command (did you mean dho %s%s%s?)", first,
                        blank, word, first, blank, like);
    return dho_fail(DHO_ERR_CONFIG, "dho %s%s%.60s: unknown command (known: %s)", first, blank,
                    word, known);
}

/* No command has this word behind `first` (NULL: as the first). */
static dho_status fail_unknown(const char *first, const char *word)
{
    char *words[MOST_WORDS] = {NULL};
    dho_status status = list_words(first, words);
    if (status == DHO_OK) status = describe_unknown(first, word, words);
    for (size_t i = 0; words[i] != NULL; i++) dho_free(words[i]);
    return status;
}

/* The command that the words name, and how many of them do. */
static dho_status find_command(const dho_arguments *words, const dho_command **out, int *out_used)
{
    const char *first = words->count > 0 ? words->values[0] : "", *known = NULL;
    const char *second = words->count > 1 ? words->values[1] : "";
    for (size_t i = 0; i < dho_command_count; i++) {
        const char *action = dho_command_action(dho_commands[i]);
        if (!dho_command_begins(dho_commands[i], first)) continue;
        known = first;
        *out = dho_commands[i];
        *out_used = action != NULL ? 2 : 1;
        if (action == NULL || strcmp(action, second) == 0) return DHO_OK;
    }
    return fail_unknown(known, known != NULL ? second : first);
}

/* "--name=VALUE" becomes two words; the others stay. The words are borrowed and changed, the list
 * is owned: dho_free(out->values). */
static dho_status split(int count, char **words, dho_arguments *out)
{
    *out = (dho_arguments){0};
    DHO_TRY(dho_alloc(&out->values, 2 * (size_t)count + 1, sizeof *out->values, "arguments"));
    for (int i = 0; i < count; i++) {
        char *equals = strncmp(words[i], "--", 2) == 0 ? strchr(words[i], '=') : NULL;
        if (equals != NULL) *equals = '\0';
        out->values[out->count++] = words[i];
        if (equals != NULL) out->values[out->count++] = equals + 1;
    }
    return DHO_OK;
}

/* *out: the command's arguments, owned. Local. */
static dho_status parse(const dho_arguments *all, const dho_command **out_command, char **out)
{
    int used = 0;
    DHO_TRY(find_command(all, out_command, &used));
    DHO_TRY(dho_alloc_zero(out, (*out_command)->size + 1, 1, "arguments"));
    const dho_arguments rest = {all->count - used, all->values + used};
    return dho_options_parse(*out_command, &rest, *out);
}

static dho_status run(const dho_command *command, void *arguments, dho_comm *comm)
{
    if (command->ranks != DHO_RANK_0) return command->run(arguments, comm);
    const dho_status local = dho_comm_rank(comm) == 0 ? command->run(arguments, comm) : DHO_OK;
    return dho_comm_agree(comm, local);
}

dho_status dho_command_run(int count, char **words, dho_comm *comm)
{
    dho_arguments all;
    const dho_command *command = NULL;
    char *arguments = NULL;
    dho_status status = split(count, words, &all);
    if (status == DHO_OK) status = parse(&all, &command, &arguments);
    status = dho_comm_agree(comm, status);
    if (status == DHO_OK) status = run(command, arguments, comm);
    dho_free(arguments);
    dho_free(all.values);
    return status;
}
