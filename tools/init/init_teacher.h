/* What the teacher and the labels alone score, where that can be known. Private to tools/init. */
#ifndef DHO_INIT_INIT_TEACHER_H
#define DHO_INIT_INIT_TEACHER_H

#include "dho/config.h"
#include "dho/evaluation.h"

/* An accuracy, and of which images. */
typedef struct dho_init_figure {
    dho_score score; /* not present: not known */
    int64_t images;
    char *of; /* owned: "held-out images", "labelled images", "images of val" */
} dho_init_figure;

typedef enum dho_init_heads {
    DHO_INIT_HEADS_UNKNOWN, /* a figure is missing */
    DHO_INIT_HEADS_BETWEEN, /* between the cases that were measured */
    DHO_INIT_HEADS_ONE,     /* the teacher is far above the labels alone */
    DHO_INIT_HEADS_TWO      /* it is not */
} dho_init_heads;

typedef struct dho_init_advice {
    char *cache;   /* owned; the run's teacher cache; NULL: there is none yet */
    char *ce;      /* owned; where the run of the labels alone lies, or would lie */
    char *teacher; /* owned; likewise that of a teacher which is trained here */
    bool is_model; /* the cache's teacher is a network that dho trained */
    dho_init_figure by_teacher, by_labels;
    dho_init_heads heads;
} dho_init_advice;

/* Looks into the folder `run` of a configuration that was not used yet: RUN/teacher-cache, and the
 * evaluations in RUN/ce and RUN/teacher. What is there and does not fit is a warning, and no
 * figure. clip: the CLIP model that is to be the teacher, or NULL: a cache of another teacher is
 * passed over then. Free it also on error. Errors: those of opening the images, DHO_ERR_MEMORY. */
dho_status dho_init_advise(dho_init_advice *out, const dho_config *config, const char *run,
                           const char *clip);
void dho_init_advice_free(dho_init_advice *advice);

/* The accuracy of a teacher minus that of the labels alone, in points, above which one head was as
 * good as two, and up to which two heads were better than both (docs/results.md). */
enum { DHO_INIT_FAR_ABOVE = 20, DHO_INIT_NOT_ABOVE = 5 };

#endif
