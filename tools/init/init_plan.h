/* What the configuration will say. Private to tools/init. */
#ifndef DHO_INIT_INIT_PLAN_H
#define DHO_INIT_INIT_PLAN_H

#include "init/init_found.h"
#include "init/init_teacher.h"

/* With fewer labelled images in a class none are held out. */
enum { DHO_INIT_HOLDOUT_LEAST = 4 };

typedef struct dho_init_plan {
    const dho_init_found *found;
    const dho_init_options *options;
    const char *file, *run; /* borrowed: the configuration, the run's folder */
    const char *prompts;    /* borrowed: with a CLIP teacher, the file of prompts */
    int64_t images;         /* labelled and not */
    int image_size, width;  /* width 0: as published */
    const char *model;
    int shards, batch_labelled, batch_unlabelled;
    double epochs;
    const char *holdout;   /* "10 %", "1" or NULL */
    int64_t teacher_steps; /* of a teacher that is trained here */
    const char *teacher;   /* its keys: "student.width=64" */
    int views;
    dho_init_advice advice; /* zero until dho_init_advise */
} dho_init_plan;

void dho_init_decide(dho_init_plan *out, const dho_init_found *found,
                     const dho_init_options *options);
/* The text of the configuration. *out: owned. Errors: DHO_ERR_MEMORY. */
dho_status dho_init_format(const dho_init_plan *plan, char **out);
/* What was found, and the commands that follow, to standard output. */
void dho_init_print(const dho_init_plan *plan);

#endif
