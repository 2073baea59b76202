#include "base/meter.h"

#include "base/clock.h"
#include "dho/log.h"

#include <stdio.h>
#include <unistd.h>

static const double LOG_SECONDS = 30;

void dho_meter_start(dho_meter *meter, const char *what, long long total, bool speaks)
{
    *meter = (dho_meter){.what = what,
                         .total = total,
                         .speaks = speaks,
                         .terminal = speaks && isatty(STDERR_FILENO),
                         .next = dho_seconds_now() + LOG_SECONDS};
}

void dho_meter_show(dho_meter *meter, long long done)
{
    if (done > meter->total) done = meter->total;
    if (meter->terminal) {
        fprintf(stderr, "\r%s %lld/%lld\033[K", meter->what, done, meter->total);
    } else if (meter->speaks && dho_seconds_now() >= meter->next) {
        dho_info("%s %lld/%lld", meter->what, done, meter->total);
        meter->next = dho_seconds_now() + LOG_SECONDS;
    }
}

void dho_meter_end(dho_meter *meter)
{
    if (meter->terminal) fputc('\n', stderr);
}
