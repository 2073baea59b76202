/* How a process lies on its machine: sockets and the size of pages. Local. Private to src and
 * tools. */
#ifndef DHO_BASE_TOPOLOGY_H
#define DHO_BASE_TOPOLOGY_H

#include "base/machine.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct dho_topology {
    uint64_t used_sockets;    /* bit s: a CPU of socket s is the process's; none from 64 on */
    uint64_t allowed_sockets; /* a CPU of it is in the control group, which a batch system sets */
    int32_t allowed_cpus;     /* of the control group */
    bool huge_pages_off;      /* the kernel gives no transparent huge pages, even when asked */
} dho_topology;

/* root: "" (tests: a folder with other proc and sys folders). cpus: the process's. What cannot be
 * read is 0 or false. */
void dho_topology_look(dho_topology *out, const char *root,
                       const uint64_t cpus[DHO_MACHINE_MASK_WORDS]);

/* Caches of data of a CPU, by level. bytes 0: it has none, or nothing says so. */
typedef struct dho_cache_size {
    int64_t bytes; /* of one such cache */
    int cpus;      /* that share it */
} dho_cache_size;

enum { DHO_CACHE_LEVELS = 4 }; /* [0] is not used */

/* Those of the first CPU of the process. */
void dho_topology_look_at_caches(const char *root, const uint64_t cpus[DHO_MACHINE_MASK_WORDS],
                                 dho_cache_size out[DHO_CACHE_LEVELS]);
/* "L1 48 KiB, L2 2048 KiB, L3 32768 KiB" */
void dho_topology_describe_caches(const dho_cache_size caches[DHO_CACHE_LEVELS], char *out,
                                  size_t bytes);

#endif
