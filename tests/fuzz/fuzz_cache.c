/* libFuzzer: a cache shard over memory: frame, blocks, every record. The input is a shard file; its
 * first byte says which CRCs the harness makes right and which encoding it asks for, so that the
 * fuzzer gets behind them. */
#include "base/bytes.h"
#include "dho/file.h"
#include "teacher/cache_format.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Asks for top-k logits (as many as byte 248 says) or int8x, whatever the header asked for. */
static void choose_encoding(uint8_t *shard, size_t size, bool top)
{
    if (size < 256) return;
    if (shard[8] < 3) shard[8] = 2;
    shard[77] = top ? DHO_CACHE_TOPK : DHO_CACHE_INT8X;
    memset(shard + (top ? 249 : 248), 0, top ? 3 : 4);
    if (!top) return;
    shard[76] = DHO_CACHE_LOGITS;
    memcpy(shard + 68, shard + 64, 4); /* as many classes as values */
}

/* Header CRC, and the layout that a header with these numbers asks for. */
static void mend(uint8_t *shard, size_t size)
{
    dho_cache_spec spec;
    cache_shard_layout layout;
    const size_t header = size > 8 ? cache_header_bytes(shard[8]) : size;
    if (size <= header) return;
    dho_put_le(shard + 12, header, 4);
    dho_put_le(shard + header - 4, dho_crc32(0, shard, header - 4), 4);
    /* The table's CRC is the last word, whatever the header says. */
    for (size_t entries = 0; entries <= 4 && header + 4 * entries + 4 <= size; entries++) {
        uint8_t *table = shard + size - 4 - 4 * entries;
        dho_put_le(shard + size - 4, dho_crc32(0, table, 4 * entries), 4);
        if (cache_shard_parse(shard, size, "fuzz", &spec, &layout) == DHO_OK) return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dho_cache_spec spec;
    cache_shard_layout layout;
    if (size < 1) return 0;
    uint8_t *shard = malloc(size - 1);
    memcpy(shard, data + 1, size - 1);
    size--;
    if (data[0] & 2) choose_encoding(shard, size, data[0] & 4);
    if (data[0] % 2 == 1) mend(shard, size);
    if (cache_shard_parse(shard, size, "fuzz", &spec, &layout) == DHO_OK) {
        if (cache_spec_compare(&spec, &spec, DHO_ERR_FORMAT, "fuzz") != DHO_OK) abort();
        for (uint64_t b = 0; b < layout.blocks; b++)
            (void)cache_block_check(shard, &layout, b, "fuzz");
        float *payload = malloc((size_t)spec.dim * sizeof *payload);
        for (uint64_t r = 0; r < layout.records; r++) {
            dho_cache_record record = {.payload = payload};
            const dho_status status = cache_record_decode(
                &spec, shard + layout.header_bytes + r * layout.record_bytes, &record);
            /* What topk accepts is finite, and can be written again. */
            if (status != DHO_OK || spec.encoding != DHO_CACHE_TOPK) continue;
            uint8_t again[CACHE_BOX_BYTES + CACHE_TOP_HEAD + CACHE_TOP_BYTES * DHO_CACHE_MAX_TOP];
            if (cache_record_encode(&spec, &record, again) != DHO_OK ||
                cache_record_decode(&spec, again, &record) != DHO_OK)
                abort();
        }
        free(payload);
        /* What was read packs to the same header. */
        uint8_t header[CACHE_HEADER_BYTES];
        cache_header_pack(&spec, &layout, header);
        if (memcmp(header, shard, layout.header_bytes) != 0) abort();
    }
    free(shard);
    return 0;
}
