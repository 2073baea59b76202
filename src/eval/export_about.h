/* What the metadata of an export say. Private to src/eval. */
#ifndef DHO_EVAL_EXPORT_ABOUT_H
#define DHO_EVAL_EXPORT_ABOUT_H

#include "dho/classifier.h"
#include "dho/export.h"

enum { DHO_EXPORT_TEXTS = 48 };

/* Texts: key and value in turn, NULL at the end. */
typedef struct dho_export_about {
    const char *list[DHO_EXPORT_TEXTS];
    char mean[96], std[96], size[16], width[16], layers[16], alpha[32], beta[32];
    char temperature[32];
    char step[32], resize[16], forms[32], hidden[32], scale[32];
    char form[64];                    /* how logits come from features, for people */
    char *class_names, *class_titles; /* Jansson's memory: JSON lists */
    bool has_alpha;                   /* alpha and beta are told in any case */
} dho_export_about;

/* Of a file with this head; folded: it is one layer with CLIP's projection. with_alpha: alpha and
 * beta are there even if no evaluation has chosen them. Free it also on failure. Errors:
 * DHO_ERR_MEMORY. */
dho_status dho_export_describe(dho_export_about *out, const dho_classifier *from,
                               dho_export_head head, bool folded, bool with_alpha);
/* The head of a file that has one: the only one; of two that are combined the distillation head, of
 * two of which one predicts that one. */
dho_export_head dho_export_lone_head(const dho_classifier *from);
void dho_export_about_free(dho_export_about *about);

#endif
