/* dho table NAME|FILE: the runs of a table, measured beside published; or those that it lacks. */
#define _GNU_SOURCE
#include "cli/cli.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "table/table.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FOLDERS = 3, PROGRAM_BYTES = 4096, MOST_PLANS = 200 };

/* This program's own path; "dho" where the system does not say. */
static void find_program(char out[PROGRAM_BYTES])
{
    const ssize_t length = readlink("/proc/self/exe", out, PROGRAM_BYTES - 1);
    if (length > 0)
        out[length] = '\0';
    else
        snprintf(out, PROGRAM_BYTES, "dho");
}

/* Where plans are: below the working directory; installed; in the source tree of this build. */
static dho_status folder_at(int i, const char *program, char **out)
{
    const char *slash = strrchr(program, '/');
    if (i == 0 || slash == NULL) return dho_strdup(out, "configs/tables");
    const int length = (int)(slash - program);
    return i == 1 ? dho_asprintf(out, "%.*s/../share/dho/configs/tables", length, program)
                  : dho_asprintf(out, "%.*s/../../configs/tables", length, program);
}

/* NAME or FILE -> the plan's path; NULL when there is no such name. */
static dho_status find_plan(const char *name, const char *program, char **out)
{
    *out = NULL;
    if (strchr(name, '/') != NULL || strstr(name, ".yaml") != NULL) return dho_strdup(out, name);
    for (int i = 0; i < FOLDERS; i++) {
        char *folder;
        DHO_TRY(folder_at(i, program, &folder));
        const dho_status status = dho_asprintf(out, "%s/%s.yaml", folder, name);
        dho_free(folder);
        DHO_TRY(status);
        if (dho_path_exists(*out)) return DHO_OK;
        dho_free(*out);
        *out = NULL;
    }
    return DHO_OK;
}

/* No table has this name: is there one like it? */
static dho_status fail_unknown(const char *name, const char *program)
{
    const char *words[MOST_PLANS + 1] = {NULL}, *like = NULL;
    dho_name_list names = {0};
    size_t used = 0;
    for (int i = 0; i < FOLDERS && used == 0; i++) {
        char *folder;
        DHO_TRY(folder_at(i, program, &folder));
        dho_name_list_free(&names);
        if (dho_path_is_folder(folder) && dho_list_folder(&names, folder) == DHO_OK)
            for (size_t k = 0; k < names.count && used < MOST_PLANS; k++) {
                char *dot = strstr(names.names[k], ".yaml");
                if (dot == NULL) continue;
                *dot = '\0';
                words[used++] = names.names[k];
            }
        dho_free(folder);
    }
    like = dho_cli_suggest(words, name);
    dho_fail(DHO_ERR_CONFIG, "%.100s: no such table (%s%s%sdho table lists those that are here)",
             name, like != NULL ? "did you mean " : "", like != NULL ? like : "",
             like != NULL ? "? " : "");
    dho_name_list_free(&names);
    return DHO_ERR_CONFIG;
}

/* The plans of the first folder that is there. */
static dho_status list_plans(const char *program)
{
    for (int i = 0; i < FOLDERS; i++) {
        char *folder;
        dho_name_list names = {0};
        DHO_TRY(folder_at(i, program, &folder));
        const bool there = dho_path_is_folder(folder);
        dho_status status = there ? dho_list_folder(&names, folder) : DHO_OK;
        for (size_t k = 0; status == DHO_OK && k < names.count; k++) {
            const size_t length = strlen(names.names[k]);
            char *path = NULL, *title = NULL;
            if (length < 6 || strcmp(names.names[k] + length - 5, ".yaml") != 0) continue;
            status = dho_path_join(&path, folder, names.names[k]);
            if (status == DHO_OK) status = dho_table_title(&title, path);
            if (status == DHO_OK) printf("%-24.*s %s\n", (int)length - 5, names.names[k], title);
            dho_free(path);
            dho_free(title);
        }
        dho_name_list_free(&names);
        dho_free(folder);
        if (there) return status;
    }
    return dho_fail(DHO_ERR_CONFIG, "configs/tables: is not here: dho table FILE.yaml");
}

static dho_status table(const dho_arguments *arguments)
{
    dho_config_arguments sets = {0};
    dho_table_options options = {.runs = "runs"};
    bool markdown = false, json = false, missing = false;
    const dho_option known[] = {
        {.name = "--runs", .value = &options.runs}, {.name = "--only", .value = &options.only},
        {.name = "--markdown", .flag = &markdown},  {.name = "--json", .flag = &json},
        {.name = "--missing", .flag = &missing},
    };
    char program[PROGRAM_BYTES], *path;
    find_program(program);
    if (arguments->count == 0) return list_plans(program);
    if (arguments->values[0][0] == '-')
        return dho_fail(DHO_ERR_CONFIG, "usage: dho table NAME|FILE [--runs DIR] "
                                        "[--only axis=value,...] [--set key=value ...] "
                                        "[--markdown | --json | --missing]");
    const dho_arguments rest = {arguments->count - 1, arguments->values + 1};
    DHO_TRY(dho_cli_parse(&rest, &sets, known, sizeof known / sizeof *known));
    if (sets.path != NULL)
        return dho_fail(DHO_ERR_CONFIG, "-c: a table names its configurations itself");
    if (markdown + json + missing > 1)
        return dho_fail(DHO_ERR_CONFIG, "--markdown, --json, --missing: one of them");
    options.overrides = sets.overrides;
    options.override_count = sets.override_count;
    DHO_TRY(find_plan(arguments->values[0], program, &path));
    if (path == NULL) return fail_unknown(arguments->values[0], program);
    dho_table *opened = NULL;
    dho_status status = dho_table_open(&opened, path, &options);
    if (status == DHO_OK)
        status = dho_table_write(opened,
                                 markdown  ? DHO_TABLE_MARKDOWN
                                 : json    ? DHO_TABLE_JSON
                                 : missing ? DHO_TABLE_SCRIPT
                                           : DHO_TABLE_TEXT,
                                 program, stdout);
    dho_table_destroy(&opened);
    dho_free(path);
    return status;
}

dho_status dho_command_table(const dho_arguments *arguments, dho_comm *comm)
{
    return dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? table(arguments) : DHO_OK);
}
