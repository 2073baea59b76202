/* The insides of a tuning table, shared by what keeps it and what reads and writes it. Private to
 * src/compute. */
#ifndef DHO_COMPUTE_CORE_TUNING_H
#define DHO_COMPUTE_CORE_TUNING_H

#include "dho/tuning.h"

enum { DHO_TUNING_KEY_BYTES = 512, DHO_TUNING_NOTE_BYTES = 120, DHO_TUNING_ROWS_MOST = 20000 };

typedef struct dho_tuning_row {
    dho_kernel_site site;
    const char *choice; /* as dho_backend_choice has it */
    char note[DHO_TUNING_NOTE_BYTES];
} dho_tuning_row;

struct dho_tuning {
    /* Of the processor that measured: its features, and its caches. */
    char processor[DHO_TUNING_KEY_BYTES], caches[DHO_TUNING_KEY_BYTES];
    int threads;          /* of each kernel */
    dho_tuning_row *rows; /* owned */
    size_t count, capacity;
};

#endif
