/* One tar shard. Private to src/data. */
#ifndef DHO_DATA_TAR_WRITE_H
#define DHO_DATA_TAR_WRITE_H

#include "data/tar_index.h"

/* "shard-SSSSS-of-NNNNN.tar". *out is owned. */
dho_status dho_tar_file_name(char **out, int shard, int shards);

/* Writes shard `shard` of `shards` of the dataset to `path`, atomically; members[i] becomes where
 * the i-th of its images is, *out_bytes the file's size. An image whose header cannot be read is
 * DHO_ERR_FORMAT or, with keep_broken, only a warning. */
dho_status dho_tar_write(const dho_dataset *dataset, int shard, int shards, bool keep_broken,
                         const char *path, dho_tar_member *members, uint64_t *out_bytes);

/* The same of a tar that is there: it must hold the very samples, by path, label and order; the
 * images are read for their CRCs, but not compared with the dataset's.
 * Errors: DHO_ERR_CONFIG when it holds something else; those of scanning. */
dho_status dho_tar_adopt(const dho_dataset *dataset, int shard, int shards, const char *folder,
                         const char *name, dho_tar_member *members, uint64_t *out_bytes);

#endif
