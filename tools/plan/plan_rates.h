/* Speeds of this machine: measured, and as a file. Private to tools/plan. */
#ifndef DHO_PLAN_PLAN_RATES_H
#define DHO_PLAN_PLAN_RATES_H

#include "plan/plan_run.h"

#include <jansson.h>

/* Measures all, each for about `seconds`, but at least one microbatch. Local. Errors: those of the
 * executor and of the loader. */
dho_status plan_rates_measure(const plan_run *run, double seconds, plan_rates *out);
/* Of it: microbatches and updates, rates_compute.c; images and the disk, rates_data.c. */
dho_status plan_rates_measure_compute(const plan_run *run, double seconds, plan_rates *out);
dho_status plan_rates_measure_data(const plan_run *run, double seconds, plan_rates *out);

/* The rates as JSON, with what they were measured with. *out is owned (json_decref). Errors:
 * DHO_ERR_MEMORY. */
dho_status plan_rates_pack(const plan_run *run, const plan_rates *rates, json_t **out);
/* Reads what pack has made. Errors: DHO_ERR_CONFIG for rates of another student, batch or dtype,
 * naming the difference; DHO_ERR_FORMAT; those of reading. */
dho_status plan_rates_load(const plan_run *run, const char *path, plan_rates *out);

#endif
