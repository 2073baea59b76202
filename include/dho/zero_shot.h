/* Zero-shot heads by prompt ensembling (Radford et al. 2021, section 3.1.4, and OpenAI's notebook
 * Prompt_Engineering_for_ImageNet): each class's name in each template, embedded, averaged. */
#ifndef DHO_ZERO_SHOT_H
#define DHO_ZERO_SHOT_H

#include "dho/clip.h"
#include "dho/comm.h"
#include "dho/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Classes in the head's order. */
typedef struct dho_prompt_classes {
    int count;
    char **names; /* owned, as they stand in the prompts */
    char **keys;  /* owned, the dataset's names of them; NULL: not known */
} dho_prompt_classes;

/* From a file of lines "NAME", or on all lines "KEY<tab>NAME" (blank lines and lines that start
 * with # are passed over); underscores of names become blanks, as in CoOp and Tip-Adapter.
 * dataset (NULL: none): the classes are its own, in its order: by key, or, without keys, line by
 * line; without a file (path NULL) their names are the prompts' too. Local.
 * Errors: DHO_ERR_CONFIG (a class of the dataset that the file does not have, another number of
 * classes, a key twice, lines with and without a key, neither file nor dataset, a name that
 * dho_tokenizer_encode refuses), DHO_ERR_IO,
 * DHO_ERR_FORMAT, DHO_ERR_MEMORY. */
dho_status dho_prompt_classes_read(dho_prompt_classes *out, const char *path,
                                   const dho_dataset *dataset);
void dho_prompt_classes_free(dho_prompt_classes *classes);

/* Templates, each with one "{}" where the name goes. */
typedef struct dho_templates {
    int count;
    char **lines; /* owned */
} dho_templates;

/* One a line; blank lines and lines that start with # are passed over. Local.
 * Errors: DHO_ERR_CONFIG (none at all, one without "{}" or with several, one that
 * dho_tokenizer_encode refuses), DHO_ERR_IO ... */
dho_status dho_templates_read(dho_templates *out, const char *path);
void dho_templates_free(dho_templates *templates);

typedef struct dho_zero_shot_options {
    dho_clip_text *text; /* borrowed */
    const char *model;   /* for people: kept in the file */
    const dho_prompt_classes *classes;
    const dho_templates *templates;
    float scale;          /* of the head; 0: the model's own */
    bool keep_mean_norms; /* weight is the mean of the normalised embeddings as it is, not
                             normalised again: the method's public code for its DFN5B teacher */
} dho_zero_shot_options;

/* weight[c] = m / |m|, m the mean over the templates of e / |e|, e a prompt's embedding; text_means
 * the mean of e itself, from which the method's students start. All ranks share the classes out;
 * rank 0 writes the head file (dho/head_file.h). Collective.
 * Errors: DHO_ERR_CONFIG (a prompt longer than the model's context), DHO_ERR_NUMERIC (an embedding
 * that cannot be normalised), those of writing. */
dho_status dho_zero_shot_build(const dho_zero_shot_options *options, dho_comm *comm,
                               const char *path);

typedef struct dho_zero_shot_files {
    dho_clip_source source;
    const char *merges; /* see dho_tokenizer_open */
    const char *classes, *templates;
    const char *out; /* the head file */
    float scale;     /* as of dho_zero_shot_options */
    bool keep_mean_norms;
    int batch; /* texts that are run together */
} dho_zero_shot_files;

/* Reads the files and builds the head. dataset: the classes are those of the configuration's data
 * set, with names of `classes` if it is not NULL. Collective. Errors: those of all of the above. */
dho_status dho_zero_shot_make(const dho_config *config, bool dataset, dho_comm *comm,
                              const dho_zero_shot_files *from);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
