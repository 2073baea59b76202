/* A student's tensors under the names that torchvision, open_clip, transformers and timm load. */
#include "base/text.h"
#include "dho/alloc.h"
#include "dho/export.h"
#include "dho/state_dict.h"
#include "weights/export_fold.h"
#include "weights/tensor_names.h"

#include <stdio.h>
#include <string.h>

struct dho_export_parts {
    dho_state_dict own; /* the model in file layout */
    dho_naming naming;
    char **names; /* owned, each and the list */
    size_t name_count;
    float *projection; /* owned, CLIP's in the other layout; or NULL */
    dho_fold fold;
    int64_t steps;
};

void dho_export_list_free(dho_export_list *list)
{
    struct dho_export_parts *parts = list->parts;
    for (size_t i = 0; parts != NULL && i < parts->name_count; i++) dho_free(parts->names[i]);
    if (parts != NULL) {
        dho_free(parts->names);
        dho_free(parts->projection);
        dho_free(parts->fold.bias);
        dho_state_dict_free(&parts->own);
    }
    dho_free(parts);
    dho_free(list->tensors);
    *list = (dho_export_list){0};
}

/* The view's name becomes "first second", without the blank. */
static dho_status add_name(dho_export_list *list, dho_tensor_view *view, const char *first,
                           const char *second)
{
    char *name;
    DHO_TRY(dho_asprintf(&name, "%s%s", first, second));
    list->parts->names[list->parts->name_count++] = name;
    view->name = name;
    return DHO_OK;
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
static dho_status parse_names(const char *word, dho_export_list *list)
{
    const char *unnamed = NULL;
    list->parts->naming = DHO_NAMES_OWN;
    if (word == NULL) return DHO_OK;
    for (int i = 0; i < DHO_NAMING_COUNT; i++) {
        if (i == DHO_NAMES_SEQUENTIAL || strcmp(word, dho_naming_words[i]) != 0) continue;
        list->parts->naming = (dho_naming)i;
        unnamed = first_unnamed(&list->parts->own, list->parts->naming);
        if (unnamed == NULL) return DHO_OK;
    }
    if (unnamed != NULL)
        return dho_fail(DHO_ERR_CONFIG, "--names %s: has no name for \"%s\" of this model", word,
                        unnamed);
    return dho_fail(DHO_ERR_CONFIG,
                    "--names: expected openai, bare, huggingface or timm, got \"%s\"", word);
}

/* A matrix in the other layout. */
static dho_status transpose(dho_export_list *list, dho_tensor_view *view)
{
    const int64_t rows = view->shape[0], columns = view->shape[1];
    const float *from = view->data;
    DHO_TRY(dho_alloc(&list->parts->projection, (size_t)(rows * columns), sizeof(float), "export"));
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            list->parts->projection[c * rows + r] = from[r * columns + c];
    view->data = list->parts->projection;
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

/* timm's scales of ConvNeXt's channels are vectors. */
static void squeeze(dho_tensor_view *view)
{
    while (view->dims > 1 && view->shape[view->dims - 1] == 1) view->dims--;
}

/* One tensor of the backbone, under the names that are asked for. parse_names has made sure that
 * there are such. */
static dho_status add_renamed(dho_export_list *list, const dho_tensor_view *tensor)
{
    dho_tensor_names names;
    dho_tensor_names_of(list->parts->naming, tensor->name, &names);
    for (int i = 0; i < names.count; i++) {
        dho_tensor_view *view = &list->tensors[list->count++];
        *view = *tensor;
        view->shape[0] /= names.count;
        view->bytes /= (size_t)names.count;
        view->data = (const char *)tensor->data + (size_t)i * view->bytes;
        if (names.transposed) DHO_TRY(transpose(list, view));
        if (list->parts->naming == DHO_NAMES_TIMM &&
            (strcmp(names.names[i], "cls_token") == 0 || strcmp(names.names[i], "pos_embed") == 0))
            unsqueeze(view, 3);
        if (dho_ends_with(names.names[i], ".gamma")) squeeze(view);
        DHO_TRY(add_name(list, view, names.names[i], ""));
    }
    return DHO_OK;
}

const char *dho_export_head_name(const dho_student *student, dho_export_head head)
{
    return student->head_count < 2 ? "head" : head == DHO_EXPORT_CE ? "head_ce" : "head_kd";
}

/* One tensor of a head: it gets the published model's name, or is left out. */
static dho_status add_head(dho_export_list *list, const dho_tensor_view *tensor,
                           dho_export_head head, const dho_student *student)
{
    dho_tensor_names names;
    char own[96];
    const char *part = strchr(tensor->name, '.'), *wanted = dho_export_head_name(student, head);
    const size_t length = strlen(wanted);
    const bool is_wanted =
        strncmp(tensor->name, wanted, length) == 0 && tensor->name[length] == '.';
    if (head == DHO_EXPORT_NONE || list->folded || (head != DHO_EXPORT_BOTH && !is_wanted))
        return DHO_OK;
    dho_tensor_view *view = &list->tensors[list->count++];
    *view = *tensor;
    if (head == DHO_EXPORT_BOTH) return DHO_OK;
    snprintf(own, sizeof own, "%s%s", student->classifier, part);
    const bool renamed = dho_tensor_names_of(list->parts->naming, own, &names);
    DHO_TRY(add_name(list, view, renamed ? names.names[0] : own, ""));
    snprintf(list->classifier, sizeof list->classifier, "%.*s",
             (int)(strlen(view->name) - strlen(part)), view->name);
    return DHO_OK;
}

/* PyTorch's batch normalisation counts its steps; a strict load demands the number. */
static dho_status add_steps(dho_export_list *list, const char *running_var)
{
    char part[DHO_TENSOR_NAME_BYTES];
    dho_tensor_view *steps = &list->tensors[list->count++];
    snprintf(part, sizeof part, "%.*s", (int)(strlen(running_var) - strlen("running_var")),
             running_var);
    *steps =
        (dho_tensor_view){.dtype = DHO_I64, .data = &list->parts->steps, .bytes = sizeof(int64_t)};
    return add_name(list, steps, part, "num_batches_tracked");
}

/* timm's CLIP models: projection and head are one layer. */
static dho_status fold(dho_export_list *list, dho_export_head head, const dho_student *student)
{
    const bool cosine = student->head_forms[head == DHO_EXPORT_KD] == DHO_HEAD_COSINE;
    if (head == DHO_EXPORT_BOTH || (head != DHO_EXPORT_NONE && cosine))
        return dho_fail(DHO_ERR_CONFIG,
                        "--names timm: timm's CLIP models end in one linear layer, which cannot be "
                        "%s: --head %snone, or other names",
                        head == DHO_EXPORT_BOTH ? "two heads" : "a cosine head",
                        student->head_count == 2 ? "ce or " : "");
    list->folded = true;
    return dho_export_fold(&list->parts->own,
                           head == DHO_EXPORT_NONE ? NULL : dho_export_head_name(student, head),
                           &list->parts->fold);
}

/* A published model's classifier is one layer. */
static dho_status check_head(const dho_student *student, dho_export_head head)
{
    const int hidden = student->head_hidden[head == DHO_EXPORT_KD];
    if (head == DHO_EXPORT_NONE || head == DHO_EXPORT_BOTH || hidden == 0) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "%s has a hidden layer, which the published model's classifier has not: "
                    "--head %snone, or --out FILE.onnx",
                    dho_export_head_name(student, head),
                    student->head_count == 2 ? "both or " : "");
}

dho_status dho_export_list_build(dho_export_list *list, const dho_model *model,
                                 dho_export_head head, const char *names, int64_t steps)
{
    const dho_student *student = &model->student;
    *list = (dho_export_list){0};
    DHO_TRY(dho_alloc_zero(&list->parts, 1, sizeof *list->parts, "export"));
    list->parts->steps = steps;
    DHO_TRY(check_head(student, head));
    DHO_TRY(dho_state_dict_add(&list->parts->own, student->graph, false, "", model->parameters));
    DHO_TRY(dho_state_dict_add(&list->parts->own, student->graph, true, "", model->buffers));
    DHO_TRY(parse_names(names, list));
    if (strcmp(dho_naming_words[list->parts->naming], "timm") == 0 &&
        strncmp(list->parts->own.tensors[0].name, "visual.", 7) == 0)
        DHO_TRY(fold(list, head, student));
    const size_t most = DHO_NAME_PARTS * list->parts->own.count + 1;
    DHO_TRY(dho_alloc(&list->tensors, most, sizeof *list->tensors, "export"));
    DHO_TRY(dho_alloc(&list->parts->names, most, sizeof *list->parts->names, "export"));
    for (size_t i = 0; i < list->parts->own.count; i++) {
        const dho_tensor_view *tensor = &list->parts->own.tensors[i];
        if (is_head(tensor->name)) {
            DHO_TRY(add_head(list, tensor, head, student));
            continue;
        }
        DHO_TRY(add_renamed(list, tensor));
        if (dho_ends_with(tensor->name, "running_var"))
            DHO_TRY(add_steps(list, list->tensors[list->count - 1].name));
    }
    if (list->parts->fold.bias == NULL) return DHO_OK;
    list->tensors[list->count++] =
        (dho_tensor_view){.name = "head.bias",
                          .dtype = DHO_F32,
                          .dims = 1,
                          .shape = {list->parts->fold.count},
                          .data = list->parts->fold.bias,
                          .bytes = (size_t)list->parts->fold.count * sizeof(float)};
    return DHO_OK;
}
