/* dho export: a trained student under the names that torchvision and timm load. */
#include "cli/cli.h"
#include "dho/alloc.h"
#include "dho/checkpoint.h"
#include "dho/log.h"
#include "dho/state_dict.h"

#include <stdio.h>
#include <string.h>

typedef enum export_head { HEAD_CE, HEAD_KD, HEAD_BOTH } export_head;

typedef struct export_list {
    dho_state_dict own;       /* the model in file layout */
    dho_tensor_view *tensors; /* what is written; names and data borrowed, but for `names` */
    size_t count;
    char **names; /* owned */
    size_t name_count;
    int64_t steps;
} export_list;

static void list_free(export_list *list)
{
    for (size_t i = 0; i < list->name_count; i++) dho_free(list->names[i]);
    dho_free(list->names);
    dho_free(list->tensors);
    dho_state_dict_free(&list->own);
}

/* "ce", "kd", "both" or NULL: the only head, or kd. */
static dho_status parse_head(const char *word, const dho_student *student, export_head *out)
{
    const bool dual = student->head_count == 2;
    *out = dual ? HEAD_KD : HEAD_CE;
    if (word == NULL) return DHO_OK;
    if (strcmp(word, "ce") != 0 && strcmp(word, "kd") != 0 && strcmp(word, "both") != 0)
        return dho_fail(DHO_ERR_CONFIG, "--head: expected ce, kd or both, got \"%s\"", word);
    if (!dual) return dho_fail(DHO_ERR_CONFIG, "--head %s: this student has one head only", word);
    *out = word[0] == 'c' ? HEAD_CE : word[0] == 'k' ? HEAD_KD : HEAD_BOTH;
    return DHO_OK;
}

/* The view's name becomes "first second", without the blank. */
static dho_status add_name(export_list *list, dho_tensor_view *view, const char *first,
                           const char *second)
{
    char *name;
    DHO_TRY(dho_asprintf(&name, "%s%s", first, second));
    list->names[list->name_count++] = name;
    view->name = name;
    return DHO_OK;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* One tensor of the model: a head becomes the published model's or is left out, the rest keeps its
 * name. */
static dho_status add_tensor(export_list *list, const dho_tensor_view *tensor, export_head head,
                             const dho_student *student)
{
    const char *wanted = student->head_count < 2 ? "head."
                         : head == HEAD_CE       ? "head_ce."
                                                 : "head_kd.";
    dho_tensor_view *view = &list->tensors[list->count];
    *view = *tensor;
    if (strncmp(tensor->name, "head", 4) == 0 && head != HEAD_BOTH) {
        if (strncmp(tensor->name, wanted, strlen(wanted)) != 0) return DHO_OK;
        DHO_TRY(add_name(list, view, student->classifier, strchr(tensor->name, '.')));
    }
    list->count++;
    if (!ends_with(tensor->name, "running_var")) return DHO_OK;
    /* PyTorch's batch normalisation counts its steps; a strict load demands the number. */
    char part[128];
    dho_tensor_view *steps = &list->tensors[list->count];
    snprintf(part, sizeof part, "%.*s", (int)(strlen(tensor->name) - strlen("running_var")),
             tensor->name);
    *steps = (dho_tensor_view){.dtype = DHO_I64, .data = &list->steps, .bytes = sizeof(int64_t)};
    DHO_TRY(add_name(list, steps, part, "num_batches_tracked"));
    list->count++;
    return DHO_OK;
}

static dho_status build_list(export_list *list, const dho_model *model, export_head head)
{
    const dho_graph *graph = model->student.graph;
    DHO_TRY(dho_state_dict_add(&list->own, graph, false, "", model->parameters));
    DHO_TRY(dho_state_dict_add(&list->own, graph, true, "", model->buffers));
    const size_t most = 2 * list->own.count;
    DHO_TRY(dho_alloc(&list->tensors, most, sizeof *list->tensors, "export"));
    DHO_TRY(dho_alloc(&list->names, most, sizeof *list->names, "export"));
    for (size_t i = 0; i < list->own.count; i++)
        DHO_TRY(add_tensor(list, &list->own.tensors[i], head, &model->student));
    return DHO_OK;
}

/* What a user needs to run the model elsewhere. */
static dho_status save(const export_list *list, const dho_model *model,
                       const dho_checkpoint_info *info, const char *path)
{
    char mean[96], std[96], size[16], width[16];
    snprintf(mean, sizeof mean, "%.9g %.9g %.9g", info->mean[0], info->mean[1], info->mean[2]);
    snprintf(std, sizeof std, "%.9g %.9g %.9g", info->std[0], info->std[1], info->std[2]);
    snprintf(size, sizeof size, "%d", info->image_size);
    snprintf(width, sizeof width, "%d", info->width);
    const char *const metadata[] = {"format", "pt",  "model",      model->student.model,
                                    "width",  width, "image_size", size,
                                    "mean",   mean,  "std",        std,
                                    NULL};
    return dho_safetensors_save(path, list->tensors, list->count, metadata, NULL);
}

/* Rank 0 writes. */
static dho_status write_file(const dho_model *model, const dho_checkpoint_info *info,
                             const char *path, const char *head_word)
{
    export_list list = {.steps = info->step};
    export_head head;
    dho_status status;
    DHO_TRY(parse_head(head_word, &model->student, &head));
    DHO_TRY_GOTO(build_list(&list, model, head));
    DHO_TRY_GOTO(save(&list, model, info, path));
    const char *as = head == HEAD_BOTH               ? "head_ce and head_kd"
                     : model->student.head_count < 2 ? "its head as "
                     : head == HEAD_CE               ? "head_ce as "
                                                     : "head_kd as ";
    dho_info("%s: %s, width %d, %d classes, %s%s: %zu tensors", path, model->student.model,
             info->width, info->classes, as, head == HEAD_BOTH ? "" : model->student.classifier,
             list.count);
fail:
    list_free(&list);
    return status;
}

dho_status dho_command_export(const dho_arguments *arguments, dho_comm *comm)
{
    const char *checkpoint = NULL, *path = NULL, *head = NULL;
    const dho_option options[] = {{.name = "--checkpoint", .value = &checkpoint},
                                  {.name = "--out", .value = &path},
                                  {.name = "--head", .value = &head}};
    DHO_TRY(dho_cli_parse(arguments, NULL, options, sizeof options / sizeof *options));
    if (checkpoint == NULL || path == NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "usage: dho export --checkpoint PATH --out FILE.safetensors "
                        "[--head ce|kd|both]");
    dho_model model;
    dho_checkpoint_info info;
    DHO_TRY(dho_checkpoint_open_model(comm, checkpoint, false, &model, &info));
    const dho_status status =
        dho_comm_rank(comm) == 0 ? write_file(&model, &info, path, head) : DHO_OK;
    dho_checkpoint_info_free(&info);
    dho_model_destroy(&model);
    return dho_comm_agree(comm, status);
}
