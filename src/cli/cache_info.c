/* dho cache info */
#include "cli/cli.h"
#include "dho/teacher_cache.h"

#include <inttypes.h>

typedef struct info_arguments {
    const char *folder;
} info_arguments;

static const dho_option options[] = {
    DHO_OPTION("DIR", NULL, offsetof(info_arguments, folder), "the cache", .required = true)};

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

static dho_status info(void *given, dho_comm *comm)
{
    const info_arguments *arguments = given;
    dho_cache *cache;
    (void)comm;
    DHO_TRY(dho_cache_open(&cache, arguments->folder));
    print_info(arguments->folder, dho_cache_get_spec(cache));
    fflush(stdout);
    dho_cache_close(&cache);
    return DHO_OK;
}

const dho_command dho_command_cache_info = {
    .name = "cache info",
    .line = "what a cache is",
    DHO_OPTIONS(options),
    .size = sizeof(info_arguments),
    .ranks = DHO_RANK_0,
    .run = info,
};
