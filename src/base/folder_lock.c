#define _GNU_SOURCE
#include "base/folder_lock.h"

#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static const double quiet_seconds = 1, longest_seconds = 10;

static dho_status open_lock(const char *folder, int flags, int *out)
{
    char *path;
    *out = -1;
    DHO_TRY(dho_path_join(&path, folder, ".lock"));
    /* Not through a link: it could lead to a file of anyone. */
    *out = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0666);
    dho_free(path);
    return DHO_OK;
}

static bool is_taken(int lock, int *out_error)
{
    *out_error = flock(lock, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    return *out_error == EWOULDBLOCK;
}

static void warn_without_locks(const char *folder, const char *who, int error)
{
    dho_warn(
        "%s: its file system has no locks (%s), and two %ss that write there at once would destroy "
        "each other's files: start one at a time, or mount it with locks (Lustre: -o flock)",
        folder, strerror(error), who);
}

/* true: free now. The moments are counted, not the clock: while a job is suspended, none pass. */
static bool wait_for(int lock, const char *folder, const char *who)
{
    const struct timespec moment = {.tv_nsec = 20 * 1000 * 1000};
    bool said = false;
    int error;
    for (double waited = 0; is_taken(lock, &error); waited += 1e-9 * (double)moment.tv_nsec) {
        if (waited > longest_seconds) return false;
        if (waited > quiet_seconds && !said) {
            dho_info("%s: another %s is writing there; waiting up to %.0f s for its end", folder,
                     who, longest_seconds);
            said = true;
        }
        nanosleep(&moment, NULL);
    }
    if (error != 0) warn_without_locks(folder, who, error);
    return true;
}

dho_status dho_folder_lock(const char *folder, const char *who, bool look, int *out)
{
    DHO_TRY(open_lock(folder, O_RDWR | (look ? 0 : O_CREAT), out));
    if (*out < 0 && look) return DHO_OK;
    if (*out < 0)
        return dho_fail(DHO_ERR_IO, "%s/.lock: cannot create: %s", folder,
                        errno == ELOOP ? "is a link" : strerror(errno));
    if (wait_for(*out, folder, who)) return DHO_OK;
    dho_folder_unlock(out);
    return dho_fail(DHO_ERR_CONFIG, "%s: another %s is writing there", folder, who);
}

void dho_folder_unlock(int *inout)
{
    if (*inout >= 0) close(*inout);
    *inout = -1;
}

dho_lock_state dho_folder_lock_state(const char *folder)
{
    int lock;
    if (open_lock(folder, O_RDONLY, &lock) != DHO_OK) return DHO_LOCK_UNKNOWN;
    if (lock < 0) return errno == ENOENT ? DHO_LOCK_FREE : DHO_LOCK_UNKNOWN;
    const bool got = flock(lock, LOCK_SH | LOCK_NB) == 0;
    const bool held = !got && errno == EWOULDBLOCK;
    dho_folder_unlock(&lock);
    return got ? DHO_LOCK_FREE : held ? DHO_LOCK_HELD : DHO_LOCK_UNKNOWN;
}
