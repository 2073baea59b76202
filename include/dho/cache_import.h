/* Teacher caches from soft labels that other programs have saved: FKD (github.com/szq0214/FKD) and
 * TinyViT (github.com/microsoft/Cream). docs/teacher-cache.md says what of them can be taken over
 * exactly, and what is refused. */
#ifndef DHO_CACHE_IMPORT_H
#define DHO_CACHE_IMPORT_H

#include "dho/comm.h"
#include "dho/dataset.h"
#include "dho/teacher_cache.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_label_import {
    const char *source;         /* the folder of what was saved */
    const char *out;            /* the cache's folder */
    const dho_dataset *dataset; /* borrowed: the images, and the classes in the labels' order */
    int shards;                 /* of the cache */
    int views;                  /* views an image; 0: all that were saved */
    int top;                    /* classes that are kept; 0: as many as were saved */
    double crop_scale[2], crop_ratio[2]; /* data.*: how the crops were drawn */
    bool flip;
} dho_label_import;

/* One file an image, SOURCE/CLASS/NAME.tar: torch.save([coords, flips, labels]). Box and flip are
 * taken over exactly, whole pixels of the image as it is here. A view is a crop.
 * Each rank writes the shards s with s mod P == rank; whole shards of an earlier run are kept.
 * Collective. Errors: DHO_ERR_CONFIG (a label file is not there, crops that data.* denies, numbers
 * of crops or labels that differ), DHO_ERR_FORMAT, DHO_ERR_IO, each with the file. */
dho_status dho_cache_import_fkd(const dho_label_import *import, dho_comm *comm);

/* SOURCE/logits_topK_epochE/rankR-{keys.txt,values.bin}. A view is an epoch. The box and the flip
 * are drawn again from the stored seed; any other augmentation is unknown to this program, and the
 * caller must know that there was none. Otherwise as above. Collective. */
dho_status dho_cache_import_tinyvit(const dho_label_import *import, dho_comm *comm);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
