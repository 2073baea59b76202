#include "base/json.h"

#include "dho/alloc.h"
#include "dho/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

dho_status dho_json_parse(json_t **out, const char *text, size_t bytes, const char *name)
{
    json_error_t error;
    *out = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (*out != NULL) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: line %d column %d (offset %d): %s", name, error.line,
                    error.column, error.position, error.text);
}

dho_status dho_json_load(json_t **out, const char *path, size_t max_bytes)
{
    uint8_t *data = NULL;
    size_t capacity = 0, size;
    *out = NULL;
    dho_status status = dho_file_read_text(path, max_bytes, &data, &capacity, &size);
    if (status == DHO_OK) status = dho_json_parse(out, (const char *)data, size, path);
    dho_free(data);
    return status;
}

dho_status dho_json_save(const json_t *value, const char *path)
{
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    if (text == NULL) return dho_fail(DHO_ERR_MEMORY, "%s: cannot format JSON", path);
    const dho_status status = dho_file_write_text(path, text);
    free(text); /* Jansson's memory */
    return status;
}

/* A sealed file ends with the digits of the CRC and this. */
#define SEAL_TAIL "\"\n}\n"
enum { SEAL_DIGITS = 8, SEAL_TAIL_BYTES = sizeof SEAL_TAIL - 1 };

dho_status dho_json_save_sealed(json_t *value, const char *path)
{
    char *text = NULL, *file = NULL;
    char digits[SEAL_DIGITS + 1];
    dho_status status;
    if (json_object_set_new(value, "crc32", json_string("00000000")) == 0)
        text = json_dumps(value, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17));
    if (text == NULL) {
        status = dho_fail(DHO_ERR_CONFIG, "%s: cannot be written: is every text UTF-8?", path);
        goto fail;
    }
    DHO_TRY_GOTO(dho_asprintf(&file, "%s\n", text));
    const size_t length = strlen(file);
    snprintf(digits, sizeof digits, "%08" PRIx32, dho_crc32(0, file, length));
    memcpy(file + length - SEAL_TAIL_BYTES - SEAL_DIGITS, digits, SEAL_DIGITS);
    DHO_TRY_GOTO(dho_file_write_text(path, file));
fail:
    free(text); /* Jansson's memory */
    dho_free(file);
    return status;
}

/* Zeroes the digits in place. */
static dho_status check_seal(char *text, size_t size, const char *path)
{
    char stored[SEAL_DIGITS + 1] = {0}, computed[SEAL_DIGITS + 1];
    if (size < SEAL_DIGITS + SEAL_TAIL_BYTES ||
        memcmp(text + size - SEAL_TAIL_BYTES, SEAL_TAIL, SEAL_TAIL_BYTES) != 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset %zu: cut short or changed by hand", path, size);
    char *digits = text + size - SEAL_TAIL_BYTES - SEAL_DIGITS;
    memcpy(stored, digits, SEAL_DIGITS);
    memset(digits, '0', SEAL_DIGITS);
    snprintf(computed, sizeof computed, "%08" PRIx32, dho_crc32(0, text, size));
    if (strcmp(stored, computed) == 0) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT,
                    "%s: offset 0: CRC is %s, expected \"%.8s\": damaged or changed by hand", path,
                    computed, stored);
}

dho_status dho_json_load_sealed(json_t **out, const char *path, size_t max_bytes)
{
    uint8_t *text = NULL;
    size_t capacity = 0, size;
    dho_status status;
    *out = NULL;
    DHO_TRY_GOTO(dho_file_read_text(path, max_bytes, &text, &capacity, &size));
    DHO_TRY_GOTO(check_seal((char *)text, size, path));
    DHO_TRY_GOTO(dho_json_parse(out, (const char *)text, size, path));
    json_object_del(*out, "crc32");
fail:
    dho_free(text);
    return status;
}

json_t *dho_json_triple(const double values[3])
{
    return json_pack("[f, f, f]", values[0], values[1], values[2]);
}
