/* Which features the rest of the library is compiled for. Data only: nothing here is executed. */
#include "base/processor_features.h"

#include <stddef.h>

#define TEXT(macro) #macro
#define ROW(name, macro, has) TEXT(macro),

const char *const dho_processor_macros[] = {DHO_PROCESSOR_FEATURES(ROW) NULL};
