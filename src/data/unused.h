/* What lies in a data set and is not used, by reason. Private to src/data. */
#ifndef DHO_DATA_UNUSED_H
#define DHO_DATA_UNUSED_H

#include "data/dataset_build.h"

/* In the order of the message. The first ones are problems: torchvision's ImageFolder or webdataset
 * would have used them, or refused the set; or somebody listed them to be used. The words stand in
 * unused.c. */
typedef enum dho_unused_reason {
    DHO_UNUSED_NO_DECODER,  /* an image of a format that dho does not read */
    DHO_UNUSED_DEAD_LINK,   /* leads nowhere; was a folder, perhaps */
    DHO_UNUSED_LOOP,        /* a link to a folder that it is in; a folder in too many others */
    DHO_UNUSED_NO_LABEL,    /* an image beside class folders or tars */
    DHO_UNUSED_HIDDEN,      /* an image with a leading dot in its name, or in a folder with one */
    DHO_UNUSED_SPECIAL,     /* the name of an image, but a pipe, a socket or a device */
    DHO_UNUSED_TAR_LINK,    /* a member that is a link */
    DHO_UNUSED_NOT_INDEXED, /* a tar that the index does not name */
    DHO_UNUSED_SPLIT,       /* an entry of a split file's list that is not train, val or test */
    DHO_UNUSED_PROBLEMS,    /* how many of these there are; not a reason */
    DHO_UNUSED_FIELD = DHO_UNUSED_PROBLEMS, /* "0.mask.png" beside "0.jpg" in a tar */
    DHO_UNUSED_SYSTEM,                      /* .DS_Store, Thumbs.db, ._*, __MACOSX, .git ... */
    DHO_UNUSED_OTHER,                       /* no image by its name */
    DHO_UNUSED_REASONS
} dho_unused_reason;

enum { DHO_UNUSED_SHOWN = 5 };

struct dho_unused {
    int64_t counts[DHO_UNUSED_REASONS];
    dho_path_list first; /* the first DHO_UNUSED_SHOWN of each reason, which is the label */
};

/* One more; "folder/name", or name when folder is NULL. Errors: DHO_ERR_MEMORY. */
dho_status dho_unused_add(dho_unused *unused, dho_unused_reason reason, const char *folder,
                          const char *name);
/* Frees *unused and nulls it. */
void dho_unused_free(dho_unused **unused);

/* "5 dead links, 1 hidden image": of the reasons from..below. */
void dho_unused_describe(const dho_unused *unused, dho_unused_reason from, dho_unused_reason below,
                         char *out, size_t size);
int64_t dho_unused_count(const dho_unused *unused, dho_unused_reason from, dho_unused_reason below);

#endif
