#include "base/json.h"

#include "dho/alloc.h"
#include "dho/file.h"

#include <stdlib.h>

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
    dho_status status = dho_file_read(path, max_bytes, &data, &capacity, &size);
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
