/* libFuzzer: an index file, or a tar, over memory. The first byte says which, and whether the
 * harness makes an index's CRCs right, so that the fuzzer gets behind them. */
#include "base/bytes.h"
#include "data/tar_index.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const dho_tar_index *index, uint64_t tar_bytes)
{
    for (size_t i = 0; i < index->paths.count; i++) {
        const dho_tar_member *member = &index->members[i];
        const uint64_t bytes = tar_bytes > 0 ? tar_bytes : index->files[member->shard].bytes;
        if (member->offset > bytes || member->bytes > bytes - member->offset) abort();
        if (strlen(index->paths.pool + index->paths.entries[i].offset) > index->paths.used) abort();
        if (index->paths.entries[i].label < 0) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    const int kind = data[0] % 3;
    dho_tar_index index = {0};
    size--;
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, data + 1, size);
    if (kind == 0) {
        if (dho_tar_scan_memory(&index, copy, size, "fuzz", 0) == DHO_OK) use(&index, size);
    } else {
        if (kind == 2 && size >= 68) {
            dho_put_le(copy + 60, dho_crc32(0, copy, 60), 4);
            dho_put_le(copy + size - 4, dho_crc32(0, copy, size - 4), 4);
        }
        if (dho_tar_index_parse(&index, copy, size, "fuzz") == DHO_OK) use(&index, 0);
    }
    dho_tar_index_free(&index);
    free(copy);
    return 0;
}
