/* libFuzzer: hostile configurations and overrides. The input is the YAML text, then, each behind a
 * NUL byte (which no configuration may hold), overrides. What is accepted must print and load back
 * to the same text; what is refused must say so in one line that names its place.
 *
 *   cmake --preset fuzz && cmake --build --preset fuzz --target fuzz_config
 *   build/fuzz/tests/fuzz_config -max_total_time=300 build/fuzz/corpus tests/fuzz/seeds/config */
#include "dho/alloc.h"
#include "dho/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OVERRIDES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) abort();
}

static void check_round_trip(const dho_config *config, bool comments)
{
    char *first, *second;
    dho_config again;
    require(dho_config_format(config, comments, &first) == DHO_OK);
    require(dho_config_parse(&again, first, strlen(first), "again", NULL, 0) == DHO_OK);
    require(dho_config_format(&again, comments, &second) == DHO_OK);
    require(strcmp(first, second) == 0);
    dho_config_free(&again);
    dho_free(first);
    dho_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t before = dho_alloc_get_stats().live_blocks;
    char *copy = malloc(size + 1);
    if (copy == NULL) return 0;
    memcpy(copy, data, size);
    copy[size] = '\0';
    const size_t bytes = strlen(copy);
    const char *overrides[MAX_OVERRIDES];
    size_t count = 0;
    for (size_t at = bytes + 1; at <= size && count < MAX_OVERRIDES; at += strlen(copy + at) + 1)
        overrides[count++] = copy + at;

    dho_config config;
    const dho_status status = dho_config_parse(&config, copy, bytes, "fuzz", overrides, count);
    if (status == DHO_OK) {
        check_round_trip(&config, false);
        check_round_trip(&config, true);
    } else {
        const char *message = dho_error_message();
        require(status == DHO_ERR_CONFIG);
        require(strncmp(message, "fuzz:", 5) == 0 || strncmp(message, "--set ", 6) == 0);
        require(strpbrk(message, "\n\r\t") == NULL);
    }
    dho_config_free(&config);
    require(dho_alloc_get_stats().live_blocks == before);
    free(copy);
    return 0;
}
