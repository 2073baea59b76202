/* SIGUSR1 and SIGTERM ask to stop. Until the first step is done there is nothing to save: the process
 * ends at once with exit code 75, whatever it waits for. Later they only set a flag, for the next
 * step boundary; but a second SIGTERM, half a second or more after the first, ends the process as
 * SIGTERM does. Private to src/train. */
#ifndef DHO_TRAIN_STOP_SIGNAL_H
#define DHO_TRAIN_STOP_SIGNAL_H

#include <stdbool.h>

/* From now on; `speak`: the handler says what it does. */
void dho_stop_signal_install(bool speak);

/* A step is done: signals set the flag. */
void dho_stop_signal_wait_for_step(void);
bool dho_stop_signal_received(void);

/* The run has ended: a TERM is now only mpirun's, because another rank has left before this one. A second
 * one from now on ends the process: what it closes may wait for a read that never ends. */
void dho_stop_signal_ignore(void);

#endif
