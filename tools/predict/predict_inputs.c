#include "predict/predict_inputs.h"

#include "dho/alloc.h"
#include "dho/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_LIST_BYTES ((size_t)1 << 36)
enum { STANDARD_INPUT, LIST_FILE };

/* --- lists of names --- */

static dho_status read_standard_input(uint8_t **out, size_t *out_size)
{
    size_t capacity = 1 << 16, used = 0;
    DHO_TRY(dho_realloc(out, capacity, 1, "standard input"));
    for (size_t got = 1; got > 0; used += got) {
        if (used + 1 == capacity) {
            capacity *= 2;
            DHO_TRY(dho_realloc(out, capacity, 1, "standard input"));
        }
        got = fread(*out + used, 1, capacity - 1 - used, stdin);
    }
    if (ferror(stdin))
        return dho_fail(DHO_ERR_CONFIG, "standard input: cannot read: %s", strerror(errno));
    (*out)[used] = '\0';
    *out_size = used;
    return DHO_OK;
}

/* One name a line; with NULs between them (find -print0) where there are any. An empty one is none.
 */
static dho_status split_names(struct dho_name_text *list, size_t size)
{
    const char end_mark = memchr(list->text, '\0', size) != NULL ? '\0' : '\n';
    size_t capacity = 0;
    for (char *at = list->text, *end = at + size; at < end;) {
        char *stop = memchr(at, end_mark, (size_t)(end - at));
        char *next = stop != NULL ? stop + 1 : end;
        if (stop == NULL) stop = end;
        if (end_mark == '\n' && stop > at && stop[-1] == '\r') stop--;
        *stop = '\0'; /* there is room for one behind the last */
        DHO_TRY(
            dho_grow(&list->names, list->count, &capacity, sizeof *list->names, "names of images"));
        if (stop > at) list->names[list->count++] = at;
        at = next;
    }
    return DHO_OK;
}

/* path NULL: standard input. Rank 0 reads, all have it. */
static dho_status open_list(dho_comm *comm, const char *path, struct dho_name_text *list)
{
    uint8_t *text = NULL;
    size_t size = 0, capacity = 0;
    dho_status status = DHO_OK;
    const bool first = dho_comm_rank(comm) == 0;
    if (first)
        status = path == NULL ? read_standard_input(&text, &size)
                              : dho_input_status(dho_file_read_text(path, MAX_LIST_BYTES, &text,
                                                                    &capacity, &size));
    list->text = (char *)text;
    uint64_t bytes = size;
    DHO_TRY(dho_comm_agree(comm, status));
    DHO_TRY(dho_comm_broadcast(comm, &bytes, sizeof bytes, 0));
    if (!first) status = dho_alloc(&list->text, bytes + 1, 1, "names of images");
    DHO_TRY(dho_comm_agree(comm, status));
    DHO_TRY(dho_comm_broadcast(comm, list->text, bytes, 0));
    status = split_names(list, bytes);
    if (status == DHO_OK && list->count == 0)
        status =
            dho_fail(DHO_ERR_CONFIG, "%s: names no image", path != NULL ? path : "standard input");
    return dho_comm_agree(comm, status);
}

/* --- parts --- */

static dho_status add_part(dho_inputs *inputs, dho_part_kind kind, const char *const *names,
                           size_t count)
{
    dho_input_part *last = inputs->part_count > 0 ? &inputs->parts[inputs->part_count - 1] : NULL;
    if (kind == DHO_PART_FILES && last != NULL && last->kind == kind &&
        last->names + last->count == names) {
        last->count += count;
        return DHO_OK;
    }
    DHO_TRY(dho_realloc(&inputs->parts, inputs->part_count + 1, sizeof *inputs->parts, "inputs"));
    inputs->parts[inputs->part_count++] = (dho_input_part){kind, names, count};
    return DHO_OK;
}

static dho_status add_word(dho_inputs *inputs, const char *const *word)
{
    if (!dho_path_exists(*word))
        return dho_fail(DHO_ERR_CONFIG, "%s: no such image, folder or tar", *word);
    const bool heap = dho_path_is_folder(*word) || dho_tar_is_name(*word);
    return add_part(inputs, heap ? DHO_PART_HEAP : DHO_PART_FILES, word, 1);
}

static dho_status add_words(dho_inputs *inputs, const dho_predict_options *options)
{
    const struct dho_name_text *lists = inputs->lists;
    for (size_t i = 0; i < options->input_count; i++) {
        const char *const *word = &options->inputs[i];
        if (strcmp(*word, "-") != 0)
            DHO_TRY(add_word(inputs, word));
        else
            DHO_TRY(add_part(inputs, DHO_PART_FILES, lists[STANDARD_INPUT].names,
                             lists[STANDARD_INPUT].count));
    }
    if (options->list == NULL) return DHO_OK;
    return add_part(inputs, DHO_PART_FILES, lists[LIST_FILE].names, lists[LIST_FILE].count);
}

dho_status dho_inputs_open(dho_comm *comm, const dho_predict_options *options, dho_inputs *out)
{
    dho_status status;
    int dashes = 0;
    *out = (dho_inputs){0};
    for (size_t i = 0; i < options->input_count; i++)
        dashes += strcmp(options->inputs[i], "-") == 0;
    if (dashes > 1)
        return dho_fail(DHO_ERR_CONFIG, "\"-\" stands there twice: standard input is read once");
    if (dashes > 0) DHO_TRY_GOTO(open_list(comm, NULL, &out->lists[STANDARD_INPUT]));
    if (options->list != NULL) DHO_TRY_GOTO(open_list(comm, options->list, &out->lists[LIST_FILE]));
    DHO_TRY_GOTO(dho_comm_agree(comm, add_words(out, options)));
    return DHO_OK;
fail:
    dho_inputs_close(out);
    return status;
}

void dho_inputs_close(dho_inputs *inputs)
{
    for (int i = 0; i < 2; i++) {
        dho_free(inputs->lists[i].text);
        dho_free(inputs->lists[i].names);
    }
    dho_free(inputs->parts);
    *inputs = (dho_inputs){0};
}

dho_status dho_input_part_open(const dho_input_part *part, dho_dataset *out)
{
    if (part->kind == DHO_PART_HEAP) return dho_dataset_open_unlabelled(out, part->names[0]);
    return dho_input_status(dho_dataset_open_files(out, part->names, part->count));
}
