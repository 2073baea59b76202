#define _GNU_SOURCE
#include "base/mapped_files.h"

#include "base/log_file.h"
#include "base/utf8.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATH_BYTES = 256, WHO_BYTES = 128 };

typedef struct mapped {
    struct mapped *next;
    const uint8_t *data;
    size_t size;
    char path[PATH_BYTES];
} mapped;

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER; /* of the list, but not for the handler */
static mapped *first;
static struct sigaction before;
static char who[WHO_BYTES];
static atomic_flag told = ATOMIC_FLAG_INIT;

static void append(char *line, size_t bytes, const char *text)
{
    const size_t used = strlen(line);
    for (size_t i = 0; used + i + 1 < bytes && text[i] != '\0'; i++) {
        line[used + i] = text[i];
        line[used + i + 1] = '\0';
    }
}

/* Does only what a signal handler may do. */
static void handle(int number, siginfo_t *info, void *context)
{
    const uint8_t *at = info->si_addr;
    char line[PATH_BYTES + WHO_BYTES + 160] = "dho: error: ";
    (void)context;
    const mapped *found = first;
    while (found != NULL && !(at >= found->data && at < found->data + found->size))
        found = found->next;
    if (found == NULL) {
        sigaction(number, &before, NULL); /* comes again when this returns */
        return;
    }
    while (atomic_flag_test_and_set(&told)) pause(); /* another thread ends the process */
    append(line, sizeof line, who);
    append(line, sizeof line, found->path);
    append(line, sizeof line,
           ": cannot be read any more: it was cut while it was in use, or its disk fails\n");
    dho_log_from_handler(line);
    _exit(dho_exit_code(DHO_ERR_IO));
}

void dho_mapped_files_guard(const char *name)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    snprintf(who, sizeof who, "%s", name);
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &before);
}

static dho_status enter(const dho_mapping *mapping, const char *path)
{
    mapped *entry;
    DHO_TRY(dho_alloc(&entry, 1, sizeof *entry, "mapped file"));
    entry->data = mapping->data;
    entry->size = mapping->size;
    dho_utf8_print(path, entry->path, sizeof entry->path);
    pthread_mutex_lock(&guard);
    entry->next = first;
    first = entry;
    pthread_mutex_unlock(&guard);
    return DHO_OK;
}

static void leave(const dho_mapping *mapping)
{
    pthread_mutex_lock(&guard);
    mapped **place = &first;
    while (*place != NULL && (*place)->data != mapping->data) place = &(*place)->next;
    mapped *found = *place;
    if (found != NULL) *place = found->next;
    pthread_mutex_unlock(&guard);
    dho_free(found);
}

dho_status dho_mapping_open(dho_mapping *out, const char *path)
{
    int file;
    uint64_t size;
    *out = (dho_mapping){0};
    DHO_TRY(dho_file_open(&file, path, &size));
    dho_status status = DHO_OK;
    if (size > 0) {
        void *data = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, file, 0);
        if (data == MAP_FAILED)
            status = dho_fail(DHO_ERR_IO, "%s: cannot map: %s", path, strerror(errno));
        else
            *out = (dho_mapping){.data = data, .size = (size_t)size};
    }
    close(file);
    if (out->data != NULL) status = enter(out, path);
    if (status != DHO_OK) dho_mapping_close(out);
    return status;
}

void dho_mapping_close(dho_mapping *mapping)
{
    if (mapping->data != NULL) {
        leave(mapping);
        munmap((void *)(uintptr_t)mapping->data, mapping->size);
    }
    *mapping = (dho_mapping){0};
}
