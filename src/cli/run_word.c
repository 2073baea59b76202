/* What the word of `dho train WORD`, `dho eval WORD` and `dho export WORD` stands for. */
#include "cli/cli.h"
#include "dho/alloc.h"
#include "dho/checkpoint.h"
#include "dho/file.h"

#include <stdio.h>
#include <string.h>

static bool has_file(const char *folder, const char *name)
{
    char *path;
    if (dho_path_join(&path, folder, name) != DHO_OK) return false;
    const bool there = dho_path_exists(path);
    dho_free(path);
    return there;
}

dho_status dho_cli_find_run(const char *word, char out[DHO_CLI_PATH_BYTES], bool *is_checkpoint)
{
    char path[DHO_CLI_PATH_BYTES];
    size_t length = strlen(word);
    while (length > 1 && word[length - 1] == '/') length--;
    if (length + 32 > sizeof path) return dho_fail(DHO_ERR_CONFIG, "%.100s...: too long", word);
    snprintf(path, sizeof path, "%.*s", (int)length, word);
    *is_checkpoint = has_file(path, "state.json");
    if (length > 12 && strcmp(path + length - 12, "/checkpoints") == 0) path[length - 12] = '\0';
    if (*is_checkpoint) {
        char *run;
        DHO_TRY(dho_checkpoint_run(path, &run));
        snprintf(out, DHO_CLI_PATH_BYTES, "%.*s", DHO_CLI_PATH_BYTES - 1, run);
        dho_free(run);
    } else {
        memcpy(out, path, sizeof path);
    }
    if (dho_path_is_folder(path)) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    dho_path_exists(path) ? "%s: is no folder" : "%s: no such file or folder",
                    word);
}

dho_status dho_cli_use_word(dho_config_arguments *arguments)
{
    const char *word = arguments->word;
    if (word == NULL) return DHO_OK;
    if (word[0] == '\0')
        return dho_fail(DHO_ERR_CONFIG, "an empty word stands where a configuration or the folder "
                                        "of a run is expected");
    if (arguments->path != NULL)
        return dho_fail(DHO_ERR_CONFIG, "%s and -c %s: both say which configuration, give one",
                        word, arguments->path);
    if (dho_path_exists(word) && !dho_path_is_folder(word)) {
        const size_t length = strlen(word);
        if (length > 12 && strcmp(word + length - 12, ".safetensors") == 0)
            return dho_fail(DHO_ERR_CONFIG,
                            "%s: holds weights: give the folder of the run or of "
                            "the checkpoint",
                            word);
        arguments->path = word;
        return DHO_OK;
    }
    DHO_TRY(dho_cli_find_run(word, arguments->run_folder, &arguments->is_checkpoint));
    if (!has_file(arguments->run_folder, "config.yaml"))
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: is no folder of a run: %s/config.yaml is not there (or give a "
                        "configuration with -c FILE)",
                        word, arguments->run_folder);
    snprintf(arguments->run_config, sizeof arguments->run_config, "%.*s/config.yaml",
             DHO_CLI_PATH_BYTES - 16, arguments->run_folder);
    arguments->path = arguments->run_config;
    if (arguments->out == NULL) arguments->out = arguments->run_folder;
    return DHO_OK;
}
