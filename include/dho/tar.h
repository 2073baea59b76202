/* Packing a dataset into indexed tar shards (docs/shards.md). */
#ifndef DHO_TAR_H
#define DHO_TAR_H

#include "dho/comm.h"
#include "dho/dataset.h"
#include "dho/status.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Writes folder/shard-SSSSS-of-NNNNN.tar for S = 0 .. shards-1, classes.txt and, last, the index.
 * Shard S has the images with id mod N == S in the order of their ids, so virtual shard v of a run
 * with V virtual shards, V a divisor of N, is the union of the tars S with S mod V == v: as in the
 * teacher cache. Rank r writes the tars S with S mod P == r. A tar that is there already is kept
 * when it holds the very samples that it should; a folder with an index of the same dataset in as
 * many shards is complete, and nothing is done. An unlabelled set's tars have no labels. An image
 * whose header cannot be read is an error; with keep_broken it is packed as it is, with a warning:
 * the list of images stays the same. Collective. Errors: DHO_ERR_CONFIG (more shards than images, a
 * name that cannot be packed, a folder with something else in it or the dataset's own), DHO_ERR_IO,
 * DHO_ERR_FORMAT, DHO_ERR_MEMORY, DHO_ERR_COMM. */
dho_status dho_pack(const dho_dataset *dataset, dho_comm *comm, const char *folder, int shards,
                    bool keep_broken);

/* Scans the tars of a folder and writes the index that is missing (or replaces it). unlabelled: of
 * images that need no label. Local. */
dho_status dho_pack_index(const char *folder, bool unlabelled);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
