#define _GNU_SOURCE
#include "base/machine.h"

#include "base/cgroup.h"
#include "dho/file.h"

#include <inttypes.h>
#include <omp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, MOST_FILES = 65536 };

static void allow(dho_machine *machine, int cpu)
{
    if (cpu >= 0 && cpu < DHO_MACHINE_CPUS)
        machine->cpus[cpu / 64] |= (uint64_t)1 << cpu % 64;
}

/* OMP_PROC_BIND has bound the calling thread to one of the places, which are all the process's. */
static void allow_places(dho_machine *machine)
{
    for (int place = 0; place < omp_get_num_places(); place++) {
        int ids[DHO_MACHINE_CPUS];
        const int count = omp_get_place_num_procs(place);
        if (count > DHO_MACHINE_CPUS) continue;
        omp_get_place_proc_ids(place, ids);
        for (int i = 0; i < count; i++) allow(machine, ids[i]);
    }
}

void dho_machine_look_at_cpus(dho_machine *machine)
{
    memset(machine, 0, sizeof *machine);
    cpu_set_t set[DHO_MACHINE_CPUS / CPU_SETSIZE];
    memset(set, 0, sizeof set);
    if (sched_getaffinity(0, sizeof set, set) == 0)
        for (int cpu = 0; cpu < DHO_MACHINE_CPUS; cpu++)
            if (CPU_ISSET_S((size_t)cpu, sizeof set, set)) allow(machine, cpu);
    allow_places(machine);
    if (dho_machine_count_cpus(machine->cpus) > 0) return;
    for (int cpu = 0; cpu < (int)sysconf(_SC_NPROCESSORS_ONLN); cpu++) allow(machine, cpu);
}

/* One number of this boot of the kernel, and of the host where that is not known. */
static uint64_t look_at_boot(const char *root)
{
    char path[PATH_BYTES], id[256] = "";
    snprintf(path, sizeof path, "%s/proc/sys/kernel/random/boot_id", root);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(id, sizeof id, file) == NULL) id[0] = '\0';
        fclose(file);
    }
    if (id[0] == '\0') (void)gethostname(id, sizeof id - 1);
    return dho_crc32(0, id, strlen(id));
}

void dho_machine_look(dho_machine *out, const char *root)
{
    dho_cgroup_limits limits;
    dho_machine_look_at_cpus(out);
    dho_cgroup_read(&limits, root);
    out->quota = limits.cpus;
    out->pool = look_at_boot(root) ^ limits.id << 24;
}

int dho_machine_count_cpus(const uint64_t cpus[DHO_MACHINE_MASK_WORDS])
{
    int count = 0;
    for (int i = 0; i < DHO_MACHINE_MASK_WORDS; i++) count += __builtin_popcountll(cpus[i]);
    return count;
}

int64_t dho_machine_memory(const char *root)
{
    char path[PATH_BYTES], key[64];
    int64_t kib, available = -1, swap = 0;
    dho_cgroup_limits limits;
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        while (fscanf(file, "%63s %" SCNd64 "%*[^\n]", key, &kib) == 2) {
            if (strcmp(key, "MemAvailable:") == 0) available = kib * 1024;
            if (strcmp(key, "SwapFree:") == 0) swap = kib * 1024;
        }
        fclose(file);
    }
    dho_cgroup_read(&limits, root);
    const int64_t machine = available < 0 ? INT64_MAX : available + swap;
    return machine < limits.memory ? machine : limits.memory;
}

int64_t dho_machine_disk(const char *path)
{
    struct statvfs space;
    int64_t bytes;
    if (statvfs(path, &space) != 0 || space.f_blocks == 0) return INT64_MAX;
    return __builtin_mul_overflow(space.f_bavail, space.f_frsize, &bytes) ? INT64_MAX : bytes;
}

void dho_machine_prepare_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < MOST_FILES &&
        limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < MOST_FILES ? limit.rlim_max : MOST_FILES;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    signal(SIGXFSZ, SIG_IGN);
}
