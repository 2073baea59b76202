/* The options that dho plan and dho bench rates share. Private to src/cli. */
#ifndef DHO_CLI_PLAN_OPTIONS_H
#define DHO_CLI_PLAN_OPTIONS_H

#include "cli/cli.h"
#include "dho/teacher_cache.h"

/* Of the member `plan`, a dho_plan_options. */
#define DHO_OPTIONS_PLAN(plan)                                                                 \
    DHO_OPTION("--images", "N", AT(plan.data.images),                                          \
               "training images, where the configuration's are not here", DHO_OPTION_INT64, 1, \
               1LL << 40, .needs = "--labelled"),                                              \
        DHO_OPTION("--labelled", "N", AT(plan.data.labelled), "of them, labelled ones",        \
                   DHO_OPTION_INT64, 1, 1LL << 40, .needs = "--classes"),                      \
        DHO_OPTION("--classes", "N", AT(plan.data.classes), "of the task", DHO_OPTION_INT, 1,  \
                   1000000, .needs = "--images"),                                              \
        DHO_OPTION("--dim", "N", AT(plan.data.dim),                                            \
                   "width of the teacher's embedding, where its cache is not here",            \
                   DHO_OPTION_INT, 1, 65536, "1024"),                                          \
        DHO_OPTION("--views", "K", AT(plan.data.views), "views of an image in that cache",     \
                   DHO_OPTION_INT, 1, DHO_CACHE_MAX_VIEWS, "1"),                               \
        DHO_OPTION("--seconds", "S", AT(plan.seconds),                                         \
                   "of each of four measurements; a microbatch is never cut short",            \
                   DHO_OPTION_NUMBER, 0, 3600, "1"),                                           \
        DHO_OPTION("--json", NULL, AT(plan.json), "as JSON"), DHO_OPTION_SET(AT(from))

#endif
