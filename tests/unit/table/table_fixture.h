/* A folder of plans, configurations and runs for the tests of tables; includes need _GNU_SOURCE. */
#ifndef DHO_TEST_TABLE_FIXTURE_H
#define DHO_TEST_TABLE_FIXTURE_H

#include "folder_fixture.h"
#include "table/table.h"

static inline dho_status open_plan(dho_table **out, const char *set, const char *only)
{
    const dho_table_options options = {.runs = fixture_path("runs"),
                                       .overrides = &set,
                                       .override_count = set != NULL,
                                       .only = only};
    return dho_table_open(out, fixture_path("configs/tables/plan.yaml"), &options);
}

/* What it writes: *text, to be freed. */
static inline void write_text(const dho_table *table, dho_table_format format, char **text)
{
    size_t bytes;
    FILE *out = open_memstream(text, &bytes);
    ck_assert_ptr_nonnull(out);
    ck_assert_ok(dho_table_write(table, format, "dho", out));
    fclose(out);
}

/* The plan, opened and written in each format. */
static inline dho_status write_plan(void)
{
    dho_table *table = NULL;
    dho_status status = open_plan(&table, NULL, NULL);
    FILE *sink = fopen("/dev/null", "w");
    for (int f = 0; f <= DHO_TABLE_SCRIPT && status == DHO_OK; f++)
        status = dho_table_write(table, (dho_table_format)f, "dho", sink);
    fclose(sink);
    dho_table_destroy(&table);
    return status;
}

/* Any allocation may fail: an error, nothing lost. Behind the first `all` some: many runs, alike.
 */
static inline void check_without_memory(int64_t all, int64_t step)
{
    for (int64_t n = 1; out_of_memory_at(n, write_plan()); n += n > all ? step : 1)
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

#endif
