/* Huffman decoding (ITU-T T.81, annex F.2.2), with code and value looked up together. */
#include "data/jpeg_baseline.h"

#include <string.h>

/* --- tables --- */

/* The value that `bits` extra bits stand for. */
static inline int extend(int value, int bits)
{
    return value < 1 << (bits - 1) ? value - (1 << bits) + 1 : value;
}

/* All lookups that begin with `code` of `length` bits. */
static void fill_lookup(dho_jpeg_huffman *table, unsigned code, int length, int symbol)
{
    const int spare = DHO_JPEG_LOOKUP_BITS - length, bits = symbol & 15;
    uint32_t *entry = table->lookup + ((size_t)code << spare);
    for (int rest = 0; rest < 1 << spare; rest++) {
        if (bits >= 1 && bits <= spare) {
            const int value = extend(rest >> (spare - bits), bits);
            entry[rest] =
                (uint32_t)value << 16 | (uint32_t)(symbol >> 4) << 8 | (uint32_t)(length + bits);
        } else {
            entry[rest] = (uint32_t)symbol << 8 | (uint32_t)length;
        }
    }
}

bool dho_jpeg_huffman_build(const uint8_t *spec, dho_jpeg_huffman *out)
{
    unsigned code = 0;
    int index = 0;
    memset(out->lookup, 0, sizeof out->lookup);
    out->symbols = spec + 16;
    for (int length = 1; length <= 16; length++) {
        const int count = spec[length - 1];
        out->first[length] = index - (int)code;
        if (code + (unsigned)count > 1u << length) return false;
        for (int i = 0; i < count; i++, code++, index++)
            if (length <= DHO_JPEG_LOOKUP_BITS) fill_lookup(out, code, length, out->symbols[index]);
        out->limit[length] = code << (16 - length);
        code <<= 1;
    }
    return true;
}

/* --- bits --- */

int dho_jpeg_unstuff(const uint8_t *bytes, size_t size, size_t *position, uint8_t *out,
                     size_t *out_size)
{
    size_t at = *position, used = 0;
    int marker = 0;
    while (at < size && marker == 0) {
        const uint8_t *stuffed = memchr(bytes + at, 0xff, size - at);
        const size_t run = stuffed != NULL ? (size_t)(stuffed - bytes) - at : size - at;
        memcpy(out + used, bytes + at, run);
        used += run;
        at += run;
        if (size - at < 2) break;
        marker = bytes[at + 1];
        if (marker == 0) out[used++] = 0xff;
        at += 2;
    }
    memset(out + used, 0, DHO_JPEG_ENTROPY_PADDING);
    *position = at;
    *out_size = used;
    return marker;
}

void dho_jpeg_bits_start(dho_jpeg_bits *bits, const uint8_t *data, size_t size)
{
    *bits = (dho_jpeg_bits){.next = data, .end = data + size};
}

bool dho_jpeg_bits_overrun(const dho_jpeg_bits *bits)
{
    return (bits->next - bits->end) * 8 > (ptrdiff_t)bits->count;
}

/* At least 56 bits: two codes of 16 bits or one with its value of 15. */
static inline void refill(dho_jpeg_bits *bits)
{
    uint64_t word;
    memcpy(&word, bits->next, sizeof word);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    bits->window |= word >> bits->count;
    bits->next += (63 - bits->count) >> 3;
    bits->count |= 56;
}

static inline void consume(dho_jpeg_bits *bits, unsigned count)
{
    bits->window <<= count;
    bits->count -= count;
}

/* The symbol of a code that is longer than the lookup; -1: none. Uses the code up. */
static int read_long_code(dho_jpeg_bits *bits, const dho_jpeg_huffman *table)
{
    const uint32_t prefix = (uint32_t)(bits->window >> 48);
    for (unsigned length = DHO_JPEG_LOOKUP_BITS + 1; length <= 16; length++) {
        if (prefix >= table->limit[length]) continue;
        const int index = (int)(prefix >> (16 - length)) + table->first[length];
        consume(bits, length);
        return table->symbols[index];
    }
    return -1;
}

static inline int read_value(dho_jpeg_bits *bits, int size)
{
    const int raw = (int)(bits->window >> (64 - size));
    consume(bits, (unsigned)size);
    return extend(raw, size);
}

/* --- blocks --- */

/* Where the k-th coefficient in zigzag order lies in [8][2][8]. Runs past the end lead to the last.
 */
static const uint8_t paired_order[80] = {
    0,   1,   16,  32,  17,  2,   3,   18,  33,  48,  64,  49,  34,  19,  4,   5,
    20,  35,  50,  65,  80,  96,  81,  66,  51,  36,  21,  6,   7,   22,  37,  52,
    67,  82,  97,  112, 113, 98,  83,  68,  53,  38,  23,  39,  54,  69,  84,  99,
    114, 115, 100, 85,  70,  55,  71,  86,  101, 116, 117, 102, 87,  103, 118, 119,
    119, 119, 119, 119, 119, 119, 119, 119, 119, 119, 119, 119, 119, 119, 119, 119};

static inline bool read_dc(dho_jpeg_bits *bits, const dho_jpeg_huffman *table, int *dc)
{
    refill(bits);
    const uint32_t entry = table->lookup[bits->window >> (64 - DHO_JPEG_LOOKUP_BITS)];
    int difference = (int32_t)entry >> 16;
    if (difference != 0) {
        consume(bits, entry & 255);
    } else {
        int symbol = (int)(entry >> 8);
        if ((entry & 255) == 0)
            symbol = read_long_code(bits, table);
        else
            consume(bits, entry & 255);
        if (symbol < 0) return false;
        if (symbol > 0) difference = read_value(bits, symbol);
    }
    *dc += difference;
    return *dc >= -32768 && *dc <= 32767;
}

/* A run and a value; coefficients NULL: to read over. */
static inline bool read_ac(dho_jpeg_bits *inout, const dho_jpeg_huffman *table,
                           int16_t *coefficients)
{
    dho_jpeg_bits bits = *inout; /* in registers */
    unsigned k = 1;
    while (k < 64) {
        refill(&bits);
        const uint32_t entry = table->lookup[bits.window >> (64 - DHO_JPEG_LOOKUP_BITS)];
        int value = (int32_t)entry >> 16;
        if (value != 0) {
            k += entry >> 8 & 15;
            consume(&bits, entry & 255);
        } else {
            int symbol = (int)(entry >> 8);
            if ((entry & 255) == 0)
                symbol = read_long_code(&bits, table);
            else
                consume(&bits, entry & 255);
            if (symbol < 0) return false;
            if ((symbol & 15) == 0) {
                if (symbol != 0xf0) break; /* end of block */
                k += 16;
                continue;
            }
            k += (unsigned)symbol >> 4;
            value = read_value(&bits, symbol & 15);
        }
        if (coefficients != NULL) coefficients[paired_order[k]] = (int16_t)value;
        k++;
    }
    *inout = bits;
    return k <= 64;
}

bool dho_jpeg_read_block(dho_jpeg_bits *bits, const dho_jpeg_huffman *dc_codes,
                         const dho_jpeg_huffman *ac_codes, int *dc, int16_t *coefficients)
{
    if (!read_dc(bits, dc_codes, dc)) return false;
    coefficients[0] = (int16_t)*dc;
    return read_ac(bits, ac_codes, coefficients);
}

bool dho_jpeg_skip_block(dho_jpeg_bits *bits, const dho_jpeg_huffman *dc_codes,
                         const dho_jpeg_huffman *ac_codes, int *dc)
{
    return read_dc(bits, dc_codes, dc) && read_ac(bits, ac_codes, NULL);
}
