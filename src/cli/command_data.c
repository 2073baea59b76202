#include "cli/cli.h"
#include "dho/data_check.h"
#include "dho/file.h"
#include "dho/teacher_cache.h"

#include <stdio.h>

/* Does the head fit the cache? */
static dho_status check_head(const dho_cache_spec *spec, const char *path)
{
    dho_teacher_head head;
    if (path[0] == '\0' || spec->payload != DHO_CACHE_EMBEDDING) return DHO_OK;
    DHO_TRY(dho_teacher_head_load(&head, path, spec->classes, spec->dim));
    const dho_status status = dho_teacher_head_judge(&head, path);
    dho_teacher_head_free(&head);
    return status;
}

/* Does the teacher cache, if there is one, belong to these images? It may be built later. */
static bool check_cache(const dho_config *config, const dho_data_check_result *data)
{
    const char *folder = config->teacher.cache, *head = config->teacher.head;
    dho_cache *cache;
    if (config->method == DHO_METHOD_CE || folder[0] == '\0' || !dho_path_exists(folder)) {
        if (config->method != DHO_METHOD_CE)
            printf("teacher cache: %s%s\n",
                   folder[0] != '\0' ? "not there yet: " : "none named yet (teacher.cache)",
                   folder);
        return true;
    }
    dho_status status = dho_cache_open(&cache, folder);
    if (status == DHO_OK) {
        status = dho_cache_check_dataset(cache, data->fingerprint, data->count);
        if (status == DHO_OK) status = check_head(dho_cache_get_spec(cache), head);
        dho_cache_close(&cache);
    }
    if (status == DHO_OK)
        printf("teacher cache %s: of these images\n", folder);
    else
        printf("teacher cache %s\n  PROBLEM: %s\n", folder, dho_error_message());
    fflush(stdout);
    return status == DHO_OK;
}

static dho_status run_check(const dho_config *config, dho_comm *comm,
                            const dho_data_check_options *options)
{
    dho_data_check_result result;
    DHO_TRY(dho_data_check(config, comm, options, &result));
    int64_t problems = result.problems;
    if (dho_comm_rank(comm) == 0 && result.count > 0) problems += !check_cache(config, &result);
    DHO_TRY(dho_comm_max_int64(comm, &problems, 1));
    if (problems > 0)
        return dho_fail(DHO_ERR_FORMAT, "data check: %lld problem%s", (long long)problems,
                        problems == 1 ? "" : "s");
    if (dho_comm_rank(comm) == 0) printf("no problems\n");
    return DHO_OK;
}

static dho_status check(const dho_arguments *arguments, dho_comm *comm)
{
    dho_config_arguments from = {0};
    dho_data_check_options check_options = {0};
    const dho_option options[] = {
        {.name = "CONFIG", .value = &from.word},
        {.name = "--decode", .flag = &check_options.decode},
        {.name = "--classes", .flag = &check_options.classes},
    };
    dho_config config;
    DHO_TRY(dho_cli_parse(arguments, &from, options, sizeof options / sizeof *options));
    DHO_TRY(dho_cli_load_config(&from, comm, &config));
    dho_status status = DHO_OK;
    if (config.data.root[0] == '\0' && config.eval.set_count == 0)
        status = dho_fail(DHO_ERR_CONFIG, "%s: neither data.root nor eval.sets: no data to check",
                          from.path);
    if (status == DHO_OK) status = run_check(&config, comm, &check_options);
    dho_config_free(&config);
    return status;
}

dho_status dho_command_data(const dho_arguments *arguments, dho_comm *comm)
{
    static const dho_action actions[] = {{"check", check}};
    return dho_cli_run_action("data", actions, sizeof actions / sizeof *actions, arguments, comm);
}
