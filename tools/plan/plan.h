/* What a run would take on a number of nodes, before there are any: from speeds that are measured
 * on one machine, and a network that is said. For src/cli. */
#ifndef DHO_PLAN_PLAN_H
#define DHO_PLAN_PLAN_H

#include "dho/config.h"
#include "dho/status.h"

#include <stdbool.h>
#include <stdint.h>

/* The images and the teacher, where they are not on this machine; 0: look at the
 * configuration's. */
typedef struct dho_plan_data {
    int64_t images;   /* of training, those without a label among them */
    int64_t labelled; /* of them */
    int classes;
    int dim;   /* of the teacher's embedding */
    int views; /* of the teacher's cache */
} dho_plan_data;

typedef struct dho_plan_options {
    dho_plan_data data;
    const char *nodes;                  /* "1,2,4" */
    int ranks_per_node, threads, cores; /* threads, cores: 0: this machine's */
    double latency;                     /* microseconds */
    double bandwidth;                   /* GB/s, each direction */
    double efficiency;                  /* percent: below it, more nodes do not pay */
    const char *rates;                  /* what dho bench rates --json has written; NULL: measure */
    double seconds;                     /* of each measurement */
    bool json;
} dho_plan_options;

/* Prints a table of the run on each number of nodes, or JSON. Local. Errors: DHO_ERR_CONFIG for
 * what cannot be (more ranks than train.shards on the smallest number of nodes, rates of something
 * else); those of opening the data and of making the student. */
dho_status dho_plan(const dho_config *config, const dho_plan_options *options);

/* Measures and prints the speeds that a plan needs, as lines or as JSON. Uses data, seconds and
 * json of the options. Local. */
dho_status dho_plan_print_rates(const dho_config *config, const dho_plan_options *options);

#endif
