#define _GNU_SOURCE
#include "train/session_log.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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

static json_t *describe(const dho_trainer *trainer, const char *config)
{
    char started[32], cpu[256], libraries[128];
    struct tm utc;
    const time_t now = time(NULL);
    gmtime_r(&now, &utc);
    strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", &utc);
    describe_cpu(cpu, sizeof cpu);
    dho_compute_versions(libraries, sizeof libraries);
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const double gib = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 1073741824;
    return json_pack(
        "{s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:f, s:i, s:i, s:s, s:I, s:I, s:I, s:I, s:s}",
        "started", started, "step", (json_int_t)trainer->step, "version", DHO_VERSION, "libraries",
        libraries, "host", dho_comm_host(trainer->comm), "cpu", cpu, "cores", (json_int_t)cores,
        "memory_gib", gib, "ranks", trainer->ranks, "threads",
        dho_compute_threads(trainer->compute), "backend",
        dho_compute_kernels(trainer->compute)->name, "parameters",
        (json_int_t)trainer->parameter_floats, "images", (json_int_t)trainer->dataset.count,
        "classes", (json_int_t)trainer->dataset.classes, "labelled",
        (json_int_t)trainer->labelled.count, "config", config);
}

dho_status dho_session_log_append(const dho_trainer *trainer, const char *config)
{
    char *path = NULL, *text = NULL;
    FILE *file = NULL;
    dho_status status;
    DHO_TRY(dho_path_join(&path, trainer->config->out, "sessions.jsonl"));
    json_t *line = describe(trainer, config);
    text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(4));
    json_decref(line);
    if (text == NULL) {
        status = dho_fail(DHO_ERR_MEMORY, "%s: cannot format a line", path);
        goto fail;
    }
    DHO_TRY_GOTO(dho_file_append(&file, path));
    if (fprintf(file, "%s\n", text) < 0 || fflush(file) != 0)
        status = dho_fail(DHO_ERR_IO, "%s: cannot write: %s", path, strerror(errno));
fail:
    if (file != NULL) fclose(file);
    free(text); /* Jansson's memory */
    dho_free(path);
    return status;
}
