#include "compute/core/tuning.h"

#include "base/machine.h"
#include "base/topology.h"
#include "compute/core/choice.h"
#include "dho/alloc.h"
#include "dho/processor.h"

#include <stdio.h>
#include <string.h>

/* This one. */
static void look_at_processor(char processor[DHO_TUNING_KEY_BYTES],
                              char caches[DHO_TUNING_KEY_BYTES])
{
    char built[DHO_TUNING_KEY_BYTES];
    dho_machine machine;
    dho_cache_size sizes[DHO_CACHE_LEVELS];
    dho_processor_describe(built, processor, DHO_TUNING_KEY_BYTES);
    if (processor[0] == '\0') snprintf(processor, DHO_TUNING_KEY_BYTES, "plain");
    dho_machine_look_at_cpus(&machine);
    dho_topology_look_at_caches("", machine.cpus, sizes);
    dho_topology_describe_caches(sizes, caches, DHO_TUNING_KEY_BYTES);
}

dho_status dho_tuning_create(dho_tuning **out, int threads)
{
    DHO_TRY(dho_alloc_zero(out, 1, sizeof **out, "tuning"));
    look_at_processor((*out)->processor, (*out)->caches);
    (*out)->threads = threads;
    return DHO_OK;
}

void dho_tuning_destroy(dho_tuning **tuning)
{
    if (tuning == NULL || *tuning == NULL) return;
    dho_free((*tuning)->rows);
    dho_free(*tuning);
    *tuning = NULL;
}

static const dho_tuning_row *find(const dho_tuning *tuning, const dho_kernel_site *site)
{
    for (size_t i = 0; i < tuning->count; i++)
        if (dho_kernel_site_is_same(&tuning->rows[i].site, site)) return &tuning->rows[i];
    return NULL;
}

static dho_status check_row(const dho_tuning *tuning, const dho_kernel_site *site,
                            const char *choice)
{
    if (dho_backend_choice(choice) == NULL)
        return dho_fail(DHO_ERR_CONFIG, "there is no kernel \"%.40s\"", choice);
    if (find(tuning, site) != NULL) return dho_fail(DHO_ERR_CONFIG, "is there twice");
    if (tuning->count >= DHO_TUNING_ROWS_MOST)
        return dho_fail(DHO_ERR_CONFIG, "more than %d rows", DHO_TUNING_ROWS_MOST);
    return DHO_OK;
}

dho_status dho_tuning_add(dho_tuning *tuning, const dho_kernel_site *site, const char *choice,
                          const char *note)
{
    DHO_TRY(check_row(tuning, site, choice));
    DHO_TRY(
        dho_grow(&tuning->rows, tuning->count, &tuning->capacity, sizeof *tuning->rows, "tuning"));
    dho_tuning_row *row = &tuning->rows[tuning->count++];
    *row = (dho_tuning_row){.site = *site, .choice = dho_backend_choice(choice)};
    if (note != NULL) snprintf(row->note, sizeof row->note, "%s", note);
    return DHO_OK;
}

const char *dho_tuning_find(const dho_tuning *tuning, const dho_kernel_site *site)
{
    const dho_tuning_row *row = find(tuning, site);
    return row != NULL ? row->choice : NULL;
}

size_t dho_tuning_count(const dho_tuning *tuning)
{
    return tuning->count;
}

int dho_tuning_threads(const dho_tuning *tuning)
{
    return tuning->threads;
}

bool dho_tuning_is_of_this_processor(const dho_tuning *tuning)
{
    char processor[DHO_TUNING_KEY_BYTES], caches[DHO_TUNING_KEY_BYTES];
    look_at_processor(processor, caches);
    return strcmp(processor, tuning->processor) == 0 && strcmp(caches, tuning->caches) == 0;
}

bool dho_tuning_is_same(const dho_tuning *a, const dho_tuning *b)
{
    if (a->count != b->count || a->threads != b->threads ||
        strcmp(a->processor, b->processor) != 0 || strcmp(a->caches, b->caches) != 0)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (dho_tuning_find(b, &a->rows[i].site) != a->rows[i].choice) return false;
    return true;
}
