#define _GNU_SOURCE
#include "train/session_log.h"

#include "dho/session.h"
#include "dho/version.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* "model name" of /proc/cpuinfo where there is one (x86), else the machine's architecture. */
static void describe_cpu(char *out, size_t bytes)
{
    struct utsname system;
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    snprintf(out, bytes, "%s", uname(&system) == 0 ? system.machine : "");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || value == NULL) continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, bytes, "%s", value + 1 + strspn(value + 1, " "));
        break;
    }
    if (file != NULL) fclose(file);
}

dho_status dho_session_log_append(const dho_trainer *trainer, const char *config)
{
    char started[32], cpu[256], libraries[128];
    struct tm utc;
    const time_t now = time(NULL);
    gmtime_r(&now, &utc);
    strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", &utc);
    describe_cpu(cpu, sizeof cpu);
    dho_compute_versions(libraries, sizeof libraries);
    const double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    const dho_session session = {.started = started,
                                 .step = (double)trainer->step,
                                 .total_steps = (double)trainer->length.total_steps,
                                 .version = DHO_VERSION,
                                 .libraries = libraries,
                                 .host = dho_comm_host(trainer->comm),
                                 .cpu = cpu,
                                 .cores = (double)sysconf(_SC_NPROCESSORS_ONLN),
                                 .memory_gib = memory / 1073741824,
                                 .ranks = trainer->ranks,
                                 .threads = dho_compute_threads(trainer->compute),
                                 .backend = dho_compute_kernels(trainer->compute)->name,
                                 .parameters = (double)trainer->parameter_floats,
                                 .images = (double)trainer->dataset.count,
                                 .classes = trainer->dataset.classes,
                                 .labelled = (double)trainer->labelled.count,
                                 .config = config};
    return dho_session_append(&session, trainer->config->out);
}
