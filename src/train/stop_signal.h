/* SIGUSR1 and SIGTERM ask to stop at the next step boundary. Private to src/train. */
#ifndef DHO_TRAIN_STOP_SIGNAL_H
#define DHO_TRAIN_STOP_SIGNAL_H

#include <stdbool.h>

/* The handler only sets a flag; everything else happens at a step boundary. */
void dho_stop_signal_install(void);
bool dho_stop_signal_received(void);

#endif
