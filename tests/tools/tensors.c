/* Files of tensors for tests, without Python:
 *   tensors write OUT NAME:SHAPE:VALUES ...  F32 tensors; "w:2x3:1,2,3" repeats its values as often
 *                                            as needed; "s::30" is one number; nan, inf are values
 *   tensors poke FILE NAME INDEX VALUE       one value of an F32 tensor, in place
 *   tensors rename FILE OUT FROM=TO ...      names that begin with FROM begin with TO; FROM+=TO
 *                                            keeps the old ones, too */
#define _GNU_SOURCE
#include "dho/alloc.h"
#include "dho/safetensors.h"
#include "weights/tensor_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

static dho_tensor_view views[MOST];
static size_t count;

static dho_status add_written(const char *text)
{
    dho_tensor_view *view = &views[count++];
    const char *shape = strchr(text, ':'), *values = shape != NULL ? strchr(shape + 1, ':') : NULL;
    size_t total = 1, given = 0;
    float list[256], *data;
    if (values == NULL) return dho_fail(DHO_ERR_CONFIG, "%s: not NAME:SHAPE:VALUES", text);
    *view = (dho_tensor_view){.name = strndup(text, (size_t)(shape - text)), .dtype = DHO_F32};
    for (const char *at = shape + 1; at < values; at++) {
        view->shape[view->dims] = strtoll(at, (char **)(uintptr_t)&at, 10);
        total *= (size_t)view->shape[view->dims++];
    }
    for (const char *at = values + 1; *at != '\0' && given < 256; at += *at == ',')
        list[given++] = strtof(at, (char **)(uintptr_t)&at);
    DHO_TRY(dho_alloc(&data, total, sizeof *data, text));
    for (size_t i = 0; i < total; i++) data[i] = list[i % given];
    view->data = data;
    view->bytes = total * sizeof *data;
    return DHO_OK;
}

static dho_status poke(const char *path, const char *name, size_t index, float value)
{
    dho_safetensors *file;
    const dho_tensor_view *view;
    DHO_TRY(dho_safetensors_open(&file, path));
    DHO_TRY(dho_safetensors_require(file, name, -1, NULL, &view));
    size_t header = 0, before = 0;
    for (size_t i = 0; &dho_safetensors_table(file)->tensors[i] != view; i++)
        before += dho_safetensors_table(file)->tensors[i].bytes;
    dho_safetensors_close(&file);
    FILE *stream = fopen(path, "r+b");
    if (stream == NULL || fread(&header, 8, 1, stream) != 1 ||
        fseek(stream, (long)(8 + header + before + index * sizeof value), SEEK_SET) != 0 ||
        fwrite(&value, sizeof value, 1, stream) != 1 || fclose(stream) != 0)
        return dho_fail(DHO_ERR_IO, "%s: cannot write", path);
    return DHO_OK;
}

static dho_status rename_all(const char *path, const char *out, char **rules, int rule_count)
{
    dho_safetensors *file;
    DHO_TRY(dho_safetensors_open(&file, path));
    for (size_t i = 0; i < dho_safetensors_table(file)->count; i++) {
        const dho_tensor_view *view = &dho_safetensors_table(file)->tensors[i];
        bool keep = true;
        for (int r = 0; r < rule_count; r++) {
            const char *to = strchr(rules[r], '=');
            if (to == NULL) return dho_fail(DHO_ERR_CONFIG, "%s: no =", rules[r]);
            const bool both = to > rules[r] && to[-1] == '+';
            const size_t length = (size_t)(to - rules[r]) - both;
            char *name;
            if (strncmp(view->name, rules[r], length) != 0) continue;
            DHO_TRY(dho_asprintf(&name, "%s%s", to + 1, view->name + length));
            views[count] = *view;
            views[count++].name = name;
            keep = keep && both;
        }
        if (keep) views[count++] = *view;
    }
    const dho_status status = dho_safetensors_save(out, views, count, NULL, NULL);
    dho_safetensors_close(&file);
    return status;
}

int main(int argc, char **argv)
{
    dho_status status = DHO_ERR_CONFIG;
    if (argc > 3 && strcmp(argv[1], "write") == 0) {
        status = DHO_OK;
        for (int i = 3; i < argc && status == DHO_OK; i++) status = add_written(argv[i]);
        if (status == DHO_OK) status = dho_safetensors_save(argv[2], views, count, NULL, NULL);
    } else if (argc == 6 && strcmp(argv[1], "poke") == 0) {
        status = poke(argv[2], argv[3], strtoull(argv[4], NULL, 10), strtof(argv[5], NULL));
    } else if (argc > 4 && strcmp(argv[1], "rename") == 0) {
        status = rename_all(argv[2], argv[3], argv + 4, argc - 4);
    }
    if (status != DHO_OK) fprintf(stderr, "tensors: %s\n", dho_error_message());
    return status == DHO_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
