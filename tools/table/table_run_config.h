/* Is a run of the configuration that its table asks for? Private to tools/table. Local. */
#ifndef DHO_TABLE_TABLE_RUN_CONFIG_H
#define DHO_TABLE_TABLE_RUN_CONFIG_H

#include "dho/config.h"

/* All steps of a run that its last checkpoint stands for: config.yaml is of the last session,
 * sessions.jsonl has every one's. DHO_ERR_CONFIG "path: has ..., the table asks for ...". */
dho_status dho_table_check_training(const char *folder, const dho_config *wanted);
/* What its eval.json was made with. */
dho_status dho_table_check_evaluation(const char *folder, const dho_config *wanted);

#endif
