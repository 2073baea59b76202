#include "cli/cli.h"

#include "config/schema.h"
#include "dho/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_OPTIONS = 48 };

static bool is_option(const char *word)
{
    return word[0] == '-';
}

static const dho_option *find_option(const char *word, const dho_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_option(word) ? strcmp(word, options[i].name) == 0 : !is_option(options[i].name))
            return &options[i];
    return NULL;
}

/* " (did you mean --out?)": an option, or a key of the configuration; "" when nothing is like it.
 */
static void suggest(const char *word, bool config, const dho_option *options, size_t count,
                    char *out, size_t bytes)
{
    const char *words[MOST_OPTIONS] = {NULL};
    char key[DHO_SCHEMA_TEXT_BYTES];
    size_t used = 0;
    for (size_t i = 0; i < count && used + 3 < MOST_OPTIONS; i++)
        if (is_option(options[i].name)) words[used++] = options[i].name;
    if (config) words[used++] = "--config";
    if (config) words[used++] = "--set";
    const char *like = dho_cli_suggest(words, word), *name = word + strspn(word, "-");
    out[0] = '\0';
    if (like != NULL)
        snprintf(out, bytes, "did you mean %s? ", like);
    else if (config && is_option(word) && dho_schema_suggest(&dho_schema_config, name, key))
        snprintf(out, bytes, "did you mean --set %.60s=...? ", key);
}

static dho_status unknown_option(const char *word, bool config, const dho_option *options,
                                 size_t count)
{
    char known[800] = "", like[128];
    suggest(word, config, options, count, like, sizeof like);
    if (config) snprintf(known, sizeof known, "--config --set");
    for (size_t i = 0; i < count; i++) {
        const size_t used = strlen(known);
        if (!is_option(options[i].name)) continue;
        snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? " " : "", options[i].name);
    }
    return dho_fail(DHO_ERR_CONFIG, "unknown argument \"%.60s\" (%sknown: %s)", word, like, known);
}

dho_status dho_cli_split(int count, char **words, dho_arguments *out)
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

/* Where the value of -c or --set goes; NULL when `word` is neither. *full: --set once too often. */
static const char **config_target(dho_config_arguments *config, const char *word, bool *full)
{
    *full = false;
    if (config == NULL) return NULL;
    if (strcmp(word, "-c") == 0 || strcmp(word, "--config") == 0) return &config->path;
    if (strcmp(word, "--set") != 0) return NULL;
    *full = config->override_count == DHO_CLI_MAX_OVERRIDES;
    return *full ? NULL : &config->overrides[config->override_count++];
}

dho_status dho_cli_parse(const dho_arguments *arguments, dho_config_arguments *config,
                         const dho_option *options, size_t option_count)
{
    for (int i = 0; i < arguments->count; i++) {
        bool full;
        const char *word = arguments->values[i];
        const dho_option *option = find_option(word, options, option_count);
        if (option != NULL && option->flag != NULL) {
            *option->flag = true;
            continue;
        }
        if (option != NULL && !is_option(option->name)) {
            if (*option->value != NULL)
                return dho_fail(DHO_ERR_CONFIG, "%.100s: one word too many: %s is %.100s", word,
                                option->name, *option->value);
            *option->value = word;
            continue;
        }
        const char **target = option != NULL ? option->value : config_target(config, word, &full);
        if (option == NULL && full) return dho_fail(DHO_ERR_CONFIG, "%s: given too often", word);
        if (target == NULL) return unknown_option(word, config != NULL, options, option_count);
        if (i + 1 == arguments->count) return dho_fail(DHO_ERR_CONFIG, "%s: needs a value", word);
        *target = arguments->values[++i];
        if ((*target)[0] == '~' && ((*target)[1] == '/' || (*target)[1] == '\0'))
            return dho_fail(DHO_ERR_CONFIG,
                            "%s: \"%s\": the shell has left the \"~\" as it is: write the whole path",
                            word, *target);
    }
    return DHO_OK;
}

dho_status dho_cli_integer(const char *option, const char *text, long long low, long long high,
                           long long *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *out < low || *out > high)
        return dho_fail(DHO_ERR_CONFIG, "%s: expected a whole number from %lld to %lld, got \"%s\"",
                        option, low, high, text);
    return DHO_OK;
}

dho_status dho_cli_scale(const char *text, float *out)
{
    char *end;
    *out = strtof(text, &end);
    if (end == text || *end != '\0' || !(*out > 0) || *out > 1e6f)
        return dho_fail(DHO_ERR_CONFIG, "--scale: expected a positive number, got \"%s\"", text);
    return DHO_OK;
}

dho_status dho_cli_resize_mode(const char *text, bool *out_squash)
{
    if (text == NULL) return DHO_OK;
    *out_squash = strcmp(text, "squash") == 0;
    if (*out_squash || strcmp(text, "shortest") == 0) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "--resize-mode: expected squash or shortest, got \"%s\"", text);
}

static dho_status load_local(dho_config_arguments *arguments, dho_config *out)
{
    const char *overrides[DHO_CLI_MAX_OVERRIDES + 1];
    char *out_override = NULL;
    size_t count = arguments->override_count;
    DHO_TRY(dho_cli_use_word(arguments));
    if (arguments->path == NULL)
        return dho_fail(DHO_ERR_CONFIG, "no configuration: give one with -c FILE");
    memcpy(overrides, arguments->overrides, count * sizeof *overrides);
    if (arguments->out != NULL) {
        DHO_TRY(dho_asprintf(&out_override, "out=%s", arguments->out));
        overrides[count++] = out_override;
    }
    const dho_status status = dho_config_load(out, arguments->path, overrides, count);
    dho_free(out_override);
    return status;
}

dho_status dho_cli_load_config(dho_config_arguments *arguments, dho_comm *comm, dho_config *out)
{
    char *text = NULL;
    *out = (dho_config){0};
    dho_status status = dho_comm_agree(comm, load_local(arguments, out));
    if (status == DHO_OK) status = dho_comm_agree(comm, dho_config_format(out, false, &text));
    if (status == DHO_OK)
        status = dho_comm_check_equal(comm, text, strlen(text), "the configuration");
    if (status == DHO_OK) status = dho_cli_check_threads(out, comm);
    dho_free(text);
    if (status != DHO_OK) dho_config_free(out);
    return status;
}
