/* Where the plans of tables lie, and which there are. */
#include "dho/alloc.h"
#include "dho/config.h"
#include "dho/file.h"
#include "table/table.h"

#include <string.h>

enum { FOLDERS = 3, MOST_PLANS = 200 };

/* Where plans are: below the working directory; installed; in the source tree of this build. */
static dho_status folder_at(int i, const char *program, char **out)
{
    const char *slash = strrchr(program, '/');
    if (i == 0 || slash == NULL) return dho_strdup(out, "configs/tables");
    const int length = (int)(slash - program);
    return i == 1 ? dho_asprintf(out, "%.*s/../share/dho/configs/tables", length, program)
                  : dho_asprintf(out, "%.*s/../../configs/tables", length, program);
}

/* The path of the plan of this name; NULL when there is none. */
static dho_status look_for(const char *name, const char *program, char **out)
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
    like = dho_suggest_name(words, name);
    dho_fail(DHO_ERR_CONFIG, "%.100s: no such table (%s%s%sdho table lists those that are here)",
             name, like != NULL ? "did you mean " : "", like != NULL ? like : "",
             like != NULL ? "? " : "");
    dho_name_list_free(&names);
    return DHO_ERR_CONFIG;
}

dho_status dho_table_find(char **out, const char *name, const char *program)
{
    DHO_TRY(look_for(name, program, out));
    return *out != NULL ? DHO_OK : fail_unknown(name, program);
}

dho_status dho_table_list(const char *program, FILE *out)
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
            if (status == DHO_OK)
                fprintf(out, "%-24.*s %s\n", (int)length - 5, names.names[k], title);
            dho_free(path);
            dho_free(title);
        }
        dho_name_list_free(&names);
        dho_free(folder);
        if (there) return status;
    }
    return dho_fail(DHO_ERR_CONFIG, "configs/tables: is not here: dho table FILE.yaml");
}
