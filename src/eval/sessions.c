#include "eval/sessions.h"

#include "dho/alloc.h"
#include "dho/file.h"

#include <string.h>

#define MAX_SESSIONS_BYTES ((size_t)16 << 20)

static void add_lines(json_t *sessions, const char *text, size_t bytes)
{
    const char *line = text, *end = text + bytes;
    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const size_t length = newline != NULL ? (size_t)(newline - line) : (size_t)(end - line);
        json_t *entry = json_loadb(line, length, 0, NULL);
        if (json_is_object(entry)) json_array_append(sessions, entry);
        json_decref(entry);
        line += length + 1;
    }
}

dho_status dho_sessions_load(json_t **out, const char *run_folder)
{
    char *path;
    uint8_t *data = NULL;
    size_t capacity = 0, size;
    *out = NULL;
    DHO_TRY(dho_path_join(&path, run_folder, "sessions.jsonl"));
    dho_status status = DHO_OK;
    json_t *sessions = json_array();
    if (sessions == NULL) status = dho_fail(DHO_ERR_MEMORY, "%s: cannot read", path);
    if (status == DHO_OK && dho_path_exists(path)) {
        status = dho_file_read_text(path, MAX_SESSIONS_BYTES, &data, &capacity, &size);
        if (status == DHO_OK) add_lines(sessions, (const char *)data, size);
    }
    if (status == DHO_OK)
        *out = sessions;
    else
        json_decref(sessions);
    dho_free(data);
    dho_free(path);
    return status;
}
