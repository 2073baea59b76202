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

static int first_cpu(const uint64_t cpus[DHO_MACHINE_MASK_WORDS])
{
    int cpu = 0;
    while (cpu < DHO_MACHINE_CPUS && !(cpus[cpu / 64] >> cpu % 64 & 1)) cpu++;
    return cpu < DHO_MACHINE_CPUS ? cpu : 0;
}

/* "2048K", "32M". */
static int64_t parse_size(const char *text)
{
    char *end;
    const long long number = strtoll(text, &end, 10);
    if (number <= 0 || number > (1LL << 40)) return 0;
    return *end == 'K' ? number << 10 : *end == 'M' ? number << 20 : number;
}

void dho_topology_look_at_caches(const char *root, const uint64_t cpus[DHO_MACHINE_MASK_WORDS],
                                 dho_cache_size out[DHO_CACHE_LEVELS])
{
    enum { MOST = 16 };
    const int cpu = first_cpu(cpus);
    memset(out, 0, DHO_CACHE_LEVELS * sizeof *out);
    for (int i = 0; i < MOST; i++) {
        char line[LINE_BYTES], path[128];
        const int folder =
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cache/index%d/", cpu, i);
        snprintf(path + folder, sizeof path - (size_t)folder, "level");
        if (!read_line(line, root, path)) break;
        const long level = strtol(line, NULL, 10);
        snprintf(path + folder, sizeof path - (size_t)folder, "type");
        if (level < 1 || level >= DHO_CACHE_LEVELS || !read_line(line, root, path) ||
            strcmp(line, "Instruction") == 0)
            continue;
        snprintf(path + folder, sizeof path - (size_t)folder, "size");
        if (read_line(line, root, path)) out[level].bytes = parse_size(line);
        uint64_t sharing[DHO_MACHINE_MASK_WORDS];
        snprintf(path + folder, sizeof path - (size_t)folder, "shared_cpu_list");
        out[level].cpus = 1;
        if (!read_line(line, root, path)) continue;
        parse_list(line, sharing);
        if (dho_machine_count_cpus(sharing) > 1) out[level].cpus = dho_machine_count_cpus(sharing);
    }
}

void dho_topology_describe_caches(const dho_cache_size caches[DHO_CACHE_LEVELS], char *out,
                                  size_t bytes)
{
    size_t used = 0;
    for (int level = 1; level < DHO_CACHE_LEVELS && used < bytes; level++)
        used += (size_t)snprintf(out + used, bytes - used, "%sL%d %lld KiB", level > 1 ? ", " : "",
                                 level, (long long)caches[level].bytes >> 10);
}
