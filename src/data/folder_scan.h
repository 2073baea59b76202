/* Reading class folders. Private to src/data. */
#ifndef DHO_DATA_FOLDER_SCAN_H
#define DHO_DATA_FOLDER_SCAN_H

#include "data/unused.h"

/* Appends the class folders of `root`, unsorted, label 0; what else lies there is counted.
 * Errors: DHO_ERR_IO; DHO_ERR_MEMORY. */
dho_status dho_scan_classes(dho_path_list *folders, const char *root, dho_unused *unused);

/* Appends the images of root/name ("": of root) and the folders inside it, as "name/...", in
 * ImageFolder's order (dho_path_compare). Errors: DHO_ERR_IO; DHO_ERR_MEMORY. */
dho_status dho_scan_images(dho_path_list *files, const char *root, const char *name, int32_t label,
                           dho_unused *unused);

/* Their order in a list, for qsort_r; pool: the list's. */
int dho_path_compare_entries(const void *a, const void *b, void *pool);

#endif
