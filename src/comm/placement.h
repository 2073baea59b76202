/* What is wrong with the places of ranks on their machines. Local: over what rank 0 has gathered.
 * Private to src/comm. */
#ifndef DHO_COMM_PLACEMENT_H
#define DHO_COMM_PLACEMENT_H

#include "base/machine.h"
#include "base/topology.h"

#include <stddef.h>

/* A rank's. */
typedef struct comm_place {
    dho_machine machine;
    dho_topology topology;
    char host[64];
    int32_t threads;
} comm_place;

/* Each writes one line, without an end: host, what is wrong, what to change. False: nothing is
 * wrong. */

/* Ranks that are bound to fewer CPUs than they have threads together, though their host has more:
 * "two ranks on one core". */
bool comm_find_crowd(const comm_place *places, int ranks, char *out, size_t bytes);

/* A socket that the job may use and no rank is on, though the threads fill half of the others or
 * more. */
bool comm_find_idle_socket(const comm_place *places, int ranks, char *out, size_t bytes);

/* Hosts whose kernel gives no huge pages. */
bool comm_find_small_pages(const comm_place *places, int ranks, char *out, size_t bytes);

#endif
