/* Makes calls of a program fail, for tests: LD_PRELOAD this library, with
 *
 *   DHO_FAULT="KIND FIRST LAST [PART]"   the calls number FIRST to LAST (counted from 1) fail
 *   DHO_FAULT_RANK=R                     on rank R of MPI only
 *   DHO_FAULT_MARK=FILE                  FILE is made when the first one fails
 *
 * KIND: memory (malloc and its kin, as called by the program, Jansson and libyaml; other libraries
 * cannot bear it), or one of write, fsync, rename, mkdir, create (open for writing), or io: any of
 * these five. They fail with ENOSPC; with PART only those of a path that has this part. Writes to
 * the console, sockets and devices are not counted. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static struct {
    char kind[16], part[256];
    long first, last;
} fault;
static bool on;
static atomic_long calls;
static struct {
    uintptr_t begin, end;
} callers[8]; /* code whose allocations may fail */
static int caller_count;

/* The program itself comes first, without a name. */
static int find_callers(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    if (info->dlpi_name[0] != '\0' && strstr(info->dlpi_name, "jansson") == NULL &&
        strstr(info->dlpi_name, "libyaml") == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum && caller_count < 8; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0) continue;
        callers[caller_count].begin = info->dlpi_addr + part->p_vaddr;
        callers[caller_count].end = callers[caller_count].begin + part->p_memsz;
        caller_count++;
    }
    return 0;
}

__attribute__((constructor)) static void start(void)
{
    const char *text = getenv("DHO_FAULT"), *wanted = getenv("DHO_FAULT_RANK");
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    if (text == NULL ||
        sscanf(text, "%15s %ld %ld %255s", fault.kind, &fault.first, &fault.last, fault.part) < 3)
        return;
    if (wanted != NULL && strcmp(wanted, rank != NULL ? rank : "0") != 0) return;
    dl_iterate_phdr(find_callers, NULL);
    on = true;
}

static void mark(void)
{
    const char *path = getenv("DHO_FAULT_MARK");
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    const int file = path != NULL ? real(path, O_WRONLY | O_CREAT, 0666) : -1;
    if (file >= 0) close(file);
}

static bool due(void)
{
    const long n = atomic_fetch_add(&calls, 1) + 1;
    if (n == fault.first) mark();
    return n >= fault.first && n <= fault.last;
}

static bool fails(const char *kind, const char *path)
{
    if (!on || (strcmp(fault.kind, kind) != 0 && strcmp(fault.kind, "io") != 0)) return false;
    if (path == NULL || strstr(path, fault.part) == NULL || !due()) return false;
    errno = ENOSPC;
    return true;
}

/* Of a regular file or a folder only. */
static bool fails_at(const char *kind, int descriptor)
{
    char link[64], path[PATH_MAX];
    struct stat info;
    if (!on || fstat(descriptor, &info) != 0 || !(S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)))
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    return fails(kind, path);
}

static bool fails_for(const void *caller)
{
    if (!on || strcmp(fault.kind, "memory") != 0) return false;
    for (int i = 0; i < caller_count; i++)
        if ((uintptr_t)caller >= callers[i].begin && (uintptr_t)caller < callers[i].end) {
            if (!due()) return false;
            errno = ENOMEM;
            return true;
        }
    return false;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define CALLER __builtin_return_address(0)

void *malloc(size_t bytes)
{
    return fails_for(CALLER) ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return fails_for(CALLER) ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
    return fails_for(CALLER) ? NULL : __libc_realloc(block, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return fails_for(CALLER) ? NULL : __libc_memalign(alignment, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    *out = fails_for(CALLER) ? NULL : __libc_memalign(alignment, bytes);
    return *out != NULL ? 0 : ENOMEM;
}

ssize_t write(int descriptor, const void *data, size_t bytes)
{
    return fails_at("write", descriptor) ? -1 : REAL(write)(descriptor, data, bytes);
}

int fsync(int descriptor)
{
    return fails_at("fsync", descriptor) ? -1 : REAL(fsync)(descriptor);
}

int fdatasync(int descriptor)
{
    return fails_at("fsync", descriptor) ? -1 : REAL(fdatasync)(descriptor);
}

int rename(const char *from, const char *to)
{
    return fails("rename", from) ? -1 : REAL(rename)(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    return fails("mkdir", path) ? -1 : REAL(mkdir)(path, mode);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    const bool writes = (flags & O_CREAT) != 0 && strncmp(path, "/dev/", 5) != 0;
    return writes && fails("create", path) ? -1 : REAL(open)(path, flags, mode);
}
