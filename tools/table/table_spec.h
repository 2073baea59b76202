/* The plan of a table: configs/tables/NAME.yaml, checked. Private to tools/table. */
#ifndef DHO_TABLE_TABLE_SPEC_H
#define DHO_TABLE_TABLE_SPEC_H

#include "dho/evaluation.h"
#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DHO_TABLE_MAX_AXES = 6,
    DHO_TABLE_MAX_SEEDS = 100,
    DHO_TABLE_MAX_RUNS = 20000,
    DHO_TABLE_MAX_TESTS = 32,
    DHO_TABLE_MAX_PREPARATIONS = 16
};

/* Every string and array below is owned by the spec. */
typedef struct dho_table_texts {
    char **items;
    size_t count;
} dho_table_texts;

/* What a published figure is of, or what a cell asks for: {teacher: none, labels: 1-shot}. */
typedef struct dho_table_attribute {
    char *name, *text; /* of a plan's axes: a pattern */
} dho_table_attribute;
typedef struct dho_table_attributes {
    dho_table_attribute *items; /* owned */
    size_t count;
} dho_table_attributes;

/* One row, or one column, of an axis. */
typedef struct dho_table_value {
    char *name;          /* what {axis} becomes; part of a folder's name */
    char *label;         /* what is printed */
    dho_table_texts set; /* key=value overrides of its runs */
    char *run;     /* pattern: the folder of its runs, below the table's; NULL: that of the table's
                      runs.     Axes that it does not name change nothing: their values share these runs */
    char *no_runs; /* why it has none: published figures alone. NULL: it has runs */
    size_t *members;     /* owned: a mean over these values of the axis, and no runs of its own */
    size_t member_count; /* 0: no mean */
    dho_table_attributes published;
    bool wanted; /* not left out by `only` */
    bool needed; /* wanted, or a member of a mean that is */
} dho_table_value;

typedef struct dho_table_axis {
    char *name, *label;
    dho_table_value *values;
    size_t count;
    dho_table_texts set; /* overrides of all its runs */
    dho_table_attributes published;
} dho_table_axis;

typedef struct dho_table_test {
    char *name;  /* in published figures */
    char *set;   /* of eval.sets */
    char *label; /* what is printed */
    dho_score_kind head;
    dho_table_attributes published;
    bool known; /* some run of the table is evaluated on it */
} dho_table_test;

#define DHO_TABLE_ANY SIZE_MAX

typedef enum dho_table_certainty {
    DHO_FIGURE_CERTAIN, /* a cell of a table */
    DHO_FIGURE_TEXT,    /* a sentence */
    DHO_FIGURE_DOUBTFUL /* contradicts another place */
} dho_table_certainty;
enum { DHO_TABLE_CERTAINTIES = DHO_FIGURE_DOUBTFUL + 1 };
extern const char *const dho_table_certainty_names[DHO_TABLE_CERTAINTIES];

typedef struct dho_table_figure {
    size_t at[DHO_TABLE_MAX_AXES]; /* value of each axis, or DHO_TABLE_ANY */
    size_t test;
    double top1;  /* % */
    int decimals; /* that it was published with; at least 1 */
    dho_table_certainty certainty;
    char *table, *remark; /* owned; where it stands, what to know of it; NULL: not said */
} dho_table_figure;

/* Value `of` less value `minus` of one axis, seed by seed. */
typedef struct dho_table_contrast {
    size_t axis, of, minus;
} dho_table_contrast;

/* A file that runs read, and the dho command that makes it: patterns; {arguments} in a command are
 * -c and --set of the first run that needs it. */
typedef struct dho_table_preparation {
    char *path, *command;
} dho_table_preparation;

typedef struct dho_table_spec {
    char *path, *name;    /* name: the file's, without folder and .yaml */
    char *title, *source; /* source: of the published figures; "" without */
    dho_table_texts notes;
    char *config; /* pattern: the configuration of a run, from the working directory; NULL: no runs
                   */
    char *folder; /* of its runs, below RUNS: its name, or another table's to share its runs */
    char *run;    /* pattern: a run's folder below that, without the seed */
    bool best;    /* the best checkpoint of each run is evaluated, not its newest */
    dho_table_texts set;
    dho_table_axis axes[DHO_TABLE_MAX_AXES]; /* those of the rows, then those of the columns */
    size_t row_axes, axis_count;
    uint64_t seeds[DHO_TABLE_MAX_SEEDS];
    size_t seed_count;
    dho_table_test *tests; /* [test_count] */
    size_t test_count;
    dho_table_attributes published; /* of every cell */
    dho_table_figure *figures;
    size_t figure_count;
    dho_table_contrast *contrasts;
    size_t contrast_count;
    dho_table_preparation *preparations; /* those that others need first */
    size_t preparation_count;
} dho_table_spec;

/* Reads a plan; `only` as in dho_table_options. Owned: dho_table_spec_free, also after a failure.
 */
dho_status dho_table_spec_load(dho_table_spec *out, const char *path, const char *only);
/* The same from memory; `path` is for messages, for the name and for the configurations' folder. */
dho_status dho_table_spec_parse(dho_table_spec *out, const char *text, size_t bytes,
                                const char *path, const char *only);
void dho_table_spec_free(dho_table_spec *spec);

/* Combinations of the values of the axes [first, first + count): the last axis varies fastest. */
size_t dho_table_combinations(const dho_table_spec *spec, size_t first, size_t count);
/* The value of each of these axes in a combination of them: values[count]. */
void dho_table_split(const dho_table_spec *spec, size_t first, size_t count, size_t combination,
                     size_t *values);
/* The combination of all axes that has these values. */
size_t dho_table_join(const dho_table_spec *spec, const size_t *values);
/* Does the pattern of a run's folder name this axis? */
bool dho_table_names_axis(const char *pattern, const dho_table_axis *axis);
/* The pattern of these values' run: that of the one value that has its own, or the table's. */
const char *dho_table_run_pattern(const dho_table_spec *spec, const size_t *values);
/* False when a value is a mean, or has published figures alone. */
bool dho_table_has_run(const dho_table_spec *spec, size_t combination);
/* False when `only` leaves one of its values out. */
bool dho_table_wanted(const dho_table_spec *spec, size_t first, size_t count, size_t combination);

/* table_pattern.c: a pattern is text in which {axis} and {seed} stand for the run's values. Other
 * braces are text. Length of the name in a place-holder at `at`; 0 when there is none. */
size_t dho_table_placeholder(const char *at);
/* Writes a pattern out for the run at values[axis_count] of all axes. *out: owned text. */
dho_status dho_table_expand(const dho_table_spec *spec, const char *pattern, const size_t *values,
                            uint64_t seed, char **out);
/* dir(of the file `path`)/name with "x/.." taken out. *out: owned text. */
dho_status dho_table_beside(const char *path, const char *name, char **out);

/* The published figure of a cell, NULL when there is none. */
const dho_table_figure *dho_table_published(const dho_table_spec *spec, const size_t *values,
                                            size_t test);

#endif
