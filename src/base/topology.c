#define _GNU_SOURCE
#include "base/topology.h"

#include "base/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, LINE_BYTES = 4096, MOST_SOCKETS = 64 };

/* The first line of root + path, without its end; false: not there. */
static bool read_line(char line[LINE_BYTES], const char *root, const char *path)
{
    char whole[2 * PATH_BYTES];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    FILE *file = fopen(whole, "re");
    if (file == NULL) return false;
    const bool found = fgets(line, LINE_BYTES, file) != NULL;
    fclose(file);
    if (found) line[strcspn(line, "\n")] = '\0';
    return found && line[0] != '\0';
}

/* "0-3,8" as CPUs. */
static void parse_list(const char *list, uint64_t cpus[DHO_MACHINE_MASK_WORDS])
{
    memset(cpus, 0, DHO_MACHINE_MASK_WORDS * sizeof *cpus);
    while (*list >= '0' && *list <= '9') {
        char *end;
        const long first = strtol(list, &end, 10);
        const long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        for (long cpu = first; cpu <= last && cpu < DHO_MACHINE_CPUS; cpu++)
            cpus[cpu / 64] |= (uint64_t)1 << cpu % 64;
        list = *end == ',' ? end + 1 : end;
    }
}

/* The CPUs of the process's control group; where it has no list, those online. */
static bool read_allowed(const char *root, uint64_t cpus[DHO_MACHINE_MASK_WORDS])
{
    char line[LINE_BYTES];
    dho_cgroup_limits limits;
    dho_cgroup_read(&limits, root);
    const bool found =
        limits.cpuset[0] != '\0' || read_line(line, root, "/sys/devices/system/cpu/online");
    if (found) parse_list(limits.cpuset[0] != '\0' ? limits.cpuset : line, cpus);
    return found;
}

static uint64_t sockets_of(const char *root, const uint64_t cpus[DHO_MACHINE_MASK_WORDS])
{
    uint64_t sockets = 0;
    for (int cpu = 0; cpu < DHO_MACHINE_CPUS; cpu++) {
        char line[LINE_BYTES], path[128];
        if (!(cpus[cpu / 64] >> cpu % 64 & 1)) continue;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/physical_package_id",
                 cpu);
        if (!read_line(line, root, path)) continue;
        const long socket = strtol(line, NULL, 10);
        if (socket >= 0 && socket < MOST_SOCKETS) sockets |= (uint64_t)1 << socket;
    }
    return sockets;
}

void dho_topology_look(dho_topology *out, const char *root,
                       const uint64_t cpus[DHO_MACHINE_MASK_WORDS])
{
    uint64_t allowed[DHO_MACHINE_MASK_WORDS];
    char line[LINE_BYTES];
    *out = (dho_topology){.used_sockets = sockets_of(root, cpus)};
    if (read_allowed(root, allowed)) {
        out->allowed_cpus = dho_machine_count_cpus(allowed);
        out->allowed_sockets = sockets_of(root, allowed);
    }
    out->huge_pages_off = read_line(line, root, "/sys/kernel/mm/transparent_hugepage/enabled") &&
                          strstr(line, "[never]") != NULL;
}
