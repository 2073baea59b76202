/* From TinyViT's keys to sample ids. Private to src/teacher. */
#ifndef DHO_TEACHER_TINYVIT_KEYS_H
#define DHO_TEACHER_TINYVIT_KEYS_H

#include "dho/dataset.h"

typedef struct tinyvit_name {
    const char *text; /* inside of the sample's path, not terminated */
    size_t length;
    int64_t id;
} tinyvit_name;

typedef struct tinyvit_keys {
    const dho_dataset *dataset; /* borrowed */
    bool chosen, positions;     /* by the first key */
    tinyvit_name *names;        /* owned, sorted; unless positions */
} tinyvit_keys;

/* The sample of a key; -1: a name of none. Errors have no file's name in front. */
dho_status tinyvit_keys_find(tinyvit_keys *keys, const char *key, size_t length, int64_t *out);
void tinyvit_keys_free(tinyvit_keys *keys);

#endif
