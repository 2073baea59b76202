#include "data/unused.h"

#include "dho/alloc.h"
#include "dho/log.h"

#include <inttypes.h>
#include <stdio.h>

/* Of one and of more. */
static const char *const words[DHO_UNUSED_REASONS][2] = {
    [DHO_UNUSED_NO_DECODER] = {"in a format that dho does not read",
                               "in formats that dho does not read"},
    [DHO_UNUSED_DEAD_LINK] = {"dead link", "dead links"},
    [DHO_UNUSED_LOOP] = {"folder that leads back or is too deep",
                         "folders that lead back or are too deep"},
    [DHO_UNUSED_NO_LABEL] = {"image without a label (beside class folders or tars)",
                             "images without a label (beside class folders or tars)"},
    [DHO_UNUSED_HIDDEN] = {"hidden image (a name with a leading dot)",
                           "hidden images (names with a leading dot)"},
    [DHO_UNUSED_SPECIAL] = {"pipe, socket or device", "pipes, sockets or devices"},
    [DHO_UNUSED_TAR_LINK] = {"link in a tar", "links in a tar"},
    [DHO_UNUSED_NOT_INDEXED] = {"tar that shards.index does not name",
                                "tars that shards.index does not name"},
    [DHO_UNUSED_SPLIT] = {"entry of a list that is not train, val or test",
                          "entries of lists that are not train, val or test"},
    [DHO_UNUSED_FIELD] = {"further image of a sample", "further images of samples"},
    [DHO_UNUSED_SYSTEM] = {"of the operating system or a tool",
                           "of the operating system or of tools"},
    [DHO_UNUSED_OTHER] = {"not an image by its name", "not images by their names"},
};

dho_status dho_unused_add(dho_unused *unused, dho_unused_reason reason, const char *folder,
                          const char *name)
{
    if (unused->counts[reason]++ >= DHO_UNUSED_SHOWN) return DHO_OK;
    return dho_path_list_append(&unused->first, folder, name, (int32_t)reason);
}

void dho_unused_free(dho_unused **unused)
{
    if (*unused == NULL) return;
    dho_path_list_free(&(*unused)->first);
    dho_free(*unused);
    *unused = NULL;
}

int64_t dho_unused_count(const dho_unused *unused, dho_unused_reason from, dho_unused_reason below)
{
    int64_t count = 0;
    for (int r = (int)from; unused != NULL && r < (int)below; r++) count += unused->counts[r];
    return count;
}

void dho_unused_describe(const dho_unused *unused, dho_unused_reason from, dho_unused_reason below,
                         char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (int r = (int)from; r < (int)below && used < size; r++) {
        if (unused->counts[r] == 0) continue;
        used += (size_t)snprintf(out + used, size - used, "%s%" PRId64 " %s", used > 0 ? ", " : "",
                                 unused->counts[r], words[r][unused->counts[r] > 1]);
    }
}

void dho_dataset_say_unused(const dho_dataset *dataset)
{
    char text[512];
    const dho_unused *unused = dataset->unused;
    const int64_t all = dho_unused_count(unused, 0, DHO_UNUSED_REASONS);
    if (all == 0) return;
    dho_unused_describe(unused, 0, DHO_UNUSED_REASONS, text, sizeof text);
    if (dho_unused_count(unused, 0, DHO_UNUSED_PROBLEMS) > 0)
        dho_warn_once("%s: %" PRId64 " not used: %s (dho data check lists them)", dataset->root,
                      all, text);
    else
        dho_info("%s: %" PRId64 " not used: %s", dataset->root, all, text);
}
