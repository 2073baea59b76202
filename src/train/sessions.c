/* sessions.jsonl, written and read. */
#include "dho/session.h"

#include "base/json.h"
#include "base/line_file.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SESSIONS_BYTES ((size_t)16 << 20)

typedef enum field_type { TEXT, COUNT, REAL } field_type;

/* The keys of a line, in their order. */
static const struct field {
    const char *name;
    field_type type;
    size_t offset; /* of the member of dho_session: COUNT and REAL are doubles */
} fields[] = {
#define FIELD(name, type)                        \
    {                                            \
#name, type, offsetof(dho_session, name) \
    }
    FIELD(started, TEXT), FIELD(step, COUNT),    FIELD(version, TEXT),   FIELD(libraries, TEXT),
    FIELD(host, TEXT),    FIELD(cpu, TEXT),      FIELD(cores, COUNT),    FIELD(memory_gib, REAL),
    FIELD(ranks, COUNT),  FIELD(threads, COUNT), FIELD(backend, TEXT),   FIELD(parameters, COUNT),
    FIELD(images, COUNT), FIELD(classes, COUNT), FIELD(labelled, COUNT), FIELD(total_steps, COUNT),
    FIELD(config, TEXT),
#undef FIELD
};
enum { FIELDS = sizeof fields / sizeof *fields };

static json_t *value_of(const dho_session *session, const struct field *field)
{
    const void *member = (const char *)session + field->offset;
    if (field->type == TEXT) return json_string(*(const char *const *)member);
    const double number = *(const double *)member;
    return field->type == REAL ? json_real(number) : json_integer((json_int_t)number);
}

dho_status dho_session_append(const dho_session *session, const char *run_folder)
{
    char *path = NULL, *text = NULL;
    dho_line_file file = {0};
    dho_text whole = {0};
    dho_status status;
    bool failed = false;
    DHO_TRY(dho_path_join(&path, run_folder, "sessions.jsonl"));
    json_t *line = json_object();
    for (int f = 0; f < FIELDS; f++)
        failed |= json_object_set_new(line, fields[f].name, value_of(session, &fields[f])) != 0;
    if (!failed)
        text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(4));
    json_decref(line);
    if (text == NULL) {
        status = dho_fail(DHO_ERR_MEMORY, "%s: cannot format a line", path);
        goto fail;
    }
    dho_text_add(&whole, "%s\n", text);
    DHO_TRY_GOTO(whole.status);
    DHO_TRY_GOTO(dho_line_file_open(&file, path));
    if (dho_line_file_add(&file, whole.data, whole.used) == DHO_LINE_BROKEN)
        status = dho_fail(DHO_ERR_IO, "%s: cannot write: %s", path, strerror(file.error));
fail:
    dho_line_file_close(&file);
    dho_text_free(&whole);
    free(text); /* Jansson's memory */
    dho_free(path);
    return status;
}

/* Objects only. */
static void add_lines(json_t *lines, const char *text, size_t bytes)
{
    const char *line = text, *end = text + bytes;
    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const size_t length = newline != NULL ? (size_t)(newline - line) : (size_t)(end - line);
        json_t *entry = json_loadb(line, length, 0, NULL);
        if (json_is_object(entry)) json_array_append(lines, entry);
        json_decref(entry);
        line += length + 1;
    }
}

static void read_line(dho_session *out, const json_t *line)
{
    for (int f = 0; f < FIELDS; f++) {
        void *member = (char *)out + fields[f].offset;
        const json_t *value = json_object_get(line, fields[f].name);
        if (fields[f].type == TEXT)
            *(const char **)member = json_string_value(value);
        else
            *(double *)member = json_is_number(value) ? json_number_value(value) : NAN;
    }
}

dho_status dho_sessions_load(dho_sessions *out, const char *run_folder)
{
    char *path;
    uint8_t *data = NULL;
    size_t capacity = 0, size;
    dho_status status;
    *out = (dho_sessions){0};
    DHO_TRY(dho_path_join(&path, run_folder, "sessions.jsonl"));
    out->lines = json_array();
    if (out->lines == NULL) {
        status = dho_fail(DHO_ERR_MEMORY, "%s: cannot read", path);
        goto fail;
    }
    if (dho_path_exists(path)) {
        DHO_TRY_GOTO(dho_file_read_text(path, MAX_SESSIONS_BYTES, &data, &capacity, &size));
        add_lines(out->lines, (const char *)data, size);
    }
    out->count = json_array_size(out->lines);
    DHO_TRY_GOTO(dho_alloc_zero(&out->items, out->count, sizeof *out->items, "sessions"));
    for (size_t i = 0; i < out->count; i++)
        read_line(&out->items[i], json_array_get(out->lines, i));
    status = DHO_OK;
fail:
    dho_free(data);
    dho_free(path);
    if (status != DHO_OK) dho_sessions_free(out);
    return status;
}

void dho_sessions_free(dho_sessions *sessions)
{
    dho_free(sessions->items);
    json_decref(sessions->lines);
    *sessions = (dho_sessions){0};
}
