#include "dho/conflict.h"

#include "dho/alloc.h"

#include <math.h>
#include <string.h>

double dho_conflict_cosine(const dho_conflict_terms *terms)
{
    const double norms = sqrt(terms->ce) * sqrt(terms->kd);
    return norms > 0 ? terms->dot / norms : 0;
}

dho_conflict_terms dho_conflict_of(size_t count, const float *ce, const float *kd)
{
    dho_conflict_terms terms = {0};
    for (size_t i = 0; i < count; i++) {
        terms.ce += (double)ce[i] * ce[i];
        terms.kd += (double)kd[i] * kd[i];
        terms.dot += (double)ce[i] * kd[i];
    }
    return terms;
}

/* How much of a parameter's name is its block's: all of it for one that stands alone, as
 * "visual.proj" does. */
static size_t block_length(const char *name)
{
    const char *part = name;
    while (*part != '\0') {
        const size_t length = strcspn(part, ".");
        if (length > 0 && strspn(part, "0123456789") == length)
            return (size_t)(part - name) + length;
        part += length + (part[length] == '.');
    }
    const char *last = strrchr(name, '.');
    if (last != NULL && (strcmp(last, ".weight") == 0 || strcmp(last, ".bias") == 0))
        return (size_t)(last - name);
    return strlen(name);
}

static dho_status find_or_add(dho_conflict_blocks *blocks, const char *name, int *out)
{
    const size_t length = block_length(name);
    for (*out = 0; *out < blocks->count; ++*out)
        if (strlen(blocks->names[*out]) == length && memcmp(blocks->names[*out], name, length) == 0)
            return DHO_OK;
    DHO_TRY(dho_strdup(&blocks->names[blocks->count], name));
    blocks->names[blocks->count++][length] = '\0';
    return DHO_OK;
}

dho_status dho_conflict_blocks_create(dho_conflict_blocks *out, const dho_graph *graph)
{
    const size_t count = dho_graph_parameter_count(graph);
    dho_status status;
    *out = (dho_conflict_blocks){.graph = graph};
    DHO_TRY_GOTO(dho_alloc_zero(&out->names, count, sizeof *out->names, "gradient conflict"));
    DHO_TRY_GOTO(dho_alloc(&out->block_of, count, sizeof *out->block_of, "gradient conflict"));
    for (size_t i = 0; i < count; i++) {
        const char *name = dho_graph_parameter(graph, i)->name;
        out->block_of[i] = -1;
        if (strncmp(name, "head_", 5) != 0) DHO_TRY_GOTO(find_or_add(out, name, &out->block_of[i]));
    }
    return DHO_OK;
fail:
    dho_conflict_blocks_free(out);
    return status;
}

void dho_conflict_blocks_free(dho_conflict_blocks *blocks)
{
    for (int b = 0; b < blocks->count; b++) dho_free(blocks->names[b]);
    dho_free(blocks->names);
    dho_free(blocks->block_of);
    *blocks = (dho_conflict_blocks){0};
}

void dho_conflict_measure(const dho_conflict_blocks *blocks, const float *ce, const float *kd,
                          dho_conflict_terms *out)
{
    memset(out, 0, (size_t)blocks->count * sizeof *out);
    for (size_t i = 0; i < dho_graph_parameter_count(blocks->graph); i++) {
        if (blocks->block_of[i] < 0) continue;
        const dho_slot *slot = dho_graph_parameter(blocks->graph, i);
        const dho_conflict_terms own =
            dho_conflict_of(slot->count, ce + slot->offset, kd + slot->offset);
        dho_conflict_terms *sum = &out[blocks->block_of[i]];
        sum->ce += own.ce;
        sum->kd += own.kd;
        sum->dot += own.dot;
    }
}
