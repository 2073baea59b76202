/* Reading every image of a set, each rank its share. Private to src/data. */
#ifndef DHO_DATA_DATA_CHECK_READ_H
#define DHO_DATA_DATA_CHECK_READ_H

#include "dho/comm.h"
#include "dho/dataset.h"

enum { DHO_BROKEN_SHOWN = 20 };

/* The broken images that one rank has found. */
typedef struct dho_broken_images {
    int64_t broken; /* images that cannot be read */
    struct {
        int64_t id;
        char message[512];
    } first[DHO_BROKEN_SHOWN]; /* the ones of the lowest ids, in their order */
    int shown;
    dho_status status; /* of what is not an image's fault: DHO_ERR_MEMORY */
} dho_broken_images;

/* Rank r of P reads those with id mod P == r, with so many threads; decode: whole, else it looks at
 * the first bytes (of tars: at the checksum). *out_broken: of all ranks. *out_all: what each rank
 * has found, [ranks] on rank 0, owned by the caller, elsewhere NULL. Collective. Errors:
 * DHO_ERR_MEMORY, DHO_ERR_COMM. */
dho_status dho_data_check_read(const dho_dataset *dataset, dho_comm *comm, bool decode, int threads,
                               int64_t *out_broken, dho_broken_images **out_all);

#endif
