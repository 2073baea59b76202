/* The project's own decoder of the JPEGs that data sets are made of: 8-bit sequential Huffman files
 * in one scan, grey or YCbCr in 4:4:4, 4:2:2 or 4:2:0. Private to src/data.
 *
 * It exists for crops: blocks outside of the crop are only read over, never stored, transformed or
 * coloured, and the entropy decoder is faster than libjpeg's. Its pixels are libjpeg's, bit for bit
 * (accurate integer IDCT, fancy upsampling). Whatever is irregular in a file - another coding
 * process or sampling, a code that does not exist, data that ends early, a marker in the wrong
 * place - makes it answer "not mine", and libjpeg decides what the file is worth. */
#ifndef DHO_DATA_JPEG_BASELINE_H
#define DHO_DATA_JPEG_BASELINE_H

#include "dho/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- jpeg_headers.c --- */

typedef struct dho_jpeg_component {
    int h, v;          /* sampling factors; 1, 1 for a single component */
    int quant, dc, ac; /* table numbers, 0 .. 3; the tables are defined */
} dho_jpeg_component;

typedef struct dho_jpeg_headers {
    int width, height, count; /* count: 1 or 3 components */
    dho_jpeg_component components[3];
    uint16_t quant[4][64]; /* natural (row-major) order, 1 .. 65535 */
    const uint8_t *dc[4];  /* borrowed from the file: 16 counts, then the symbols; at most 256 */
    const uint8_t *ac[4];  /* symbols, and all are there */
    int restart_interval;  /* MCUs; 0: none */
    size_t scan;           /* offset of the entropy-coded data */
} dho_jpeg_headers;

/* All markers up to the scan. False: not a file for this decoder, or not a whole header. */
bool dho_jpeg_headers_parse(const uint8_t *bytes, size_t size, dho_jpeg_headers *out);

/* --- jpeg_entropy.c --- */

enum {
    DHO_JPEG_LOOKUP_BITS = 10,
    DHO_JPEG_ENTROPY_PADDING = 2048 /* zeros behind the data: more than a damaged MCU can read */
};

/* entry: value << 16 | run << 8 | bits of code and value, when all of it lies in the looked-up
 * bits; else 0 << 16 | symbol << 8 | bits of the code (0: a longer code, or none). */
typedef struct dho_jpeg_huffman {
    uint32_t lookup[1 << DHO_JPEG_LOOKUP_BITS];
    uint32_t limit[17];     /* first 16-bit prefix that is no code of at most n bits */
    int32_t first[17];      /* index of the first symbol of n bits - its code */
    const uint8_t *symbols; /* borrowed */
} dho_jpeg_huffman;

/* spec: 16 counts and the symbols. False when the counts are no prefix code. */
bool dho_jpeg_huffman_build(const uint8_t *spec, dho_jpeg_huffman *out);

typedef struct dho_jpeg_bits {
    const uint8_t *next,
        *end;        /* of the unstuffed data, which DHO_JPEG_ENTROPY_PADDING zeros follow */
    uint64_t window; /* the next bits, from the top */
    unsigned count;  /* of them are valid */
} dho_jpeg_bits;

/* Copies entropy-coded bytes from bytes[*position] to out without the stuffed zeros, up to the next
 * marker, whose code it returns; *position is then behind it. 0: there is none.
 * out needs as many bytes as are left, and the padding. */
int dho_jpeg_unstuff(const uint8_t *bytes, size_t size, size_t *position, uint8_t *out,
                     size_t *out_size);
void dho_jpeg_bits_start(dho_jpeg_bits *bits, const uint8_t *data, size_t size);
/* More bits were used than there are. */
bool dho_jpeg_bits_overrun(const dho_jpeg_bits *bits);

/* One block: *dc is the predictor; coefficients [8][2][8], zeroed before and not yet multiplied:
 * rows of this block and of another one in turns. False for a code that does not exist or too many
 * coefficients. */
bool dho_jpeg_read_block(dho_jpeg_bits *bits, const dho_jpeg_huffman *dc_codes,
                         const dho_jpeg_huffman *ac_codes, int *dc, int16_t *coefficients);
/* The same block read over. */
bool dho_jpeg_skip_block(dho_jpeg_bits *bits, const dho_jpeg_huffman *dc_codes,
                         const dho_jpeg_huffman *ac_codes, int *dc);

/* --- jpeg_idct.c --- */

/* Two blocks: coefficients and quant [8][2][8], rows of the one and the other in turns; out[b]
 * [8][stride[b]]: their samples, as libjpeg's JDCT_ISLOW. */
void dho_jpeg_idct(const int16_t *coefficients, const uint16_t *quant, uint8_t *const out[2],
                   const size_t stride[2]);

/* --- jpeg_colour.c --- */

/* `count` chroma samples at twice the width, out [count] pairs of bytes; in[-1] and in[count] are
 * read too. rows: the nearer and the farther row of samples; far NULL for 4:2:2. sums: [count + 2].
 */
void dho_jpeg_upsample_row(const uint8_t *near, const uint8_t *far, size_t count, uint16_t *sums,
                           uint16_t *out);
void dho_jpeg_ycc_to_rgb(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, size_t count,
                         uint8_t *rgb);
void dho_jpeg_grey_to_rgb(const uint8_t *y, size_t count, uint8_t *rgb);

/* --- jpeg_baseline.c --- */

typedef enum dho_jpeg_outcome {
    DHO_JPEG_DONE,
    DHO_JPEG_NOT_MINE, /* libjpeg is to try; *inout is undefined */
    DHO_JPEG_FAILED    /* no memory; the message is set */
} dho_jpeg_outcome;

/* Decodes box (inside of the image) into *inout, box.width x box.height. */
dho_jpeg_outcome dho_jpeg_baseline_decode(dho_image *inout, const uint8_t *bytes, size_t size,
                                          const dho_jpeg_headers *headers, dho_box box,
                                          dho_resample_scratch *scratch, const char *name);

#endif
