/* safetensors files: strict reader over a mapping, atomic writer. All Local.
 *
 * Format: u64 LE header length N (<= 100,000,000), N bytes of JSON, then the data. The reader
 * demands what the reference implementation demands: offsets relative to the data, in order and
 * contiguous from 0, size = shape x dtype, the last ends at the end of the file, no duplicate
 * names. Writers pad the header with spaces to 8 bytes. */
#ifndef DHO_SAFETENSORS_H
#define DHO_SAFETENSORS_H

#include "dho/file.h"
#include "dho/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef enum dho_dtype {
    DHO_F32,
    DHO_F16,
    DHO_BF16,
    DHO_F64,
    DHO_I64,
    DHO_I32,
    DHO_I16,
    DHO_I8,
    DHO_U8,
    DHO_BOOL
} dho_dtype;

size_t dho_dtype_size(dho_dtype dtype);
const char *dho_dtype_name(dho_dtype dtype); /* "F32", ... */

enum { DHO_MAX_DIMS = 8 };

typedef struct dho_tensor_view {
    const char *name; /* borrowed from the file or the caller */
    dho_dtype dtype;
    int dims; /* 0 .. DHO_MAX_DIMS */
    int64_t shape[DHO_MAX_DIMS];
    const void *data; /* borrowed, little endian, any alignment */
    size_t bytes;
} dho_tensor_view;

typedef struct dho_safetensors dho_safetensors;

/* Errors: DHO_ERR_IO, DHO_ERR_FORMAT ("path: offset N: why"). */
dho_status dho_safetensors_open(dho_safetensors **out, const char *path);
/* The same over memory that outlives the reader (fuzzing, tests). */
dho_status dho_safetensors_open_memory(dho_safetensors **out, const void *data, size_t bytes,
                                       const char *name);
void dho_safetensors_close(dho_safetensors **file);

const char *dho_safetensors_path(const dho_safetensors *file);
/* By name; NULL when there is none. */
const dho_tensor_view *dho_safetensors_find(const dho_safetensors *file, const char *name);
/* By name, demanded: DHO_ERR_FORMAT names the file, the tensor and, for a wrong shape, both
 * shapes. dims < 0: any shape; a shape entry < 0 matches any size. */
dho_status dho_safetensors_require(const dho_safetensors *file, const char *name, int dims,
                                   const int64_t *shape, const dho_tensor_view **out);
/* __metadata__ value, NULL when absent. */
const char *dho_safetensors_metadata(const dho_safetensors *file, const char *key);

/* Converts any dtype to float, [bytes / dtype size] values; F64/ints are rounded. */
void dho_tensor_to_float(const dho_tensor_view *tensor, float *out);
/* The same, and all values must be finite. Errors: DHO_ERR_FORMAT `path: tensor "x": value [3, 7]
 * is nan`, also for an F64 beyond float's range. */
dho_status dho_tensor_to_finite(const dho_tensor_view *tensor, const char *path, float *out);
/* Integers of any width (and BOOL) to int64. Errors: DHO_ERR_FORMAT for a float dtype. */
dho_status dho_tensor_to_int64(const dho_tensor_view *tensor, int64_t *out);

float dho_half_to_float(uint16_t half);
uint16_t dho_float_to_half(float value); /* round to nearest even, overflow to infinity */

/* Writes count tensors, in the order given, atomically; metadata is key, value, key, value ...
 * NULL-terminated (may be NULL). *out_crc (may be NULL): CRC-32 of the whole file.
 * A sealed file: metadata DHO_SEAL_KEY, DHO_SEAL_EMPTY among them. Its value becomes the CRC-32, in
 * hexadecimal digits, of the whole file with these digits at 0. */
#define DHO_SEAL_KEY "crc32"
#define DHO_SEAL_EMPTY "00000000"
dho_status dho_safetensors_save(const char *path, const dho_tensor_view *tensors, size_t count,
                                const char *const *metadata, uint32_t *out_crc);

/* Is a sealed file what was written? Errors: DHO_ERR_FORMAT: it is not, or it is not sealed. */
dho_status dho_safetensors_check_seal(const dho_safetensors *file);

/* Can a safetensors file be written there? Errors: DHO_ERR_CONFIG for a name of another format,
 * DHO_ERR_IO. option: "--out", for the message. */
dho_status dho_safetensors_check_place(const char *option, const char *path);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
