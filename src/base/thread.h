/* Threads beside OpenMP's. Private to src and tools. */
#ifndef DHO_BASE_THREAD_H
#define DHO_BASE_THREAD_H

#include <pthread.h>

/* Starts a thread that takes no signals but SIGBUS (they are for the main thread, which looks for
 * them between steps), has the same stack whatever ulimit -s says, and may run on all CPUs of the
 * process, also where OMP_PROC_BIND has bound the calling thread to one. Returns 0 or errno's
 * number. */
int dho_thread_start(pthread_t *out, void *(*run)(void *), void *argument);

#endif
