#define _GNU_SOURCE
#include "base/cgroup.h"

#include "dho/file.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, LINE_BYTES = 4096 };

/* Where the kernel keeps a limit: a group's folder is root + mount + path. */
typedef struct group {
    const char *mount; /* "/sys/fs/cgroup", ... */
    char path[PATH_BYTES];
    bool second; /* version 2 */
} group;

static FILE *open_file(const char *root, const group *g, const char *name)
{
    char path[3 * PATH_BYTES];
    snprintf(path, sizeof path, "%s%s%s/%s", root, g->mount, g->path, name);
    return fopen(path, "re");
}

/* A file of one number; -1: not there, or "max". */
static int64_t read_number(const char *root, const group *g, const char *name)
{
    int64_t value = -1;
    FILE *file = open_file(root, g, name);
    if (file == NULL) return -1;
    if (fscanf(file, "%" SCNd64, &value) != 1) value = -1;
    fclose(file);
    return value;
}

/* Bytes of files in memory, which the kernel gives back before it kills. */
static int64_t read_file_pages(const char *root, const group *g)
{
    char key[64];
    int64_t value, sum = 0;
    FILE *file = open_file(root, g, "memory.stat");
    if (file == NULL) return 0;
    while (fscanf(file, "%63s %" SCNd64, key, &value) == 2)
        if (strcmp(key, g->second ? "inactive_file" : "total_inactive_file") == 0 ||
            strcmp(key, g->second ? "active_file" : "total_active_file") == 0)
            sum += value;
    fclose(file);
    return sum;
}

static void read_memory(dho_cgroup_limits *out, const char *root, const group *g)
{
    const int64_t limit = read_number(root, g, g->second ? "memory.max" : "memory.limit_in_bytes");
    const int64_t used =
        read_number(root, g, g->second ? "memory.current" : "memory.usage_in_bytes");
    if (limit < 0 || limit > INT64_MAX / 2 || used < 0) return; /* version 1: 2^63 - a page */
    int64_t left = limit - used + read_file_pages(root, g);
    if (left > limit) left = limit;
    if (left < 0) left = 0;
    if (left < out->memory) out->memory = left;
}

static void read_cpus(dho_cgroup_limits *out, const char *root, const group *g)
{
    int64_t quota = -1, period = 100000;
    if (g->second) {
        FILE *file = open_file(root, g, "cpu.max");
        if (file == NULL) return;
        if (fscanf(file, "%" SCNd64 " %" SCNd64, &quota, &period) != 2) quota = -1;
        fclose(file);
    } else {
        quota = read_number(root, g, "cpu.cfs_quota_us");
        period = read_number(root, g, "cpu.cfs_period_us");
    }
    if (quota <= 0 || period <= 0) return;
    const double cpus = (double)quota / (double)period;
    if (out->cpus > 0 && out->cpus <= cpus) return;
    /* In a container all groups have the same path: the namespace tells them apart. */
    char name[PATH_BYTES + 128], space[128] = "";
    char link[PATH_BYTES];
    snprintf(link, sizeof link, "%s/proc/self/ns/cgroup", root);
    const ssize_t length = readlink(link, space, sizeof space - 1);
    space[length > 0 ? length : 0] = '\0';
    const int bytes = snprintf(name, sizeof name, "%s %s", space, g->path);
    out->cpus = cpus;
    out->id = (uint64_t)1 << 32 | dho_crc32(0, name, (size_t)bytes);
}

static void read_cpuset(dho_cgroup_limits *out, const char *root, const group *g)
{
    if (out->cpuset[0] != '\0') return;
    FILE *file = open_file(root, g, g->second ? "cpuset.cpus.effective" : "cpuset.effective_cpus");
    if (file == NULL) return;
    /* A list that does not fit is cut behind its last whole entry. */
    if (fgets(out->cpuset, sizeof out->cpuset, file) == NULL) out->cpuset[0] = '\0';
    if (strlen(out->cpuset) == sizeof out->cpuset - 1) {
        char *comma = strrchr(out->cpuset, ',');
        *(comma != NULL ? comma : out->cpuset) = '\0';
    }
    out->cpuset[strcspn(out->cpuset, "\n")] = '\0';
    fclose(file);
}

/* The group and all above it. In a container the path may be the host's and not be there: the root
 * of the mount is then the container's own group. */
static void read_group(dho_cgroup_limits *out, const char *root, group *g)
{
    for (;;) {
        read_memory(out, root, g);
        read_cpus(out, root, g);
        read_cpuset(out, root, g);
        char *slash = strrchr(g->path, '/');
        if (slash == NULL) return;
        *slash = '\0';
    }
}

static bool has_word(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

/* A line of /proc/self/cgroup: "0::PATH", or "N:cpu,cpuacct:PATH". */
static void read_line(dho_cgroup_limits *out, const char *root, char *line)
{
    static const char *const seconds[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    char *controllers = strchr(line, ':');
    char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    char mount[LINE_BYTES + 32];
    group g = {.second = false};
    if (path == NULL) return;
    *path++ = '\0';
    controllers++;
    path[strcspn(path, "\n")] = '\0';
    for (size_t i = 0; i < 2 && controllers[0] == '\0'; i++) {
        g = (group){.mount = seconds[i], .second = true};
        snprintf(g.path, sizeof g.path, "%s", path);
        read_group(out, root, &g);
    }
    if (!has_word(controllers, "cpu") && !has_word(controllers, "memory") &&
        !has_word(controllers, "cpuset"))
        return;
    snprintf(mount, sizeof mount, "/sys/fs/cgroup/%s", controllers);
    g = (group){.mount = mount};
    snprintf(g.path, sizeof g.path, "%s", path);
    read_group(out, root, &g);
}

void dho_cgroup_read(dho_cgroup_limits *out, const char *root)
{
    char path[PATH_BYTES], line[LINE_BYTES];
    *out = (dho_cgroup_limits){.memory = INT64_MAX};
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (file == NULL) return;
    while (fgets(line, sizeof line, file) != NULL) read_line(out, root, line);
    fclose(file);
}
