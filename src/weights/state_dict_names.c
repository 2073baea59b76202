/* Under which names, and behind which prefix, a file keeps a model. */
#include "weights/state_dict_names.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 256, PREFIX_BYTES = sizeof((dho_file_names *)0)->prefix };

bool dho_names_head(const char *name)
{
    return strncmp(name, "head", 4) == 0;
}

/* Ends the name with `first`, a whole one or behind a point? *length: of what stands before. */
static bool is_behind(const char *name, const char *first, size_t *length)
{
    const size_t whole = strlen(name), tail = strlen(first);
    if (whole < tail || strcmp(name + whole - tail, first) != 0) return false;
    *length = whole - tail;
    return *length < PREFIX_BYTES && (*length == 0 || name[*length - 1] == '.');
}

/* 0: nothing; 1: only what wrappers add; 2: anything else. */
static int strangeness(const char *name, size_t length)
{
    if (length == 0) return 0;
    return dho_weights_bare_name(name) >= name + length ? 1 : 2;
}

static dho_status ambiguous(const dho_weights *weights, const char *a, const char *b, size_t length)
{
    return dho_fail(DHO_ERR_FORMAT,
                    "%s: both \"%.80s\" and \"%.80s\" may be the backbone's: choose with dho "
                    "weights convert --strip %.*s",
                    dho_weights_path(weights), a, b, (int)length, b);
}

/* Without a graph: the prefix of wrappers under which the file has `first`; *found: its name, NULL
 * for none. */
static dho_status find_wrapped(const dho_weights *weights, const char *first,
                               char prefix[PREFIX_BYTES], const char **found)
{
    size_t length = 0;
    *found = NULL;
    prefix[0] = '\0';
    for (size_t i = 0; i < dho_weights_count(weights); i++) {
        const char *name = dho_weights_at(weights, i)->name;
        if (!is_behind(name, first, &length) || strangeness(name, length) > 1) continue;
        if (*found != NULL && prefix[0] != '\0' && length > 0)
            return ambiguous(weights, *found, name, length);
        if (*found != NULL && length > 0) continue; /* the one without a prefix is found */
        *found = name;
        snprintf(prefix, PREFIX_BYTES, "%.*s", (int)length, name);
    }
    return DHO_OK;
}

dho_status dho_state_dict_find_names(const dho_weights *weights, const char *first,
                                     dho_file_names *out)
{
    *out = (dho_file_names){.naming = -1};
    for (int naming = 0; naming < DHO_NAMING_COUNT; naming++) {
        dho_tensor_names names;
        const char *found;
        if (!dho_tensor_names_of((dho_naming)naming, first, &names)) continue;
        DHO_TRY(find_wrapped(weights, names.names[0], out->prefix, &found));
        if (found == NULL) continue;
        out->naming = naming;
        return DHO_OK;
    }
    return DHO_OK;
}

const dho_tensor_view *dho_state_dict_find(const dho_weights *weights, const dho_file_names *names,
                                           const char *own, bool *out_transposed)
{
    dho_tensor_names called;
    char name[NAME_BYTES];
    if (names->naming < 0 || !dho_tensor_names_of((dho_naming)names->naming, own, &called))
        return NULL;
    snprintf(name, sizeof name, "%s%s", names->prefix, called.names[0]);
    if (out_transposed != NULL) *out_transposed = called.transposed;
    return dho_weights_find(weights, name);
}

/* How many of the backbone's parameters the file has under these names. Less than half of them is
 * nothing: a block of another model has a "conv1.weight", too. */
static size_t count_found(const dho_weights *weights, const dho_graph *graph,
                          const dho_file_names *names)
{
    size_t found = 0, all = 0;
    for (size_t i = 0; i < dho_graph_parameter_count(graph); i++) {
        const char *own = dho_graph_parameter(graph, i)->name;
        if (dho_names_head(own)) continue;
        all++;
        found += dho_state_dict_find(weights, names, own, NULL) != NULL;
    }
    return found * 2 < all ? 0 : found;
}

/* The best place so far. */
typedef struct best_place {
    dho_file_names names;
    size_t found;
    int strange;
    const char *first, *tied; /* names in the file; tied: of another place of equal right */
    size_t tied_length;
} best_place;

static void try_place(const dho_weights *weights, const dho_graph *graph, int naming,
                      const char *name, size_t length, best_place *best)
{
    dho_file_names names = {.naming = naming};
    snprintf(names.prefix, sizeof names.prefix, "%.*s", (int)length, name);
    const size_t found = count_found(weights, graph, &names);
    const int strange = strangeness(name, length);
    if (found == 0 || found < best->found || (found == best->found && strange > best->strange))
        return;
    const bool tied = found == best->found && strange == best->strange;
    if (tied && naming != best->names.naming) return; /* the first naming that fits */
    if (tied) {
        best->tied = name;
        best->tied_length = length;
        return;
    }
    *best = (best_place){.names = names, .found = found, .strange = strange, .first = name};
}

dho_status dho_state_dict_match(const dho_weights *weights, const dho_graph *graph,
                                dho_file_names *out)
{
    best_place best = {.names = {.naming = -1}};
    const char *first = dho_graph_parameter(graph, 0)->name;
    for (int naming = 0; naming < DHO_NAMING_COUNT; naming++) {
        dho_tensor_names names;
        size_t length;
        if (!dho_tensor_names_of((dho_naming)naming, first, &names)) continue;
        for (size_t i = 0; i < dho_weights_count(weights); i++) {
            const char *name = dho_weights_at(weights, i)->name;
            if (is_behind(name, names.names[0], &length))
                try_place(weights, graph, naming, name, length, &best);
        }
    }
    *out = best.names;
    if (best.tied == NULL) return DHO_OK;
    return ambiguous(weights, best.first, best.tied, best.tied_length);
}
