/* libFuzzer: hostile plans of tables. What is accepted must be walked through to the last run; what
 * is refused must say so in one line that names the plan. The input is the plan, then, behind a NUL
 * byte, what of it is wanted. */
#include "dho/alloc.h"
#include "table/table_spec.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) abort();
}

static void walk(const dho_table_spec *spec)
{
    const size_t all = dho_table_combinations(spec, 0, spec->axis_count);
    require(all * spec->seed_count <= DHO_TABLE_MAX_RUNS);
    for (size_t c = 0; c < all; c += 1 + all / 50) {
        size_t values[DHO_TABLE_MAX_AXES];
        char *text;
        dho_table_split(spec, 0, spec->axis_count, c, values);
        dho_table_wanted(spec, 0, spec->axis_count, c);
        dho_table_published(spec, values, spec->test_count - 1);
        require(dho_table_expand(spec, spec->run, values, 1, &text) == DHO_OK);
        require(text[0] != '/' && strstr(text, "..") == NULL);
        dho_free(text);
        for (size_t i = 0; i < spec->preparation_count; i++) {
            require(dho_table_expand(spec, spec->preparations[i].command, values, 1, &text) ==
                    DHO_OK);
            require(strncmp(text, "dho ", 4) == 0);
            dho_free(text);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t before = dho_alloc_get_stats().live_blocks;
    char *copy = malloc(size + 1);
    dho_table_spec spec;
    if (copy == NULL) return 0;
    memcpy(copy, data, size);
    copy[size] = '\0';
    const size_t bytes = strlen(copy);
    const char *only = bytes < size ? copy + bytes + 1 : NULL;
    const dho_status status = dho_table_spec_parse(&spec, copy, bytes, "t/fuzz.yaml", only);
    if (status == DHO_OK) {
        walk(&spec);
    } else {
        const char *message = dho_error_message();
        require(status == DHO_ERR_CONFIG);
        require(strncmp(message, "t/fuzz.yaml", 11) == 0 || strncmp(message, "--only", 6) == 0);
        require(strpbrk(message, "\n\r\t") == NULL || strncmp(message, "--only", 6) == 0);
    }
    dho_table_spec_free(&spec);
    require(dho_alloc_get_stats().live_blocks == before);
    free(copy);
    return 0;
}
