/* dho cache info | verify FOLDER */
#include "cli/cache_teacher.h"

#include <inttypes.h>
#include <stdio.h>

enum { DEFAULT_SAMPLE = 64 };

static void print_transform(const dho_cache_transform *transform)
{
    if (!transform->known) {
        printf("transform    not recorded\n");
        return;
    }
    printf("transform    %s, %s", dho_cache_resize_name(transform->resize),
           dho_filter_name(transform->filter));
    if (transform->short_side > 0) printf(", short side %d px", transform->short_side);
    printf("; computed by %s\n", transform->compute);
}

static void print_info(const char *folder, const dho_cache_spec *spec)
{
    printf("folder       %s\n", folder);
    printf("teacher      %s\n", spec->teacher);
    printf("dataset      %lld images, fingerprint %016" PRIx64 "\n", (long long)spec->count,
           spec->fingerprint);
    printf("payload      %s, %s, %d values; %d classes\n",
           spec->payload == DHO_CACHE_EMBEDDING ? "embedding" : "logits",
           dho_cache_encoding_name(spec->encoding), spec->dim, spec->classes);
    if (spec->top > 0) printf("top          %d logits, the rest as one\n", spec->top);
    printf("views        %d an image, %s\n", spec->views,
           spec->free_crops ? "any crop (none is stored)" : "with crop box and flip");
    if (!spec->free_crops)
        printf("crops        area %g..%g, aspect %g..%g%s, seed %" PRIu64 "\n", spec->crop_scale[0],
               spec->crop_scale[1], spec->crop_ratio[0], spec->crop_ratio[1],
               spec->flip ? ", flipped at random" : "", spec->seed);
    printf("teacher size %d px\n", spec->image_size);
    print_transform(&spec->transform);
    printf("shards       %d\n", spec->shards);
    printf("bytes        %zu a view\n", dho_cache_record_bytes(spec));
}

static void print_agreement(const char *folder, int64_t images, const dho_cache_agreement *found)
{
    printf("%s: %" PRId64 " of %" PRId64 " images computed again, a view of each: %" PRId64
           " equal bit for bit, largest difference %.2g (at most %g is rounding)\n",
           folder, found->views, images, found->equal, found->largest, found->tolerance);
}

/* The arguments of verify behind the folder. */
typedef struct verify_options {
    dho_config_arguments from;
    dho_cli_teacher_options teacher;
    dho_cache_sample sample;
} verify_options;

static dho_status parse_verify(const dho_arguments *arguments, verify_options *out)
{
    const char *size = NULL, *seed = NULL;
    long long number = DEFAULT_SAMPLE;
    const dho_option options[] = {DHO_CLI_TEACHER_OPTIONS(out->teacher),
                                  {.name = "--sample", .value = &size},
                                  {.name = "--seed", .value = &seed}};
    DHO_TRY(dho_cli_parse(arguments, &out->from, options, sizeof options / sizeof *options));
    if (size != NULL) DHO_TRY(dho_cli_integer("--sample", size, 1, INT64_MAX, &number));
    out->sample.size = number;
    number = 0;
    if (seed != NULL) DHO_TRY(dho_cli_integer("--seed", seed, 0, INT64_MAX, &number));
    out->sample.seed = (uint64_t)number;
    return arguments->count > 0 ? dho_cli_teacher_check(&out->teacher, false) : DHO_OK;
}

static dho_status recompute(dho_cache *cache, verify_options *options, dho_comm *comm,
                            dho_cache_agreement *out)
{
    dho_config config;
    dho_cli_teacher teacher = {0};
    const bool embedding = dho_cache_get_spec(cache)->payload == DHO_CACHE_EMBEDDING;
    if (!embedding) DHO_TRY(dho_cli_teacher_check(&options->teacher, true));
    DHO_TRY(dho_cli_load_config(&options->from, comm, &config));
    dho_status status = dho_cli_teacher_open(&teacher, &options->teacher, &config, comm, embedding);
    if (status == DHO_OK)
        status = dho_cache_recompute(&config, comm, cache, &teacher.teacher, &options->sample, out);
    dho_cli_teacher_close(&teacher);
    dho_config_free(&config);
    return status;
}

static dho_status open_folder(const dho_arguments *arguments, dho_comm *comm, const char *usage,
                              dho_cache **out)
{
    if (arguments->count < 1 || arguments->values[0][0] == '-')
        return dho_fail(DHO_ERR_CONFIG, "usage: dho cache %s", usage);
    return dho_comm_agree(comm, dho_cache_open(out, arguments->values[0]));
}

dho_status dho_cli_cache_info(const dho_arguments *arguments, dho_comm *comm)
{
    dho_cache *cache;
    if (arguments->count > 1) return dho_fail(DHO_ERR_CONFIG, "usage: dho cache info FOLDER");
    DHO_TRY(open_folder(arguments, comm, "info FOLDER", &cache));
    if (dho_comm_rank(comm) == 0) print_info(arguments->values[0], dho_cache_get_spec(cache));
    fflush(stdout);
    dho_cache_close(&cache);
    return DHO_OK;
}

dho_status dho_cli_cache_verify(const dho_arguments *arguments, dho_comm *comm)
{
    dho_cache *cache;
    verify_options options = {0};
    dho_cache_agreement found = {0};
    const int rank = dho_comm_rank(comm);
    const dho_arguments rest = {.count = arguments->count - 1, .values = arguments->values + 1};
    if (arguments->count > 0) DHO_TRY(parse_verify(&rest, &options));
    DHO_TRY(
        open_folder(arguments, comm, "verify FOLDER [-c CONFIG --teacher CHECKPOINT ...]", &cache));
    dho_status status = dho_comm_agree(comm, dho_cache_verify(cache, rank, dho_comm_size(comm)));
    if (status == DHO_OK && rank == 0)
        printf("%s: whole: every checksum is right\n", arguments->values[0]);
    if (status == DHO_OK && rest.count > 0) {
        status = recompute(cache, &options, comm, &found);
        if (status == DHO_OK && rank == 0)
            print_agreement(arguments->values[0], dho_cache_get_spec(cache)->count, &found);
    }
    fflush(stdout);
    dho_cache_close(&cache);
    return status;
}
