/* Commands and their actions by name, and suggestions for a slip. */
#include "cli/cli.h"
#include "config/schema.h"

#include <stdio.h>
#include <string.h>

enum { MOST_WORDS = 64 };

/* "evaluate" and "eval", "check" and "checkpoint": one begins as the other. */
static const char *begins_alike(const char *const *words, const char *text)
{
    const char *found = NULL;
    for (size_t i = 0; words[i] != NULL; i++) {
        const size_t a = strlen(words[i]), b = strlen(text), shorter = a < b ? a : b;
        if (shorter < 5 && (shorter < 3 || text[0] == '-')) continue;
        if (strncmp(words[i], text, shorter) == 0 && found == NULL) found = words[i];
    }
    return found;
}

const char *dho_cli_suggest(const char *const *words, const char *text)
{
    const char *found = dho_schema_suggest_word(words, text);
    return found != NULL ? found : begins_alike(words, text);
}

dho_status dho_cli_run_action(const char *command, const dho_action *actions, size_t count,
                              const dho_arguments *arguments, dho_comm *comm)
{
    const char *word = arguments->count > 0 ? arguments->values[0] : "";
    const dho_arguments rest = {.count = arguments->count - 1, .values = arguments->values + 1};
    const char *words[MOST_WORDS] = {NULL};
    char known[400] = "";
    for (size_t i = 0; i < count && i + 1 < MOST_WORDS; i++) {
        const size_t used = strlen(known);
        if (strcmp(word, actions[i].name) == 0) return actions[i].run(&rest, comm);
        words[i] = actions[i].name;
        snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? "|" : "", actions[i].name);
    }
    if (word[0] == '\0' || word[0] == '-')
        return dho_fail(DHO_ERR_CONFIG, "usage: dho %s %s ...", command, known);
    const char *like = dho_cli_suggest(words, word);
    const char *blank = command[0] != '\0' ? " " : "";
    if (like != NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "dho %s%s%.60s: there is no such command (did you mean dho %s%s%s?)",
                        command, blank, word, command, blank, like);
    return dho_fail(DHO_ERR_CONFIG, "dho %s%s%.60s: unknown command (known: %s)", command, blank,
                    word, known);
}
