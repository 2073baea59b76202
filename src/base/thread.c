#define _GNU_SOURCE
#include "base/thread.h"

#include "base/machine.h"

#include <sched.h>
#include <signal.h>

enum { STACK_BYTES = 2 << 20 };

int dho_thread_start(pthread_t *out, void *(*run)(void *), void *argument)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    dho_machine machine;
    int error = pthread_attr_init(&attributes);
    if (error != 0) return error;
    dho_machine_look_at_cpus(&machine);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setaffinity_np(&attributes, sizeof machine.cpus, (const cpu_set_t *)machine.cpus);
    sigfillset(&all);
    sigdelset(&all, SIGBUS); /* of its own reads: mapped_files.c */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(out, &attributes, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}
