/* The run's event files. */
#define _GNU_SOURCE
#include "train/tensorboard.h"

#include "base/activity.h"
#include "base/event_file.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/metrics.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TAG_BYTES = 512 };

/* The part of TensorBoard's page that a metric is in. */
static const char *group_of(const dho_metric_row *row)
{
    if (row->chart == DHO_CHART_SPEED) return "speed";
    return row->chart == DHO_CHART_TRAINING ? "training" : "schedule";
}

static void give_up(dho_tensorboard *board, const char *why)
{
    dho_warn("%s; TensorBoard gets nothing more, the run goes on", why);
    dho_tensorboard_close(board);
}

/* Writes the records. */
static void flush(dho_tensorboard *board)
{
    dho_text *records = &board->records;
    if (records->status != DHO_OK) {
        give_up(board, dho_error_message());
        return;
    }
    dho_activity_begin("writes", board->path, true);
    const dho_line_change change = dho_line_file_add(&board->file, records->data, records->used);
    dho_activity_end();
    dho_line_file_tell(&board->file, change, board->path);
    records->used = 0;
}

/* TensorBoard reads the files of a folder in the order of their names: the time in this one's must
 * be later than that in all others, whatever the clock says. */
static dho_status choose_path(const char *folder, char **out)
{
    static const char beginning[] = "events.out.tfevents.";
    char host[64] = "";
    dho_name_list list;
    long long stamp = (long long)time(NULL);
    DHO_TRY(dho_list_folder(&list, folder));
    for (size_t i = 0; i < list.count; i++) {
        const char *digits = dho_after(list.names[i], beginning);
        const long long other = digits != NULL ? strtoll(digits, NULL, 10) : 0;
        if (other >= stamp && other < 9999999999) stamp = other + 1;
    }
    dho_name_list_free(&list);
    gethostname(host, sizeof host - 1);
    return dho_asprintf(out, "%s/%s%010lld.%s", folder, beginning, stamp, host);
}

void dho_tensorboard_open(dho_tensorboard *board, const char *run_folder, int64_t step)
{
    *board = (dho_tensorboard){0};
    dho_status status = choose_path(run_folder, &board->path);
    if (status == DHO_OK) status = dho_line_file_open(&board->file, board->path);
    if (status != DHO_OK) {
        give_up(board, dho_error_message());
        return;
    }
    dho_event_add_version(&board->records);
    dho_event_add_start(&board->records, step + 1);
    flush(board);
}

static const dho_metric_row *find_row(const char *name)
{
    for (int m = 0; m < DHO_METRIC_COUNT; m++)
        if (strcmp(dho_metric_table[m].name, name) == 0) return &dho_metric_table[m];
    return NULL;
}

/* set: of an evaluation while training; NULL: the line is of the steps. */
static void add_metric(dho_tensorboard *board, int64_t step, const char *set,
                       const dho_metric_row *row, double value)
{
    char tag[TAG_BYTES];
    const char *short_name = dho_after(row->name, "eval_");
    const char *name = set != NULL && short_name != NULL ? short_name : row->name;
    if (row->may_break && value < 0) return; /* was not finite */
    snprintf(tag, sizeof tag, "%s%s/%s", set != NULL ? "eval/" : "",
             set != NULL ? set : group_of(row), name);
    dho_event_add_scalar(&board->records, step, tag, value);
}

/* A value that has this name: tag[used] is free. */
static void add_values(dho_tensorboard *board, int64_t step, const json_t *value,
                       char tag[TAG_BYTES], size_t used, const char *name)
{
    const int length = snprintf(tag + used, TAG_BYTES - used, used > 0 ? "/%s" : "%s", name);
    const size_t now = used + (size_t)length;
    if (now >= TAG_BYTES) return;
    if (json_is_number(value))
        dho_event_add_scalar(&board->records, step, tag, json_number_value(value));
    for (void *i = json_object_iter((json_t *)value); i != NULL;
         i = json_object_iter_next((json_t *)value, i))
        add_values(board, step, json_object_iter_value(i), tag, now, json_object_iter_key(i));
}

void dho_tensorboard_line(dho_tensorboard *board, const json_t *line)
{
    char tag[TAG_BYTES];
    const int64_t step = json_integer_value(json_object_get(line, "step"));
    const char *set = json_string_value(json_object_get(line, "evaluated"));
    if (!board->file.open) return;
    for (void *i = json_object_iter((json_t *)line); i != NULL;
         i = json_object_iter_next((json_t *)line, i)) {
        const char *name = json_object_iter_key(i);
        const json_t *value = json_object_iter_value(i);
        const dho_metric_row *row = find_row(name);
        if (row != NULL && json_is_number(value))
            add_metric(board, step, set, row, json_number_value(value));
        else if (strcmp(name, "step") != 0)
            add_values(board, step, value, tag, 0, name);
    }
    flush(board);
}

void dho_tensorboard_close(dho_tensorboard *board)
{
    dho_line_file_close(&board->file);
    dho_free(board->path);
    dho_text_free(&board->records);
    *board = (dho_tensorboard){0};
}
