/* dho cache verify */
#include "cli/cache_options.h"

#include <inttypes.h>
#include <string.h>

typedef struct verify_arguments {
    const char *folder;
    dho_config_arguments from;
    dho_cli_teacher_options teacher;
    dho_cache_sample sample;
} verify_arguments;

#define AT(member) offsetof(verify_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("DIR", NULL, AT(folder), "the cache", .required = true),
    DHO_OPTION_CONFIG(AT(from)),
    DHO_OPTIONS_TEACHER(AT(teacher), "[", "]]"),
    DHO_OPTION("--sample", "N", AT(sample.size), "records that are computed again",
               DHO_OPTION_INT64, 1, INT64_MAX, "64", .needs = "--config"),
    DHO_OPTION("--seed", "S", AT(sample.seed), "of the choice of these records", DHO_OPTION_INT64,
               0, INT64_MAX, "0", .needs = "--config"),
    DHO_OPTION_SET(AT(from)),
};

static void print_agreement(const char *folder, int64_t images, const dho_cache_agreement *found)
{
    printf("%s: %" PRId64 " of %" PRId64 " images computed again, a view of each: %" PRId64
           " equal bit for bit, largest difference %.2g (at most %g is rounding)\n",
           folder, found->views, images, found->equal, found->largest, found->tolerance);
}

static dho_status recompute(dho_cache *cache, verify_arguments *arguments, dho_comm *comm,
                            dho_cache_agreement *out)
{
    dho_config config;
    dho_cli_teacher teacher = {0};
    const bool embedding = dho_cache_get_spec(cache)->payload == DHO_CACHE_EMBEDDING;
    if (!embedding) DHO_TRY(dho_cli_teacher_check(&arguments->teacher, true));
    DHO_TRY(dho_cli_load_config(&arguments->from, comm, &config));
    dho_status status =
        dho_cli_teacher_open(&teacher, &arguments->teacher, &config, comm, embedding);
    if (status == DHO_OK)
        status =
            dho_cache_recompute(&config, comm, cache, &teacher.teacher, &arguments->sample, out);
    dho_cli_teacher_close(&teacher);
    dho_config_free(&config);
    return status;
}

static dho_status verify(void *given, dho_comm *comm)
{
    verify_arguments *arguments = given;
    static const dho_cli_teacher_options none = {0};
    const dho_cli_teacher_options *teacher = &arguments->teacher;
    const bool again = arguments->from.path != NULL || arguments->from.override_count > 0 ||
                       memcmp(teacher, &none, sizeof none) != 0;
    const int rank = dho_comm_rank(comm);
    dho_cache_agreement found = {0};
    dho_cache *cache;
    if (again) DHO_TRY(dho_cli_teacher_check(teacher, false));
    DHO_TRY(dho_comm_agree(comm, dho_cache_open(&cache, arguments->folder)));
    dho_status status = dho_comm_agree(comm, dho_cache_verify(cache, rank, dho_comm_size(comm)));
    if (status == DHO_OK && rank == 0)
        printf("%s: whole: every checksum is right\n", arguments->folder);
    if (status == DHO_OK && again) {
        status = recompute(cache, arguments, comm, &found);
        if (status == DHO_OK && rank == 0)
            print_agreement(arguments->folder, dho_cache_get_spec(cache)->count, &found);
    }
    fflush(stdout);
    dho_cache_close(&cache);
    return status;
}

const dho_command dho_command_cache_verify = {
    .name = "cache verify",
    .line = "every checksum of a cache; with its teacher, computes some records again and compares",
    DHO_OPTIONS(options),
    .size = sizeof(verify_arguments),
    .run = verify,
};
