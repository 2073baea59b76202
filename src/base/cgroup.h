/* Limits of the control groups that this process is in. Local. Private to src/base. */
#ifndef DHO_BASE_CGROUP_H
#define DHO_BASE_CGROUP_H

#include <stdint.h>

enum { DHO_CGROUP_LIST_BYTES = 1024 };

typedef struct dho_cgroup_limits {
    double cpus;                        /* CPUs' worth of time; 0: no limit */
    uint64_t id;                        /* of the group whose cpus that is; 0: none */
    int64_t memory;                     /* bytes that are left; INT64_MAX: no limit */
    char cpuset[DHO_CGROUP_LIST_BYTES]; /* "0-3,8": the CPUs of the innermost group that has a list
                                           of its own, which a batch system sets; "": none */
} dho_cgroup_limits;

/* The tightest limits of the process's groups and all above them, of version 1 and 2.
 * root: "", or a folder with other proc and sys folders. */
void dho_cgroup_read(dho_cgroup_limits *out, const char *root);

#endif
