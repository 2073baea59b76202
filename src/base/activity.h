/* What each thread of this process does now, and since when: so that a job that stands still can
 * say why. Private to src. */
#ifndef DHO_BASE_ACTIVITY_H
#define DHO_BASE_ACTIVITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Begins something that this thread does until dho_activity_end: `what` names it (borrowed while it
 * lasts: "reads"), `subject` its object (copied, cut to 255 bytes; NULL: none). What begins inside
 * it is shown instead of it. bounded: it should never take long (a read of a file), so that it
 * counts in dho_activity_longest. Thread-safe; a thread beyond the 512th is not shown. */
void dho_activity_begin(const char *what, const char *subject, bool bounded);
/* The same of a step, without a bound: "saves step" 12. */
void dho_activity_begin_step(const char *what, int64_t step);
void dho_activity_end(void);

/* The innermost activity of the thread that began one first, the main thread, behind those that it
 * is part of: "step 12, adds up the gradients". *out_seconds: since when. */
void dho_activity_main(char *out, size_t bytes, double *out_seconds);

/* The longest bounded activity of all threads: "reads data/x.jpg"; "" and 0 when there is none. */
void dho_activity_longest(char *out, size_t bytes, double *out_seconds);

#endif
