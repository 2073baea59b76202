/* dho data check */
#include "dho/data_check.h"

#include "cli/cli.h"
#include "dho/file.h"
#include "dho/teacher_cache.h"

typedef struct check_arguments {
    dho_config_arguments from;
    dho_data_check_options check;
} check_arguments;

#define AT(member) offsetof(check_arguments, member)

static const dho_option options[] = {
    DHO_OPTIONS_CONFIG(AT(from), "", ""),
    DHO_OPTION_SET(AT(from)),
    DHO_OPTION("--decode", NULL, AT(check.decode), "reads every image whole"),
    DHO_OPTION("--classes", NULL, AT(check.classes), "counts each class"),
};

static void print_findings(const dho_data_findings *findings)
{
    static const char *const before[] = {[DHO_FINDING_SET] = "",
                                         [DHO_FINDING_NOTE] = "  ",
                                         [DHO_FINDING_PROBLEM] = "  PROBLEM: ",
                                         [DHO_FINDING_EXAMPLE] = "    "};
    for (size_t i = 0; i < findings->listed; i++)
        printf("%s%s\n", before[findings->list[i].kind], findings->list[i].text);
    fflush(stdout);
}

/* Prints whether the teacher cache, if there is one, belongs to these images. It may be built
 * later. Returns the number of problems. */
static int64_t check_cache(const dho_config *config, const dho_data_findings *data)
{
    const char *folder = config->teacher.cache;
    if (config->method == DHO_METHOD_CE) return 0;
    if (folder[0] == '\0' || !dho_path_exists(folder)) {
        printf("teacher cache: %s%s\n",
               folder[0] != '\0' ? "not there yet: " : "none named yet (teacher.cache)", folder);
        return 0;
    }
    const bool fits = dho_cache_check_run(config, data->fingerprint, data->count) == DHO_OK;
    if (fits)
        printf("teacher cache %s: of these images\n", folder);
    else
        printf("teacher cache %s\n  PROBLEM: %s\n", folder, dho_error_message());
    fflush(stdout);
    return !fits;
}

static dho_status run_check(const dho_config *config, dho_comm *comm,
                            const dho_data_check_options *check)
{
    dho_data_findings findings;
    const bool first = dho_comm_rank(comm) == 0;
    dho_status status = dho_data_check(config, comm, check, &findings);
    print_findings(&findings);
    int64_t problems = findings.problems;
    if (status == DHO_OK && first && findings.count > 0) problems += check_cache(config, &findings);
    dho_data_findings_free(&findings);
    DHO_TRY(status);
    DHO_TRY(dho_comm_max_int64(comm, &problems, 1));
    if (problems > 0)
        return dho_fail(DHO_ERR_FORMAT, "data check: %lld problem%s", (long long)problems,
                        problems == 1 ? "" : "s");
    if (first) printf("no problems\n");
    return DHO_OK;
}

static dho_status check(void *given, dho_comm *comm)
{
    check_arguments *arguments = given;
    dho_config config;
    DHO_TRY(dho_cli_load_config(&arguments->from, comm, &config));
    dho_status status = DHO_OK;
    if (config.data.root[0] == '\0' && config.eval.set_count == 0)
        status = dho_fail(DHO_ERR_CONFIG, "%s: neither data.root nor eval.sets: no data to check",
                          arguments->from.path);
    if (status == DHO_OK) status = run_check(&config, comm, &arguments->check);
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_data_check = {
    .name = "data check",
    .line = "are all images there, readable, in the right folders? Before a job is queued "
            "(docs/datasets.md)",
    DHO_OPTIONS(options),
    .size = sizeof(check_arguments),
    .run = check,
};
