/* The function that lists a data set of each layout. Private to src/data. */
#ifndef DHO_DATA_LAYOUT_H
#define DHO_DATA_LAYOUT_H

#include "dho/config.h"
#include "dho/dataset.h"

/* Lists what `set` names: root, and split_file and split where the layout takes them. reference:
 * whose classes the labels are; NULL, or a layout that has classes of its own: those of the set.
 * *out is all zero on error. Errors: as dho_dataset_open_folder, _coop, _shards. */
typedef dho_status dho_layout_open(dho_dataset *out, const dho_config_set *set,
                                   const dho_dataset *reference);

#define DHO_LAYOUT(id, word, ...) dho_layout_open dho_layout_open_##word;
#include "dho/layout_rows.h"
#undef DHO_LAYOUT

#endif
