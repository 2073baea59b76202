#include "train/local_failure.h"

#include <stdio.h>

dho_local_failure dho_local_failure_of(dho_status status)
{
    dho_local_failure out = {.status = status};
    if (status != DHO_OK) snprintf(out.message, sizeof out.message, "%s", dho_error_message());
    return out;
}

dho_status dho_local_failure_raise(const dho_local_failure *failure)
{
    if (failure->status == DHO_OK) return DHO_OK;
    return dho_fail(failure->status, "%s", failure->message);
}
