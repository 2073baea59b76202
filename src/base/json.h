/* JSON through Jansson, with this project's errors and file habits. Private to src and tools. */
#ifndef DHO_BASE_JSON_H
#define DHO_BASE_JSON_H

#include "dho/status.h"

#include <jansson.h>
#include <stddef.h>

/* Parses `bytes` of JSON text (duplicate keys are an error). `name` is for messages only.
 * *out is owned by the caller (json_decref).
 * Errors: DHO_ERR_FORMAT "name: line L column C (offset O): why". */
dho_status dho_json_parse(json_t **out, const char *text, size_t bytes, const char *name);

/* Reads and parses a file of at most max_bytes. */
dho_status dho_json_load(json_t **out, const char *path, size_t max_bytes);

/* Writes with indentation, sorted keys unless the insertion order is kept (it is), atomically. */
dho_status dho_json_save(const json_t *value, const char *path);

/* Sealed files end with a key "crc32": CRC-32 of the whole text with the digits at 0, so that any
 * changed byte is found, white space included. save adds the key to `value`; load checks it and
 * takes it out. Errors of load: DHO_ERR_FORMAT "path: offset ...: damaged or changed by hand". */
dho_status dho_json_save_sealed(json_t *value, const char *path);
dho_status dho_json_load_sealed(json_t **out, const char *path, size_t max_bytes);

/* [a, b, c]; owned. */
json_t *dho_json_triple(const double values[3]);

#endif
