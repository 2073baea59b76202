/* data.on_error: skip: which sample takes a broken one's place. Private to src/data. */
#ifndef DHO_DATA_DECODE_SKIP_H
#define DHO_DATA_DECODE_SKIP_H

#include "data/decode_ring.h"

/* How many samples may be tried for a draw, itself included; 1 without skip. */
int64_t dho_skip_candidates(const dho_ring_options *o, const dho_draw *draw);
/* The next one: of an unlabelled draw the next id of its shard that is not excluded, of a labelled
 * one the next labelled id; behind the last comes the first. */
int64_t dho_skip_replacement(const dho_ring_options *o, const dho_draw *draw);

#endif
