/* What this process may use of its machine: CPUs, memory, open files. Local. Private to src and
 * tools. */
#ifndef DHO_BASE_MACHINE_H
#define DHO_BASE_MACHINE_H

#include <stdint.h>

enum { DHO_MACHINE_CPUS = 8192, DHO_MACHINE_MASK_WORDS = DHO_MACHINE_CPUS / 64 };

typedef struct dho_machine {
    /* Processes with the same `pool` share CPUs: those of one running kernel, in one container
     * where it has a limit of its own. */
    uint64_t pool;
    uint64_t cpus[DHO_MACHINE_MASK_WORDS]; /* bit c % 64 of word c / 64: CPU c is allowed */
    double quota; /* CPUs' worth of time of the pool's cgroup; 0: no limit */
} dho_machine;

/* root: "" (tests: a folder with other proc and sys folders). The CPUs are those of the process,
 * whatever OpenMP has since bound the calling thread to. What cannot be read is no limit. */
void dho_machine_look(dho_machine *out, const char *root);

/* Only its cpus; a cpu_set_t of this size has the same bits. */
void dho_machine_look_at_cpus(dho_machine *out);

int dho_machine_count_cpus(const uint64_t cpus[DHO_MACHINE_MASK_WORDS]);

/* Bytes that can still be had without the system's killing a process: memory and swap that are free
 * or easily freed, within the limits of the cgroups; INT64_MAX where nothing says so. */
int64_t dho_machine_memory(const char *root);

/* Bytes that can be written to the file system of a file or folder; INT64_MAX where nothing says
 * so. */
int64_t dho_machine_disk(const char *path);

/* Raises the limit of open files as far as it goes; a file that is too large becomes an error of
 * write() instead of the end of the process. */
void dho_machine_prepare_files(void);

#endif
