/* Options by a command's table. */
#include "cli/cli.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_OPTIONS = 48 };

/* What is being filled. */
typedef struct parser {
    const dho_command *command;
    char *out;
    bool given[MOST_OPTIONS];
} parser;

bool dho_option_is_word(const dho_option *option)
{
    return option->name[0] != '-';
}

static bool is_flag(const dho_option *option)
{
    return option->value == NULL && !dho_option_is_word(option);
}

/* The place, from 1, of the word among those of a value "fp16|int8"; 0: it is not there. */
static int choice_of(const dho_option *option, const char *word)
{
    const char *at = option->value;
    for (int i = 1; at != NULL; i++) {
        const size_t length = strcspn(at, "|");
        if (strlen(word) == length && strncmp(word, at, length) == 0) return i;
        at = at[length] != '\0' ? at + length + 1 : NULL;
    }
    return 0;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0'; /* "-": standard input */
}

static ptrdiff_t find_option(const dho_command *command, const char *word)
{
    for (size_t i = 0; i < command->option_count; i++) {
        const dho_option *option = &command->options[i];
        if (!is_option(word) ? dho_option_is_word(option)
                             : strcmp(word, option->name) == 0 ||
                                   (option->letter != NULL && strcmp(word, option->letter) == 0))
            return (ptrdiff_t)i;
    }
    return -1;
}

/* "did you mean --out? ": an option, or a key of the configuration; "" when nothing is like it. */
static void suggest(const dho_command *command, const char *word, char *out, size_t bytes)
{
    const char *words[MOST_OPTIONS + 1] = {NULL};
    char key[DHO_CONFIG_KEY_BYTES];
    size_t used = 0;
    bool configured = false;
    for (size_t i = 0; i < command->option_count; i++) {
        if (!dho_option_is_word(&command->options[i])) words[used++] = command->options[i].name;
        configured |= command->options[i].kind == DHO_OPTION_SETTINGS;
    }
    const char *like = dho_suggest_name(words, word), *name = word + strspn(word, "-");
    out[0] = '\0';
    if (like != NULL)
        snprintf(out, bytes, "did you mean %s? ", like);
    else if (configured && is_option(word) && dho_config_suggest_key(name, key))
        snprintf(out, bytes, "did you mean --set %.60s=...? ", key);
}

static dho_status fail_unknown(const dho_command *command, const char *word)
{
    char known[800] = "", like[128];
    suggest(command, word, like, sizeof like);
    for (size_t i = 0; i < command->option_count; i++) {
        const dho_option *option = &command->options[i];
        const size_t used = strlen(known);
        if (!dho_option_is_word(option) && option->help != NULL)
            snprintf(known + used, sizeof known - used, " %s", option->name);
    }
    if (command->option_count == 0)
        return dho_fail(DHO_ERR_CONFIG, "unknown argument \"%.60s\" (%s takes none)", word,
                        command->name);
    if (known[0] == '\0') {
        const dho_option *first = &command->options[0];
        return dho_fail(DHO_ERR_CONFIG, "unknown argument \"%.60s\" (%s takes %s only)", word,
                        command->name, first->kind == DHO_OPTION_WORDS ? "runs" : first->name);
    }
    return dho_fail(DHO_ERR_CONFIG, "unknown argument \"%.60s\" (%sknown:%s)", word, like, known);
}

static dho_status fail_choice(const dho_option *option, const char *text)
{
    char expected[200] = "";
    for (const char *at = option->value; *at != '\0';) {
        const size_t length = strcspn(at, "|"), used = strlen(expected);
        const char *rest = at[length] == '|' ? at + length + 1 : "";
        snprintf(expected + used, sizeof expected - used, "%s%.*s",
                 used == 0         ? ""
                 : rest[0] == '\0' ? " or "
                                   : ", ",
                 (int)length, at);
        at = rest;
    }
    return dho_fail(DHO_ERR_CONFIG, "%s: expected %s, got \"%s\"", option->name, expected, text);
}

static dho_status set_integer(const dho_option *option, const char *text, void *member)
{
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < option->low || value > option->high)
        return dho_fail(DHO_ERR_CONFIG, "%s: expected a whole number from %lld to %lld, got \"%s\"",
                        option->name, option->low, option->high, text);
    if (option->kind == DHO_OPTION_INT)
        *(int *)member = (int)value;
    else
        *(int64_t *)member = value;
    return DHO_OK;
}

static dho_status set_number(const dho_option *option, const char *text, void *member)
{
    char *end;
    if (option->kind == DHO_OPTION_POSITIVE) {
        float *out = member;
        *out = strtof(text, &end);
        if (end != text && *end == '\0' && *out > 0 && *out <= (float)option->high) return DHO_OK;
        return dho_fail(DHO_ERR_CONFIG, "%s: expected a positive number, got \"%s\"", option->name,
                        text);
    }
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= (double)option->low) ||
        !(value <= (double)option->high))
        return dho_fail(DHO_ERR_CONFIG, "%s: expected a number from %lld to %lld, got \"%s\"",
                        option->name, option->low, option->high, text);
    *(double *)member = value;
    return DHO_OK;
}

static dho_status add_setting(dho_config_arguments *config, const char *name, const char *text)
{
    if (config->override_count == DHO_CLI_MAX_OVERRIDES)
        return dho_fail(DHO_ERR_CONFIG, "%s: given too often", name);
    config->overrides[config->override_count++] = text;
    return DHO_OK;
}

static dho_status set_member(const dho_option *option, const char *text, char *out)
{
    void *member = out + option->offset;
    switch (option->kind) {
    case DHO_OPTION_INT:
    case DHO_OPTION_INT64:
        return set_integer(option, text, member);
    case DHO_OPTION_NUMBER:
    case DHO_OPTION_POSITIVE:
        return set_number(option, text, member);
    case DHO_OPTION_CHOICE:
        *(int *)member = choice_of(option, text);
        return *(int *)member > 0 ? DHO_OK : fail_choice(option, text);
    case DHO_OPTION_SETTINGS:
        return add_setting(member, option->name, text);
    case DHO_OPTION_TEXT:
    case DHO_OPTION_WORDS:
        break;
    }
    *(const char **)member = text;
    return DHO_OK;
}

/* A word that is no option. Of several the list begins at the words' own begin, where those that
 * were read are not needed any more. */
static dho_status take_word(parser *p, size_t i, const dho_arguments *words, char *word)
{
    const dho_option *option = &p->command->options[i];
    if (option->kind == DHO_OPTION_WORDS) {
        dho_arguments *list = (void *)(p->out + option->offset);
        if (list->count == option->high)
            return dho_fail(DHO_ERR_CONFIG, "%.100s: one word too many: dho %s takes %lld", word,
                            p->command->name, option->high);
        list->values = words->values;
        list->values[list->count++] = word;
        p->given[i] = true;
        return DHO_OK;
    }
    const size_t next = i + 1; /* the words of "IN OUT" are one behind the other */
    if (p->given[i] && next < p->command->option_count &&
        dho_option_is_word(&p->command->options[next]))
        return take_word(p, next, words, word);
    if (p->given[i])
        return dho_fail(DHO_ERR_CONFIG, "%.100s: one word too many: %s is %.100s", word,
                        option->name, *(const char **)(void *)(p->out + option->offset));
    p->given[i] = true;
    return set_member(option, word, p->out);
}

static dho_status take_words(parser *p, const dho_arguments *words)
{
    for (int i = 0; i < words->count; i++) {
        char *word = words->values[i];
        const ptrdiff_t at = find_option(p->command, word);
        if (at < 0) return fail_unknown(p->command, word);
        const dho_option *option = &p->command->options[at];
        if (dho_option_is_word(option)) {
            DHO_TRY(take_word(p, (size_t)at, words, word));
            continue;
        }
        p->given[at] = true;
        if (is_flag(option)) {
            *(bool *)(p->out + option->offset) = true;
            continue;
        }
        if (i + 1 == words->count) return dho_fail(DHO_ERR_CONFIG, "%s: needs a value", word);
        const char *value = words->values[++i];
        if (value[0] == '~' && (value[1] == '/' || value[1] == '\0'))
            return dho_fail(
                DHO_ERR_CONFIG,
                "%s: \"%s\": the shell has left the \"~\" as it is: write the whole path", word,
                value);
        DHO_TRY(set_member(option, value, p->out));
    }
    return DHO_OK;
}

static bool any_given(const parser *p, const char *names)
{
    const dho_option wanted = {.value = names};
    for (size_t i = 0; i < p->command->option_count; i++)
        if (p->given[i] && choice_of(&wanted, p->command->options[i].name) > 0) return true;
    return false;
}

/* "--epochs, --batch: need --fine-tune", of all options that need the same. */
static dho_status fail_needs(const dho_command *command, const char *needs)
{
    char names[200] = "", first[64];
    int count = 0;
    for (size_t i = 0; i < command->option_count; i++) {
        const dho_option *option = &command->options[i];
        const size_t used = strlen(names);
        if (option->needs == NULL || strcmp(option->needs, needs) != 0) continue;
        snprintf(names + used, sizeof names - used, "%s%s", count++ > 0 ? ", " : "", option->name);
    }
    const char *bar = strchr(needs, '|');
    snprintf(first, sizeof first, "%.*s", (int)strcspn(needs, "|"), needs);
    return dho_fail(DHO_ERR_CONFIG, "%s: need%s %s%s%s", names, count == 1 ? "s" : "", first,
                    bar != NULL ? " or " : "", bar != NULL ? bar + 1 : "");
}

static dho_status check_given(const parser *p)
{
    for (size_t i = 0; i < p->command->option_count; i++) {
        const dho_option *option = &p->command->options[i];
        if (option->required && !p->given[i])
            return dho_option_is_word(option)
                       ? dho_fail_usage(p->command)
                       : dho_fail(DHO_ERR_CONFIG, "%s: is missing", option->name);
        if (option->needs != NULL && p->given[i] && !any_given(p, option->needs))
            return fail_needs(p->command, option->needs);
    }
    return DHO_OK;
}

dho_status dho_options_parse(const dho_command *command, const dho_arguments *words, void *out)
{
    parser p = {.command = command, .out = out};
    for (size_t i = 0; i < command->option_count; i++)
        if (command->options[i].fallback != NULL)
            DHO_TRY(set_member(&command->options[i], command->options[i].fallback, out));
    DHO_TRY(take_words(&p, words));
    return check_given(&p);
}
