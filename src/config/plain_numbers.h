/* Numbers with a decimal point, whatever the program's language settings. Private to src/config;
 * files that include it define _GNU_SOURCE. */
#ifndef DHO_CONFIG_PLAIN_NUMBERS_H
#define DHO_CONFIG_PLAIN_NUMBERS_H

#include "dho/status.h"

#include <locale.h>

typedef struct dho_plain_numbers {
    locale_t before, plain;
} dho_plain_numbers;

/* Sets the C locale for this thread, until _end. Errors: DHO_ERR_MEMORY. */
static inline dho_status dho_plain_numbers_begin(dho_plain_numbers *numbers)
{
    numbers->before = (locale_t)0;
    numbers->plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (numbers->plain == (locale_t)0) return dho_fail(DHO_ERR_MEMORY, "cannot set the C locale");
    numbers->before = uselocale(numbers->plain);
    return DHO_OK;
}

static inline void dho_plain_numbers_end(const dho_plain_numbers *numbers)
{
    uselocale(numbers->before);
    freelocale(numbers->plain);
}

#endif
