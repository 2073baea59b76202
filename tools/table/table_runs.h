/* The runs of a table, and what its cells say of them. Private to tools/table. */
#ifndef DHO_TABLE_TABLE_RUNS_H
#define DHO_TABLE_TABLE_RUNS_H

#include "dho/config.h"
#include "table/table.h"
#include "table/table_spec.h"
#include "table/table_statistics.h"

typedef enum dho_run_state {
    DHO_RUN_UNWANTED, /* left out by `only`, a mean, or published figures alone */
    DHO_RUN_DONE,
    DHO_RUN_MISSING,    /* nothing there */
    DHO_RUN_UNFINISHED, /* its commands, run again, mend what `why` says */
    DHO_RUN_OTHER       /* made by another configuration: a person must decide */
} dho_run_state;
extern const char *const dho_run_state_names[DHO_RUN_OTHER + 1];

/* What a run's eval.json says of one test. */
typedef struct dho_run_result {
    bool found;
    bool chosen_here; /* alpha and beta were chosen on this very set */
    int64_t images;
    double top1[DHO_SCORE_KINDS]; /* %; NAN where the run has no such head */
} dho_run_result;

typedef struct dho_table_run {
    uint64_t seed;
    int64_t shards; /* train.shards: its ranks at most */
    dho_run_state state;
    char *folder, *config;     /* owned */
    dho_table_texts overrides; /* owned */
    char *why;                 /* owned; NULL: nothing to say */
    dho_run_result *results;   /* owned, [spec.test_count] */
} dho_table_run;

/* A file that is not there, and the command that makes it (with {arguments}, not yet written out).
 */
typedef struct dho_table_step {
    char *path, *command; /* owned */
    size_t run;           /* the first run that needs it */
} dho_table_step;

struct dho_table {
    dho_table_spec spec;
    dho_table_run *runs; /* owned, [combinations of all axes][spec.seed_count] */
    size_t run_count;
    dho_table_step *steps; /* owned: in the order of their first runs; each path once */
    size_t step_count;
};

/* Looks at run->folder and fills state, why and results. `wanted`: what the table asks for.
 * Errors: DHO_ERR_MEMORY only. */
dho_status dho_table_run_look(dho_table_run *run, const dho_table_spec *spec,
                              const dho_config *wanted);

/* One cell: the mean over the seeds that are there. */
typedef struct dho_table_cell {
    dho_estimate top1; /* %; count 0: nothing there. Interval: Student's t over the seeds from two
                          on, kept in [0, 100]; Wilson's over the images for one, NAN for one of a
                          mean over sets */
    const dho_table_figure *published; /* borrowed; NULL: none */
    bool chosen_here;
} dho_table_cell;

dho_table_cell dho_table_cell_of(const dho_table *table, size_t combination, size_t test,
                                 dho_score_kind head);
/* The paired difference, over the seeds that both have (one pair: no interval, nothing published):
 * `combination` is of all axes, that of contrast->axis is not looked at. */
dho_table_cell dho_table_difference(const dho_table *table, const dho_table_contrast *contrast,
                                    size_t combination, size_t test);

#endif
