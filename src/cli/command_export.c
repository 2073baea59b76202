/* dho export: a trained student under the names that torchvision, open_clip, transformers and timm
 * load. */
#include "cli/cli.h"
#include "cli/export_about.h"
#include "cli/export_fold.h"
#include "dho/alloc.h"
#include "dho/checkpoint.h"
#include "dho/log.h"
#include "dho/state_dict.h"
#include "weights/tensor_names.h"

#include <stdio.h>
#include <string.h>

typedef enum export_head { HEAD_CE, HEAD_KD, HEAD_BOTH, HEAD_NONE } export_head;

typedef struct export_list {
    dho_state_dict own; /* the model in file layout */
    dho_naming naming;
    dho_tensor_view *tensors; /* what is written; names and data borrowed, but for these: */
    size_t count;
    char **names; /* owned */
    size_t name_count;
    float *projection;   /* owned, CLIP's in the other layout; or NULL */
    char classifier[32]; /* the head's name there */
    bool folded;         /* the head is in the projection's place */
    dho_fold fold;
    int64_t steps;
} export_list;

static void list_free(export_list *list)
{
    for (size_t i = 0; i < list->name_count; i++) dho_free(list->names[i]);
    dho_free(list->names);
    dho_free(list->projection);
    dho_free(list->fold.bias);
    dho_free(list->tensors);
    dho_state_dict_free(&list->own);
}

/* "ce", "kd", "both", "none" or NULL: the only head, or kd. */
static dho_status parse_head(const char *word, const dho_student *student, export_head *out)
{
    const bool dual = student->head_count == 2;
    *out = dual ? HEAD_KD : HEAD_CE;
    if (word == NULL) return DHO_OK;
    if (strcmp(word, "none") == 0) {
        *out = HEAD_NONE;
        return DHO_OK;
    }
    if (strcmp(word, "ce") != 0 && strcmp(word, "kd") != 0 && strcmp(word, "both") != 0)
        return dho_fail(DHO_ERR_CONFIG, "--head: expected ce, kd, both or none, got \"%s\"", word);
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

static bool is_head(const char *name)
{
    return strncmp(name, "head", 4) == 0;
}

/* The first tensor of the backbone that has no name in a naming; NULL: all have one. */
static const char *first_unnamed(const dho_state_dict *own, dho_naming naming)
{
    dho_tensor_names names;
    for (size_t i = 0; i < own->count; i++) {
        const char *name = own->tensors[i].name;
        if (!is_head(name) && !dho_tensor_names_of(naming, name, &names)) return name;
    }
    return NULL;
}

/* The naming of this word that has names for the model. */
static dho_status parse_names(const char *word, export_list *list)
{
    const char *unnamed = NULL;
    list->naming = DHO_NAMES_OWN;
    if (word == NULL) return DHO_OK;
    for (int i = 0; i < DHO_NAMING_COUNT; i++) {
        if (strcmp(word, dho_naming_words[i]) != 0) continue;
        list->naming = (dho_naming)i;
        unnamed = first_unnamed(&list->own, list->naming);
        if (unnamed == NULL) return DHO_OK;
    }
    if (unnamed != NULL)
        return dho_fail(DHO_ERR_CONFIG, "--names %s: has no name for \"%s\" of this model", word,
                        unnamed);
    return dho_fail(DHO_ERR_CONFIG,
                    "--names: expected openai, bare, huggingface or timm, got \"%s\"", word);
}

/* A matrix in the other layout. */
static dho_status transpose(export_list *list, dho_tensor_view *view)
{
    const int64_t rows = view->shape[0], columns = view->shape[1];
    const float *from = view->data;
    DHO_TRY(dho_alloc(&list->projection, (size_t)(rows * columns), sizeof(float), "export"));
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            list->projection[c * rows + r] = from[r * columns + c];
    view->data = list->projection;
    view->shape[0] = columns;
    view->shape[1] = rows;
    return DHO_OK;
}

/* timm's class token and position embeddings have a batch of one. */
static void unsqueeze(dho_tensor_view *view, int dims)
{
    for (; view->dims < dims; view->dims++) {
        for (int d = view->dims; d > 0; d--) view->shape[d] = view->shape[d - 1];
        view->shape[0] = 1;
    }
}

/* One tensor of the backbone, under the names that are asked for. parse_names has made sure that
 * there are such. */
static dho_status add_renamed(export_list *list, const dho_tensor_view *tensor)
{
    dho_tensor_names names;
    dho_tensor_names_of(list->naming, tensor->name, &names);
    for (int i = 0; i < names.count; i++) {
        dho_tensor_view *view = &list->tensors[list->count++];
        *view = *tensor;
        view->shape[0] /= names.count;
        view->bytes /= (size_t)names.count;
        view->data = (const char *)tensor->data + (size_t)i * view->bytes;
        if (names.transposed) DHO_TRY(transpose(list, view));
        if (list->naming == DHO_NAMES_TIMM &&
            (strcmp(names.names[i], "cls_token") == 0 || strcmp(names.names[i], "pos_embed") == 0))
            unsqueeze(view, 3);
        DHO_TRY(add_name(list, view, names.names[i], ""));
    }
    return DHO_OK;
}

/* "head_ce", "head_kd" or, where there is one only, "head". */
static const char *wanted_head(const dho_student *student, export_head head)
{
    return student->head_count < 2 ? "head" : head == HEAD_CE ? "head_ce" : "head_kd";
}

/* One tensor of a head: it gets the published model's name, or is left out. */
static dho_status add_head(export_list *list, const dho_tensor_view *tensor, export_head head,
                           const dho_student *student)
{
    dho_tensor_names names;
    char own[96];
    const char *part = strchr(tensor->name, '.'), *wanted = wanted_head(student, head);
    const size_t length = strlen(wanted);
    const bool is_wanted =
        strncmp(tensor->name, wanted, length) == 0 && tensor->name[length] == '.';
    if (head == HEAD_NONE || list->folded || (head != HEAD_BOTH && !is_wanted)) return DHO_OK;
    dho_tensor_view *view = &list->tensors[list->count++];
    *view = *tensor;
    if (head == HEAD_BOTH) return DHO_OK;
    snprintf(own, sizeof own, "%s%s", student->classifier, part);
    const bool renamed = dho_tensor_names_of(list->naming, own, &names);
    DHO_TRY(add_name(list, view, renamed ? names.names[0] : own, ""));
    snprintf(list->classifier, sizeof list->classifier, "%.*s",
             (int)(strlen(view->name) - strlen(part)), view->name);
    return DHO_OK;
}

/* PyTorch's batch normalisation counts its steps; a strict load demands the number. */
static dho_status add_steps(export_list *list, const char *running_var)
{
    char part[DHO_TENSOR_NAME_BYTES];
    dho_tensor_view *steps = &list->tensors[list->count++];
    snprintf(part, sizeof part, "%.*s", (int)(strlen(running_var) - strlen("running_var")),
             running_var);
    *steps = (dho_tensor_view){.dtype = DHO_I64, .data = &list->steps, .bytes = sizeof(int64_t)};
    return add_name(list, steps, part, "num_batches_tracked");
}

/* timm's CLIP models: projection and head are one layer. */
static dho_status fold(export_list *list, export_head head, const dho_student *student)
{
    const bool cosine = student->head_forms[head == HEAD_KD] == DHO_HEAD_COSINE;
    if (head == HEAD_BOTH || (head != HEAD_NONE && cosine))
        return dho_fail(DHO_ERR_CONFIG,
                        "--names timm: timm's CLIP models end in one linear layer, which cannot be "
                        "%s: --head %snone, or other names",
                        head == HEAD_BOTH ? "two heads" : "a cosine head",
                        student->head_count == 2 ? "ce or " : "");
    list->folded = true;
    return dho_export_fold(&list->own, head == HEAD_NONE ? NULL : wanted_head(student, head),
                           &list->fold);
}

static dho_status build_list(export_list *list, const dho_model *model, export_head head,
                             const char *names)
{
    const dho_student *student = &model->student;
    DHO_TRY(dho_state_dict_add(&list->own, student->graph, false, "", model->parameters));
    DHO_TRY(dho_state_dict_add(&list->own, student->graph, true, "", model->buffers));
    DHO_TRY(parse_names(names, list));
    if (strcmp(dho_naming_words[list->naming], "timm") == 0 &&
        strncmp(list->own.tensors[0].name, "visual.", 7) == 0)
        DHO_TRY(fold(list, head, student));
    const size_t most = DHO_NAME_PARTS * list->own.count + 1;
    DHO_TRY(dho_alloc(&list->tensors, most, sizeof *list->tensors, "export"));
    DHO_TRY(dho_alloc(&list->names, most, sizeof *list->names, "export"));
    for (size_t i = 0; i < list->own.count; i++) {
        const dho_tensor_view *tensor = &list->own.tensors[i];
        if (is_head(tensor->name)) {
            DHO_TRY(add_head(list, tensor, head, student));
            continue;
        }
        DHO_TRY(add_renamed(list, tensor));
        if (ends_with(tensor->name, "running_var"))
            DHO_TRY(add_steps(list, list->tensors[list->count - 1].name));
    }
    if (list->fold.bias == NULL) return DHO_OK;
    list->tensors[list->count++] =
        (dho_tensor_view){.name = "head.bias",
                          .dtype = DHO_F32,
                          .dims = 1,
                          .shape = {list->fold.count},
                          .data = list->fold.bias,
                          .bytes = (size_t)list->fold.count * sizeof(float)};
    return DHO_OK;
}

/* How logits come from features: "linear", or "cosine 100 (W f/|f| + b)". */
static void describe_head(const dho_student *student, export_head head, char out[64])
{
    const dho_head_form *forms = student->head_forms;
    const bool cosine = forms[head == HEAD_KD] == DHO_HEAD_COSINE;
    if (head == HEAD_BOTH)
        snprintf(out, 64, "ce %s, kd %s, cosine: %g (W f/|f| + b)",
                 forms[0] == DHO_HEAD_COSINE ? "cosine" : "linear",
                 forms[1] == DHO_HEAD_COSINE ? "cosine" : "linear", (double)student->head_scale);
    else if (cosine)
        snprintf(out, 64, "cosine %g (W f/|f| + b)", (double)student->head_scale);
    else
        snprintf(out, 64, "linear");
}

/* Rank 0 writes. */
static dho_status write_file(const dho_model *model, const dho_checkpoint_info *info,
                             const char *checkpoint, const char *path, const char *head_word,
                             const char *names_word)
{
    export_list list = {.steps = info->step};
    dho_export_about about = {0};
    export_head head;
    char form[64], as[128];
    dho_status status;
    DHO_TRY(parse_head(head_word, &model->student, &head));
    DHO_TRY_GOTO(build_list(&list, model, head, names_word));
    describe_head(&model->student, head, form);
    DHO_TRY_GOTO(dho_export_describe(&about, model, info, checkpoint, form));
    DHO_TRY_GOTO(dho_safetensors_save(path, list.tensors, list.count, about.list, NULL));
    if (head == HEAD_NONE || head == HEAD_BOTH)
        snprintf(as, sizeof as, "%s", head == HEAD_NONE ? "no head" : "head_ce and head_kd");
    else
        snprintf(as, sizeof as, "%s as %s", wanted_head(&model->student, head),
                 list.folded ? "one layer with the projection" : list.classifier);
    dho_info("%s: %s, width %d, %d classes, %s: %zu tensors", path, model->student.model,
             info->width, info->classes, as, list.count);
    if (strcmp(form, "linear") != 0 && (head == HEAD_CE || head == HEAD_KD))
        dho_warn("%s: this head is %s, which a plain linear layer does not compute", path, form);
    if (head == HEAD_BOTH && !about.has_alpha)
        dho_warn(
            "%s: alpha and beta of the two heads are not in it: there is no evaluation of this "
            "checkpoint (dho eval)",
            path);
    DHO_TRY_GOTO(dho_export_tell_size(path, &model->student));
fail:
    dho_export_about_free(&about);
    list_free(&list);
    return status;
}

dho_status dho_command_export(const dho_arguments *arguments, dho_comm *comm)
{
    const char *checkpoint = NULL, *path = NULL, *head = NULL, *names = NULL;
    const char *word = NULL;
    char run[DHO_CLI_PATH_BYTES], beside[DHO_CLI_PATH_BYTES];
    const dho_option options[] = {{.name = "RUN", .value = &word},
                                  {.name = "--checkpoint", .value = &checkpoint},
                                  {.name = "--out", .value = &path},
                                  {.name = "--head", .value = &head},
                                  {.name = "--names", .value = &names}};
    DHO_TRY(dho_cli_parse(arguments, NULL, options, sizeof options / sizeof *options));
    if (word != NULL && checkpoint != NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s and --checkpoint %s: both say what is exported, give one", word,
                        checkpoint);
    if (word != NULL) {
        bool is_checkpoint;
        DHO_TRY(dho_comm_agree(comm, dho_cli_find_run(word, run, &is_checkpoint)));
        snprintf(beside, sizeof beside, "%.*s/student.safetensors", DHO_CLI_PATH_BYTES - 32, run);
        checkpoint = is_checkpoint ? word : run;
        if (path == NULL) path = beside;
    }
    if (checkpoint == NULL || path == NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "usage: dho export RUN [--out FILE.safetensors] "
                        "[--head ce|kd|both|none] [--names openai|bare|huggingface|timm]");
    dho_model model;
    dho_checkpoint_info info;
    const bool first = dho_comm_rank(comm) == 0;
    DHO_TRY(dho_comm_agree(comm, first ? dho_export_check_place("--out", path) : DHO_OK));
    DHO_TRY(dho_checkpoint_open_model(comm, checkpoint, false, &model, &info));
    const dho_status status =
        first ? write_file(&model, &info, checkpoint, path, head, names) : DHO_OK;
    dho_checkpoint_info_free(&info);
    dho_model_destroy(&model);
    return dho_comm_agree(comm, status);
}
