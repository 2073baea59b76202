#define _GNU_SOURCE /* sched_getaffinity */

/* The data set's folder: what is there already, the parallel writing, the manifest. */
#include "synth/synth.h"

#include "base/thread.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"
#include "image/image_codec.h"
#include "synth/synth_classes.h"
#include "synth/synth_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Raise when the same options give other images. */
#define VERSION 1
#define MANIFEST "synth.json"
#define MARKER ".synth-incomplete"
#define MAX_THREADS 256

int dho_synth_class_count(void)
{
    return DHO_SYNTH_CLASSES;
}

static int images_per_class(const dho_synth_options *options, int split)
{
    if (split == 0) return options->train_per_class;
    return split == 1 ? options->val_per_class : options->test_per_class;
}

static bool class_in_split(int class_index, int split)
{
    return !dho_synth_splits[split].some_classes || dho_synth_classes[class_index].in_test_a;
}

/* --- the manifest
 * -------------------------------------------------------------------------------*/

/* Names of all classes, or of test_a's, as a JSON list. */
static void list_names(char *out, size_t bytes, bool some)
{
    size_t used = 0;
    for (int c = 0; c < DHO_SYNTH_CLASSES; c++) {
        if (some && !dho_synth_classes[c].in_test_a) continue;
        const int put = snprintf(out + used, bytes - used, "%s\"%s\"", used == 0 ? "" : ", ",
                                 dho_synth_classes[c].name);
        used += (size_t)put;
    }
}

/* The whole manifest: equal text means equal images. */
static dho_status write_manifest_text(char **out, const dho_synth_options *o)
{
    char all[DHO_SYNTH_CLASSES * 24] = "", some[DHO_SYNTH_CLASSES * 24] = "";
    list_names(all, sizeof all, false);
    list_names(some, sizeof some, true);
    return dho_asprintf(out,
                        "{\n  \"format\": \"dho-synth\",\n  \"version\": %d,\n"
                        "  \"seed\": %" PRIu64 ",\n  \"train_per_class\": %d,\n"
                        "  \"val_per_class\": %d,\n  \"test_per_class\": %d,\n"
                        "  \"classes\": [%s],\n  \"test_a_classes\": [%s]\n}\n",
                        VERSION, o->seed, o->train_per_class, o->val_per_class, o->test_per_class,
                        all, some);
}

/* --- the folder --------------------------------------------------------------------------------
 */

static bool is_split_folder(const char *name)
{
    for (int i = 0; i < DHO_SYNTH_SPLITS; i++) {
        if (strcmp(name, dho_synth_splits[i].folder) == 0) return true;
    }
    return false;
}

/* Removes what an interrupted run left: the folders of the splits, and nothing else. */
static dho_status remove_partial(const char *out)
{
    dho_status status = DHO_OK;
    for (int i = 0; i < DHO_SYNTH_SPLITS && status == DHO_OK; i++) {
        char *path;
        DHO_TRY(dho_path_join(&path, out, dho_synth_splits[i].folder));
        status = dho_remove_tree(path);
        dho_free(path);
    }
    return status;
}

static dho_status compare_manifest(const char *path, const char *manifest, const char *out)
{
    dho_status status;
    uint8_t *text = NULL;
    size_t capacity = 0, size;
    DHO_TRY_GOTO(dho_file_read(path, 1 << 20, &text, &capacity, &size));
    if (size != strlen(manifest) || memcmp(text, manifest, size) != 0) {
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s: holds a synthetic set made with other options (see %s): remove it "
                          "or name another folder",
                          out, path);
    }
fail:
    dho_free(text);
    return status;
}

/* Decides what to do with the folder. *out_done: the very set is there. */
static dho_status inspect(const char *out, const char *manifest_path, const char *marker_path,
                          const char *manifest, bool *out_done)
{
    dho_status status = DHO_OK;
    dho_name_list names = {0};
    *out_done = false;
    if (!dho_path_exists(out)) return DHO_OK;
    if (!dho_path_is_folder(out)) return dho_fail(DHO_ERR_CONFIG, "%s: is not a folder", out);
    if (dho_path_exists(manifest_path)) {
        DHO_TRY(compare_manifest(manifest_path, manifest, out));
        unlink(marker_path); /* there if the last run was cut short after its very last write */
        dho_info("%s: this synthetic set is there already", out);
        *out_done = true;
        return DHO_OK;
    }
    const bool partial = dho_path_exists(marker_path);
    DHO_TRY_GOTO(dho_list_folder(&names, out));
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.names[i];
        const bool ours = is_split_folder(name) || strncmp(name, MARKER, strlen(MARKER)) == 0 ||
                          strncmp(name, MANIFEST, strlen(MANIFEST)) == 0;
        if (partial && ours) continue;
        status =
            dho_fail(DHO_ERR_CONFIG,
                     "%s: holds something else (\"%s\"): name a new or empty folder", out, name);
        goto fail;
    }
    if (partial) {
        dho_info("%s: removing what an interrupted run left", out);
        DHO_TRY_GOTO(remove_partial(out));
    }
fail:
    dho_name_list_free(&names);
    return status;
}

static dho_status make_class_folders(const char *out)
{
    for (int i = 0; i < DHO_SYNTH_SPLITS; i++) {
        for (int c = 0; c < DHO_SYNTH_CLASSES; c++) {
            if (!class_in_split(c, i)) continue;
            char *path;
            DHO_TRY(dho_asprintf(&path, "%s/%s/%s", out, dho_synth_splits[i].folder,
                                 dho_synth_classes[c].name));
            const dho_status status = dho_make_folders(path);
            dho_free(path);
            DHO_TRY(status);
        }
    }
    return DHO_OK;
}

/* --- the images --------------------------------------------------------------------------------
 */

typedef struct work {
    const dho_synth_options *options;
    atomic_llong next; /* the next image, over all splits */
    int64_t total;
    atomic_bool stop;
    pthread_mutex_t lock; /* guards what follows */
    dho_status status;    /* of the first thread that failed */
    char message[1024];
} work;

static int64_t split_size(const dho_synth_options *options, int split)
{
    int64_t classes = 0;
    for (int c = 0; c < DHO_SYNTH_CLASSES; c++) classes += class_in_split(c, split);
    return classes * images_per_class(options, split);
}

/* Which image has a number: images go by split, then index, then class, so that an interrupted
 * look into the folder sees all classes grow alike. */
static void locate(const dho_synth_options *options, int64_t number, int *split, int *class_index,
                   int *index)
{
    int which = 0, members[DHO_SYNTH_CLASSES], count = 0;
    while (number >= split_size(options, which)) number -= split_size(options, which++);
    for (int c = 0; c < DHO_SYNTH_CLASSES; c++) {
        if (class_in_split(c, which)) members[count++] = c;
    }
    *split = which;
    *class_index = members[number % count];
    *index = (int)(number / count);
}

/* Without fsync: the manifest, not the single file, says what is complete; 10,000 fsyncs take
 * longer than the drawing. */
static dho_status write_bytes(const char *path, const uint8_t *bytes, size_t size)
{
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) return dho_fail(DHO_ERR_IO, "%s: cannot create: %s", path, strerror(errno));
    size_t done = 0;
    while (done < size) {
        const ssize_t put = write(file, bytes + done, size - done);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) {
            const int reason = errno;
            close(file);
            return dho_fail(DHO_ERR_IO, "%s: cannot write: %s", path, strerror(reason));
        }
        done += (size_t)put;
    }
    if (close(file) != 0)
        return dho_fail(DHO_ERR_IO, "%s: cannot close: %s", path, strerror(errno));
    return DHO_OK;
}

static dho_status write_images(work *w)
{
    dho_status status;
    dho_synth_scene *scene = NULL;
    dho_image image = {0};
    uint8_t *bytes = NULL;
    size_t capacity = 0, size = 0;
    char *path = NULL;
    const dho_synth_options *o = w->options;
    DHO_TRY_GOTO(dho_synth_scene_create(&scene));
    while (!atomic_load(&w->stop)) {
        const int64_t number = atomic_fetch_add(&w->next, 1);
        if (number >= w->total) break;
        int split, c, index, quality;
        locate(o, number, &split, &c, &index);
        DHO_TRY_GOTO(dho_asprintf(&path, "%s/%s/%s/%s_%05d.jpg", o->out,
                                  dho_synth_splits[split].folder, dho_synth_classes[c].name,
                                  dho_synth_classes[c].name, index));
        DHO_TRY_GOTO(dho_synth_render(scene, o->seed, split, c, index, &image, &quality));
        DHO_TRY_GOTO(dho_jpeg_encode(&image, quality, path, &bytes, &capacity, &size));
        DHO_TRY_GOTO(write_bytes(path, bytes, size));
        dho_free(path);
        path = NULL;
    }
fail:
    dho_free(path);
    dho_free(bytes);
    dho_free(image.pixels);
    dho_synth_scene_destroy(&scene);
    return status;
}

static void *worker(void *argument)
{
    work *w = argument;
    const dho_status status = write_images(w);
    if (status != DHO_OK) {
        atomic_store(&w->stop, true);
        pthread_mutex_lock(&w->lock);
        if (w->status == DHO_OK) {
            w->status = status;
            snprintf(w->message, sizeof w->message, "%s", dho_error_message());
        }
        pthread_mutex_unlock(&w->lock);
    }
    return NULL;
}

static int default_threads(void)
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
    const int count = CPU_COUNT(&cores);
    return count > MAX_THREADS ? MAX_THREADS : count;
}

static dho_status write_in_parallel(const dho_synth_options *options)
{
    work w = {.options = options, .status = DHO_OK};
    pthread_t threads[MAX_THREADS];
    int started = 0;
    const int wanted = options->threads > 0 ? options->threads : default_threads();
    for (int i = 0; i < DHO_SYNTH_SPLITS; i++) w.total += split_size(options, i);
    pthread_mutex_init(&w.lock, NULL);
    /* The caller is one of the threads; if no other can be started it does all the work. */
    while (started < wanted - 1 && dho_thread_start(&threads[started], worker, &w) == 0)
        started++;
    worker(&w);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&w.lock);
    if (w.status != DHO_OK) return dho_fail(w.status, "%s", w.message);
    return DHO_OK;
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static dho_status check_options(const dho_synth_options *o)
{
    const struct {
        const char *name;
        int value;
    } counts[3] = {{"train_per_class", o->train_per_class},
                   {"val_per_class", o->val_per_class},
                   {"test_per_class", o->test_per_class}};
    if (o->out == NULL || o->out[0] == '\0')
        return dho_fail(DHO_ERR_CONFIG, "synth: no output folder given");
    for (int i = 0; i < 3; i++) {
        if (counts[i].value < 1 || counts[i].value > DHO_SYNTH_MAX_PER_CLASS)
            return dho_fail(DHO_ERR_CONFIG, "synth: %s: expected 1 .. %d, got %d", counts[i].name,
                            DHO_SYNTH_MAX_PER_CLASS, counts[i].value);
    }
    if (o->threads < 0 || o->threads > MAX_THREADS)
        return dho_fail(DHO_ERR_CONFIG, "synth: threads: expected 0 .. %d, got %d", MAX_THREADS,
                        o->threads);
    return DHO_OK;
}

/* The images go to the disk before the manifest that vouches for them. */
static dho_status sync_images(const char *out)
{
    const int folder = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return dho_fail(DHO_ERR_IO, "%s: cannot open: %s", out, strerror(errno));
    const int synced = syncfs(folder);
    const int reason = errno;
    close(folder);
    if (synced != 0) return dho_fail(DHO_ERR_IO, "%s: cannot sync: %s", out, strerror(reason));
    return DHO_OK;
}

dho_status dho_synth_write(const dho_synth_options *options)
{
    dho_status status;
    char *manifest = NULL, *manifest_path = NULL, *marker_path = NULL;
    bool done;
    DHO_TRY(check_options(options));
    DHO_TRY_GOTO(write_manifest_text(&manifest, options));
    DHO_TRY_GOTO(dho_path_join(&manifest_path, options->out, MANIFEST));
    DHO_TRY_GOTO(dho_path_join(&marker_path, options->out, MARKER));
    DHO_TRY_GOTO(inspect(options->out, manifest_path, marker_path, manifest, &done));
    if (done) goto fail;
    DHO_TRY_GOTO(dho_make_folders(options->out));
    DHO_TRY_GOTO(dho_file_write_text(marker_path, manifest));
    DHO_TRY_GOTO(make_class_folders(options->out));
    DHO_TRY_GOTO(write_in_parallel(options));
    DHO_TRY_GOTO(sync_images(options->out));
    DHO_TRY_GOTO(dho_file_write_text(manifest_path, manifest));
    if (unlink(marker_path) != 0)
        status = dho_fail(DHO_ERR_IO, "%s: cannot remove: %s", marker_path, strerror(errno));
fail:
    dho_free(manifest);
    dho_free(manifest_path);
    dho_free(marker_path);
    return status;
}
