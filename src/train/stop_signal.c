#define _GNU_SOURCE
#include "train/stop_signal.h"

#include "base/log_file.h"
#include "dho/status.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

/* One order may come twice: timeout(1) sends TERM to the process and to its group, SLURM and mpirun
 * both send it when a job is cancelled. What comes later than this is a second order. */
static const int64_t SAME_ORDER_NS = 500 * 1000 * 1000;

typedef enum run_phase { OPENING, STEPPING, ENDED } run_phase;

static volatile sig_atomic_t phase, received, speaks;
static _Atomic int64_t first_term; /* nanoseconds; 0: none */

static void say(const char *text)
{
    if (speaks) dho_log_from_handler(text);
}

static bool is_second_term(void)
{
    struct timespec time;
    int64_t before = 0;
    clock_gettime(CLOCK_MONOTONIC, &time);
    const int64_t now = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
    if (atomic_compare_exchange_strong(&first_term, &before, now)) return false;
    return now - before >= SAME_ORDER_NS;
}

/* Does only what a signal handler may do. */
static void handle(int signal_number)
{
    if (phase == ENDED && !(signal_number == SIGTERM && is_second_term())) return;
    if (phase == OPENING) {
        say("dho: stopped by a signal before its first step was done: nothing new to save\n");
        _exit(dho_exit_code(DHO_PREEMPTED));
    }
    if (phase == ENDED || (signal_number == SIGTERM && is_second_term())) {
        say("dho: ended by a second SIGTERM; the newest checkpoint is whole\n");
        signal(SIGTERM, SIG_DFL);
        raise(SIGTERM); /* taken when this handler returns */
    } else if (!received) {
        say(signal_number == SIGTERM
                ? "dho: SIGTERM: stops after this step and saves; a second one ends at once\n"
                : "dho: SIGUSR1: stops after this step and saves\n");
    }
    received = 1;
}

void dho_stop_signal_install(bool speak)
{
    phase = OPENING;
    received = 0; /* of an earlier run of this process */
    speaks = speak;
    atomic_store(&first_term, 0);
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void dho_stop_signal_wait_for_step(void)
{
    phase = STEPPING;
}

bool dho_stop_signal_received(void)
{
    return received != 0;
}

void dho_stop_signal_ignore(void)
{
    phase = ENDED;
    atomic_store(&first_term, 0);
}
