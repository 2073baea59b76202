/* Messages for people, on standard error. One line a call; lines of different threads and ranks
 * do not mix (each is one write). Rank 0 prints all levels, other ranks only warnings. */
#ifndef DHO_LOG_H
#define DHO_LOG_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Says once, at the start of the program, which rank speaks; ranks > 0 prefix "rank N: ".
 * Without this call the process is rank 0. */
void dho_log_set_rank(int rank, int ranks);

/* Information: printed by rank 0 only. */
void dho_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A warning: printed by any rank as "dho: warning: ...". */
void dho_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same by rank 0 only: of what all ranks see alike. */
void dho_warn_once(const char *format, ...) __attribute__((format(printf, 1, 2)));

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
