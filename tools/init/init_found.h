/* What lies in the folders that somebody has named. Private to tools/init. */
#ifndef DHO_INIT_INIT_FOUND_H
#define DHO_INIT_INIT_FOUND_H

#include "dho/dataset.h"
#include "init/init.h"

#include <stdbool.h>
#include <stdint.h>

enum { DHO_INIT_MAX_SETS = 12 };

/* An evaluation set: a folder, or a split of the CoOp file. */
typedef struct dho_init_set {
    char *name, *path; /* owned; path NULL: the split `name` */
} dho_init_set;

typedef struct dho_init_found {
    dho_format format;
    char *root, *split_file; /* owned; split_file NULL unless format: coop */
    char *heap;              /* owned; NULL: there is none */
    bool heap_is_files;      /* a folder of images, no tars and no list */
    bool heap_is_guess;      /* found beside the labelled images by its name, not named */
    dho_init_set sets[DHO_INIT_MAX_SETS];
    int set_count;
    int val;              /* the set to choose alpha and beta on; -1: none */
    dho_dataset labelled; /* the labelled images */
    int64_t heap_images;
    int64_t fewest, most; /* labelled images of a class */
    int short_side;       /* pixels, the median of some images */
    int least_side, most_side;
    int64_t looked_at; /* images whose size was read */
} dho_init_found;

/* Looks at the folders. Free it also on error. Errors: those of dho_init. */
dho_status dho_init_look(dho_init_found *out, const dho_init_options *options);
/* init_measure.c: fewest, most and the sides. Errors: DHO_ERR_CONFIG when no image can be read. */
dho_status dho_init_measure(dho_init_found *found);
void dho_init_found_free(dho_init_found *found);

#endif
