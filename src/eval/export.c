/* A checkpoint's student for other programs: one safetensors file, ONNX, or timm's folder. */
#include "dho/export.h"

#include "base/text.h"
#include "dho/classifier.h"
#include "dho/file.h"
#include "dho/log.h"
#include "eval/export_about.h"
#include "eval/export_onnx.h"
#include "eval/export_size.h"
#include "eval/export_timm.h"

#include <stdio.h>
#include <string.h>

typedef enum form_kind { SAFETENSORS, ONNX, FOLDER } form_kind;

/* The only head, or that of dho_export_lone_head, when none is named. */
static dho_status choose_head(dho_export_head asked, const dho_classifier *from,
                              dho_export_head *out)
{
    const bool dual = from->model.student.head_count == 2;
    *out = asked;
    if (asked == DHO_EXPORT_DEFAULT) *out = dho_export_lone_head(from);
    if (asked == DHO_EXPORT_DEFAULT || asked == DHO_EXPORT_NONE || dual) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "--head %s: this student has one head only",
                    asked == DHO_EXPORT_CE   ? "ce"
                    : asked == DHO_EXPORT_KD ? "kd"
                                             : "both");
}

static dho_status write_safetensors(const dho_classifier *from, const char *path,
                                    const dho_export_options *options)
{
    const dho_student *student = &from->model.student;
    dho_export_list list = {0};
    dho_export_about about = {0};
    dho_export_head head;
    char as[128];
    dho_status status;
    DHO_TRY(choose_head(options->head, from, &head));
    DHO_TRY_GOTO(dho_export_list_build(&list, &from->model, head, options->names, from->step));
    DHO_TRY_GOTO(dho_export_describe(&about, from, head, list.folded, false));
    DHO_TRY_GOTO(dho_safetensors_save(path, list.tensors, list.count, about.list, NULL));
    if (head == DHO_EXPORT_NONE || head == DHO_EXPORT_BOTH)
        snprintf(as, sizeof as, "%s", head == DHO_EXPORT_NONE ? "no head" : "head_ce and head_kd");
    else
        snprintf(as, sizeof as, "%s as %s", dho_export_head_name(student, head),
                 list.folded ? "one layer with the projection" : list.classifier);
    dho_info("%s: %s, width %d, %d classes, %s: %zu tensors", path, student->model, student->width,
             student->classes, as, list.count);
    if (strcmp(about.form, "linear") != 0 && (head == DHO_EXPORT_CE || head == DHO_EXPORT_KD))
        dho_warn("%s: this head is %s, which a plain linear layer does not compute", path,
                 about.form);
    if (head == DHO_EXPORT_BOTH && !from->chosen)
        dho_warn(
            "%s: alpha and beta of the two heads are not in it: there is no evaluation of this "
            "checkpoint (dho eval)",
            path);
    DHO_TRY_GOTO(dho_export_tell_size(path, student));
fail:
    dho_export_about_free(&about);
    dho_export_list_free(&list);
    return status;
}

/* What of the options is for another form of export is refused, not passed over. */
static dho_status check_options(const dho_export_options *options, form_kind form)
{
    const char *wrong = NULL;
    if (form != ONNX && (options->int8 || options->classes != NULL))
        return dho_fail(DHO_ERR_CONFIG, "%s: is for ONNX, --out FILE.onnx",
                        options->int8 ? "--int8" : "--classes");
    if (options->names != NULL) wrong = "--names";
    if (options->head != DHO_EXPORT_DEFAULT) wrong = "--head";
    if (form == SAFETENSORS || wrong == NULL) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: is for safetensors, --out FILE.safetensors", wrong);
}

/* The form that a path's end says; a folder is there, or has no ending. `first`: of the rank that
 * will write there. */
static dho_status find_form(const char *path, bool first, form_kind *out)
{
    *out = FOLDER;
    if (dho_path_is_folder(path) || strchr(dho_base_name(path), '.') == NULL) return DHO_OK;
    *out = dho_ends_with(path, ".onnx") ? ONNX : SAFETENSORS;
    if (*out == ONNX || dho_ends_with(path, ".safetensors"))
        return first ? dho_file_check_place(path) : DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "--out %s: no form that dho writes: a name that ends in .onnx or .safetensors, "
                    "or a folder, which has no ending",
                    path);
}

/* ONNX and the folder have both heads, with alpha and beta in any case. */
static dho_status write_whole(dho_comm *comm, const dho_classifier *from, const char *path,
                              const dho_export_options *options, form_kind form)
{
    const bool first = dho_comm_rank(comm) == 0, dual = from->model.student.head_count == 2;
    dho_export_about about = {0};
    dho_status status;
    DHO_TRY_GOTO(dho_comm_agree(
        comm,
        dho_export_describe(&about, from, dual ? DHO_EXPORT_BOTH : DHO_EXPORT_CE, false, true)));
    if (dual && !from->chosen && first)
        dho_warn(
            "%s: no evaluation of this checkpoint has chosen alpha and beta (dho eval): they are "
            "%g and %g",
            path, from->alpha, from->beta);
    if (form == ONNX)
        status = dho_export_onnx(comm, from, path, options, about.list);
    else
        status = dho_comm_agree(comm, first ? dho_export_timm(path, from, about.list) : DHO_OK);
fail:
    dho_export_about_free(&about);
    return status;
}

dho_status dho_export(dho_comm *comm, const dho_checkpoint_choice *choice, const char *path,
                      const dho_export_options *options)
{
    dho_classifier from;
    form_kind form;
    const bool first = dho_comm_rank(comm) == 0;
    dho_status status = find_form(path, first, &form);
    if (status == DHO_OK) status = check_options(options, form);
    DHO_TRY(dho_comm_agree(comm, status));
    DHO_TRY(dho_classifier_open_checkpoint(comm, choice, &from));
    dho_classifier_set_temperature(&from, options->temperature);
    if (form == SAFETENSORS)
        status = dho_comm_agree(comm, first ? write_safetensors(&from, path, options) : DHO_OK);
    else
        status = write_whole(comm, &from, path, options, form);
    dho_classifier_close(&from);
    return status;
}
