/* dho compare RUN ...: the evaluations of several runs as one table. */
#include "base/json.h"
#include "cli/cli.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <stdio.h>
#include <string.h>

enum { MAX_RUNS = 64 };
#define MAX_EVAL_BYTES ((size_t)64 << 20)

static dho_status load_run(const char *folder, json_t **out)
{
    char *path;
    DHO_TRY(dho_path_join(&path, folder, "eval.json"));
    dho_status status = DHO_OK;
    if (!dho_path_exists(path))
        status = dho_fail(DHO_ERR_CONFIG, "%s: is not there: run dho eval first", path);
    if (status == DHO_OK) status = dho_json_load(out, path, MAX_EVAL_BYTES);
    if (status == DHO_OK && !json_is_array(json_object_get(*out, "sets")))
        status = dho_fail(DHO_ERR_FORMAT, "%s: has no list of sets", path);
    dho_free(path);
    return status;
}

static const json_t *find_set(const json_t *run, const char *name)
{
    const json_t *sets = json_object_get(run, "sets");
    for (size_t i = 0; i < json_array_size(sets); i++) {
        const json_t *set = json_array_get(sets, i);
        const char *own = json_string_value(json_object_get(set, "name"));
        if (own != NULL && strcmp(own, name) == 0) return set;
    }
    return NULL;
}

static void print_cell(const json_t *set)
{
    const json_t *accuracy = json_object_get(set, "combined");
    const json_t *interval = json_object_get(accuracy, "top1_interval95");
    if (json_array_size(interval) != 2) {
        printf("  %17s", "-");
        return;
    }
    char cell[64];
    const bool chosen = json_is_true(json_object_get(set, "alpha_beta_chosen_here"));
    snprintf(cell, sizeof cell, "%s%.1f [%.1f %.1f]", chosen ? "*" : "",
             json_number_value(json_object_get(accuracy, "top1")),
             json_number_value(json_array_get(interval, 0)),
             json_number_value(json_array_get(interval, 1)));
    printf("  %17s", cell);
}

/* Columns are the first run's sets. */
static void print_table(char *const *names, json_t *const *runs, int count)
{
    const json_t *sets = json_object_get(runs[0], "sets");
    printf("%-28s", "run");
    for (size_t s = 0; s < json_array_size(sets); s++) {
        const json_t *set = json_array_get(sets, s);
        char head[64];
        const char *name = json_string_value(json_object_get(set, "name"));
        snprintf(head, sizeof head, "%s n=%lld", name != NULL ? name : "?",
                 (long long)json_integer_value(json_object_get(set, "images")));
        printf("  %17s", head);
    }
    putchar('\n');
    for (int r = 0; r < count; r++) {
        printf("%-28s", names[r]);
        for (size_t s = 0; s < json_array_size(sets); s++) {
            const char *name = json_string_value(json_object_get(json_array_get(sets, s), "name"));
            print_cell(name != NULL ? find_set(runs[r], name) : NULL);
        }
        putchar('\n');
    }
    puts("top-1 % of the combined prediction [95 % interval]; * alpha and beta were chosen on this "
         "set");
    fflush(stdout);
}

static dho_status compare(const dho_arguments *arguments)
{
    json_t *runs[MAX_RUNS] = {NULL};
    dho_status status = DHO_OK;
    if (arguments->count < 1 || arguments->count > MAX_RUNS)
        return dho_fail(DHO_ERR_CONFIG, "usage: dho compare RUN ... (1 to %d runs)", MAX_RUNS);
    for (int i = 0; i < arguments->count && status == DHO_OK; i++)
        status = load_run(arguments->values[i], &runs[i]);
    if (status == DHO_OK) print_table(arguments->values, runs, arguments->count);
    for (int i = 0; i < arguments->count; i++) json_decref(runs[i]);
    return status;
}

dho_status dho_command_compare(const dho_arguments *arguments, dho_comm *comm)
{
    return dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? compare(arguments) : DHO_OK);
}
