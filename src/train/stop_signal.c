#define _GNU_SOURCE
#include "train/stop_signal.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t received;

static void remember(int signal_number)
{
    (void)signal_number;
    received = 1;
}

void dho_stop_signal_install(void)
{
    received = 0; /* of an earlier run of this process */
    struct sigaction action = {.sa_handler = remember, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool dho_stop_signal_received(void)
{
    return received != 0;
}
