/* What a run's folder holds, as a report needs it. Private to tools/report. Local.
 *
 * A folder may be incomplete (never evaluated, killed while it wrote, of an older version) or
 * hostile: what cannot be read is left out and named in the run's notes; only a folder that holds
 * nothing at all of a run, and memory, are errors. */
#ifndef DHO_REPORT_REPORT_RUN_H
#define DHO_REPORT_REPORT_RUN_H

#include "dho/config.h"
#include "dho/evaluation.h"
#include "dho/paired.h"
#include "dho/session.h"
#include "report/report_text.h"
#include "train/metrics_read.h"

/* An image to show. */
typedef struct dho_pick {
    int64_t row;
    int32_t label;
    dho_prediction combined, heads[2];
    double order;      /* smaller ones are preferred */
    char *name;        /* owned, or NULL */
    dho_text jpeg;     /* base64; empty: the image could not be read */
    int width, height; /* pixels of the thumbnail */
} dho_pick;

enum { DHO_PICK_WRONG, DHO_PICK_DISAGREE, DHO_PICK_RIGHT, DHO_PICK_GROUPS };
enum { DHO_MAX_PICKS = 24, DHO_MAX_CONFUSIONS = 12 };

typedef struct dho_confusion {
    int32_t label, predicted;
    int64_t count;
} dho_confusion;

/* What the stored head outputs of a set say at the run's alpha and beta. */
typedef struct dho_set_detail {
    int64_t count;
    int32_t classes;
    bool dual;
    char *class_text;        /* owned: the bytes behind class_names */
    char **class_names;      /* owned, [classes]; NULL: not known */
    dho_class_count *counts; /* owned, [classes] */
    dho_hits hits;
    /* Of the combined prediction, as it is and at the evaluation's temperature. */
    dho_calibration_bin bins[2][DHO_CALIBRATION_BINS];
    dho_confusion confusions[DHO_MAX_CONFUSIONS];
    size_t confusion_count;
    dho_confusion *worst_rival; /* owned, [classes]: what each class is most often taken for */
    dho_accuracy *grid;         /* owned, [alpha_count][beta_count]; NULL with one head */
    dho_plateau *plateaus;      /* owned, [beta_count] */
    dho_pick picks[DHO_PICK_GROUPS][DHO_MAX_PICKS];
    size_t pick_count[DHO_PICK_GROUPS];
    bool pictures; /* some thumbnail is there */
} dho_set_detail;

void dho_set_detail_free(dho_set_detail *detail);

typedef struct dho_report_set {
    const dho_evaluated_set *record; /* borrowed from the run's evaluation */
    bool has_detail;
    dho_set_detail detail;
} dho_report_set;

typedef struct dho_report_run {
    const char *path; /* borrowed */
    char *name;       /* owned: what tells it from the other runs */
    dho_metrics metrics;
    bool has_evaluation, has_config;
    dho_evaluation evaluation; /* owned: eval.json; all zero without */
    char *age; /* owned, or NULL: the evaluation is of an older checkpoint, and what renews it */
    dho_report_set *sets; /* owned, [set_count]: the evaluation's, as many as are shown */
    size_t set_count;
    dho_config config;     /* of the training, with the evaluation's eval.* */
    char *config_text;     /* owned: all keys of `config`; NULL without */
    dho_sessions sessions; /* owned; none: not readable */
    dho_text notes;        /* HTML: <li>...</li> of what is missing */
} dho_report_run;

typedef struct dho_report_reading {
    size_t samples; /* thumbnails a group; 0: none */
    int threads;
} dho_report_reading;

/* Errors: DHO_ERR_CONFIG when the folder is not there or holds no file of a run; DHO_ERR_MEMORY.
 * Zeroed on error. `name` is copied. */
dho_status dho_report_run_open(dho_report_run *out, const char *path, const char *name,
                               const dho_report_reading *reading);
void dho_report_run_close(dho_report_run *run);

/* A sentence for the run's notes, escaped here. */
void dho_report_run_note(dho_report_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* report_evaluation.c: eval.json and the stored outputs. */
dho_status dho_report_run_read_evaluation(dho_report_run *run, const dho_report_reading *reading);
/* report_predictions.c: everything of `out` but the pictures. */
dho_status dho_set_detail_compute(dho_set_detail *out, const dho_head_outputs *outputs,
                                  const dho_report_run *run, const dho_report_reading *reading);
/* report_thumbnails.c: pictures of the picks of a set; what fails is noted. */
dho_status dho_set_detail_load_pictures(dho_report_run *run, dho_report_set *set);

/* The name of a class of a set: its own, or "class 17" in `buffer`; label -1: "not a number". */
const char *dho_class_word(const dho_set_detail *detail, int32_t label, char buffer[24]);
/* What the stored outputs of a set say; NULL where there are none. */
const dho_set_detail *dho_report_run_detail(const dho_report_run *run, const char *name);
/* The index of a set by its name in a run; set_count when it has none. */
size_t dho_report_run_find_set(const dho_report_run *run, const char *name);

#endif
