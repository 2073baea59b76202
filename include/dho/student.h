/* Students (and student-type teachers): a backbone with one head, or with the two heads of DHO.
 *
 * A linear head is W f + b on the features f. With a hidden layer f is gelu(layer_norm(W' f + b'))
 * first (DHO, section F.1; without its dropout, whose rate it does not give). For CLIP students f
 * is the image embedding, and head_kd is a cosine head, 100 (W f/|f| + b) (DHO, section 3; its
 * public code). Local. */
#ifndef DHO_STUDENT_H
#define DHO_STUDENT_H

#include "dho/graph.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_student_options {
    const char *model; /* a word of dho/model_rows.h: "resnet18", ... */
    int width;         /* channels of the first stage, or of the tokens; 0: as published */
    int layers;        /* blocks of a transformer; 0: as published */
    int embed;         /* CLIP: channels of the embedding; 0: as published, scaled with the width */
    int image_size;    /* pixels */
    int classes;
    bool dual_head;              /* heads head_ce and head_kd, or one: head */
    dho_head_form head_forms[2]; /* of heads[0] and heads[1] */
    float head_scale;            /* of cosine heads; 0: 100 */
    int head_hidden[2];          /* channels of a hidden layer in heads[0], heads[1]; 0: none */
    int projection; /* width of a linear projection of the features, "head_feature"; 0: none */
    bool deploy;    /* to be run and exported, not trained (dho_graph_deploy) */
    bool freeze_backbone;   /* dho_graph_freeze: the heads alone are trained */
    bool freeze_batch_norm; /* dho_graph_freeze_batch_norms */
    bool drop_path;         /* the branches of its blocks have factors, which training may set */
    bool expose_features;   /* features are an output too (evaluation only: they get no gradient) */
} dho_student_options;

typedef struct dho_student {
    dho_graph *graph;   /* owned */
    dho_value features; /* pooled features of the backbone, [batch][feature_dim] */
    dho_value
        heads[2]; /* logits [batch][classes]: supervised (or the only one), distillation or -1 */
    dho_head_form head_forms[2]; /* never auto */
    float head_scale;            /* of cosine heads */
    int head_hidden[2];          /* channels of the heads' hidden layers; 0: none */
    int head_count;
    dho_value projection; /* [batch][options.projection], or -1 */
    int feature_dim, classes, image_size;
    char model[32];
    int width;              /* never 0 */
    int layers;             /* of a transformer; 0 for the others */
    bool frozen_batch_norm; /* options.freeze_batch_norm */
    bool is_clip;           /* the features are CLIP's embedding of the image */
    const char *timm;       /* what timm calls the published model; NULL: it has none */
    const char *classifier; /* the published model's name for its head: "fc", "classifier.1" */
} dho_student;

/* Errors: DHO_ERR_CONFIG for an unknown model (with the known names), a width or a depth that it
 * cannot have, an image too small. */
dho_status dho_student_create(dho_student *out, const dho_student_options *options);
void dho_student_destroy(dho_student *student);

/* What the parameters of head 0 or 1 are called before ".weight": "head", "head_ce", "head_kd". A
 * hidden layer's are called "head.hidden.weight", "head.norm.weight", ... */
enum { DHO_HEAD_NAME_BYTES = 32 };
const char *dho_student_head_name(const dho_student *student, int head);

/* A trained student: graph and numbers, ready to be run. Made by dho_checkpoint_open_model. */
typedef struct dho_model {
    dho_student student;         /* owned */
    float *parameters, *buffers; /* owned slabs */
    double mean[3], std[3];      /* the normalisation it was trained with */
    char **class_names;          /* owned, [student.classes] */
    char **class_titles;         /* owned, [student.classes]: data.class_names; NULL: not told */
} dho_model;

void dho_model_destroy(dho_model *model);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
