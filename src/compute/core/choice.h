/* The choices of a context: what a tuning, or a preference, has decided for the sites that were
 * reserved. Private to src/compute. */
#ifndef DHO_COMPUTE_CORE_CHOICE_H
#define DHO_COMPUTE_CORE_CHOICE_H

#include "compute/core/context.h"

/* An operation's word in a table and in messages; which calls it has; whether it is a
 * convolution's. */
const char *dho_choice_word(dho_tuned_operation operation);
unsigned dho_choice_calls(dho_tuned_operation operation);
bool dho_choice_is_conv(dho_tuned_operation operation);

static inline dho_call dho_call_lowest(unsigned calls)
{
    return (dho_call)(calls & (~calls + 1));
}

/* Tells who watches the sites. */
void dho_choices_tell(dho_compute *compute, const dho_kernel_site *site);
/* The table that is to do a site; NULL: the rule's. Errors: DHO_ERR_CONFIG for a name that no table
 * of this backend and dtype has. */
dho_status dho_choices_look(const dho_compute *compute, const dho_kernel_site *site,
                            const dho_kernel_table **out);
/* It will do it: find gives it from now on. Errors: DHO_ERR_MEMORY. */
dho_status dho_choices_take(dho_compute *compute, const dho_kernel_site *site,
                            const dho_kernel_table *table);
/* It cannot do it: DHO_ERR_CONFIG where a tuning named it, DHO_OK for a preference. */
dho_status dho_choices_refuse(const dho_compute *compute, const dho_kernel_site *site);
/* NULL: the rule's. */
const dho_kernel_table *dho_choices_find(const dho_compute *compute, const dho_kernel_site *site);
void dho_choices_free(dho_compute *compute);

/* Who does a call: what was chosen, or the rule. convolution.c, linear.c. */
const dho_kernel_table *dho_conv_choose(const dho_compute *compute, const dho_conv_shape *shape,
                                        dho_call call);
const dho_kernel_table *dho_linear_choose(const dho_compute *compute, const dho_linear_shape *shape,
                                          dho_call call);

#endif
