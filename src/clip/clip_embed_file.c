/* Embeddings of texts or of a data set's images, as a safetensors file. */
#include "dho/alloc.h"
#include "dho/clip.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/run_setup.h"
#include "dho/safetensors.h"

#include <string.h>

enum { MAX_FILE_BYTES = 1 << 28, BATCH = 64 };

/* Before the work. */
static dho_status check_place(const char *path, dho_comm *comm)
{
    return dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? dho_file_check_place(path) : DHO_OK);
}

static dho_status save(const char *path, const char *model, const float *features, int64_t count,
                       int64_t dim, const int64_t *labels)
{
    const char *const metadata[] = {"format", "pt", "model", model, NULL};
    const dho_tensor_view tensors[] = {
        {.name = "features",
         .dtype = DHO_F32,
         .dims = 2,
         .shape = {count, dim},
         .data = features,
         .bytes = (size_t)(count * dim) * sizeof(float)},
        {.name = "labels",
         .dtype = DHO_I64,
         .dims = 1,
         .shape = {count},
         .data = labels,
         .bytes = (size_t)count * sizeof(int64_t)},
    };
    DHO_TRY(dho_safetensors_save(path, tensors, labels != NULL ? 2 : 1, metadata, NULL));
    dho_info("%s: %lld embeddings of %d channels, not normalised", path, (long long)count,
             (int)dim);
    return DHO_OK;
}

/* --- texts --- */

/* The lines of a file, empty ones too; borrowed from `text`, of which line ends become NULs. */
static dho_status split(char *text, size_t bytes, const char *path, const char ***out,
                        size_t *out_count)
{
    size_t lines = 0;
    if (memchr(text, 0, bytes) != NULL)
        return dho_fail(DHO_ERR_FORMAT, "%s: a NUL byte in a text file", path);
    for (size_t i = 0; i < bytes; i++) lines += text[i] == '\n';
    DHO_TRY(dho_alloc(out, lines + 1, sizeof **out, "texts"));
    *out_count = 0;
    for (char *end = text + bytes; text < end;) {
        char *stop = memchr(text, '\n', (size_t)(end - text));
        if (stop == NULL) stop = end;
        *stop = '\0';
        (*out)[(*out_count)++] = text;
        text = stop + 1;
    }
    if (*out_count > 0) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: no text in it", path);
}

static dho_status open_text(const dho_clip_source *source, const char *merges,
                            const dho_config *config, dho_compute **compute, dho_clip_text **out)
{
    DHO_TRY(dho_compute_create(compute, config->compute.backend, config->compute.dtype,
                               dho_setup_threads(config->compute.threads)));
    return dho_clip_text_open(out, source, merges, *compute, BATCH);
}

static dho_status read_texts(const char *path, uint8_t **bytes, const char ***texts, size_t *count)
{
    size_t capacity = 0, size;
    DHO_TRY(dho_file_read_text(path, MAX_FILE_BYTES, bytes, &capacity, &size));
    return split((char *)*bytes, size, path, texts, count);
}

dho_status dho_clip_embed_lines(const dho_config *config, dho_comm *comm,
                                const dho_clip_source *source, const char *merges,
                                const char *texts_path, const char *path)
{
    uint8_t *bytes = NULL;
    const char **texts = NULL;
    size_t count = 0;
    dho_compute *compute = NULL;
    dho_clip_text *text = NULL;
    float *features = NULL;
    dho_status status;
    DHO_TRY_GOTO(check_place(path, comm));
    DHO_TRY_GOTO(
        dho_comm_agree(comm, dho_input_status(read_texts(texts_path, &bytes, &texts, &count))));
    DHO_TRY_GOTO(
        dho_comm_agree(comm, dho_input_status(open_text(source, merges, config, &compute, &text))));
    DHO_TRY_GOTO(dho_clip_embed_texts(comm, text, texts, count, &features));
    if (dho_comm_rank(comm) == 0)
        status = save(path, source->model, features, (int64_t)count, dho_clip_text_dim(text), NULL);
    status = dho_comm_agree(comm, status);
fail:
    dho_free(features);
    dho_clip_text_close(&text);
    dho_compute_destroy(&compute);
    dho_free(texts);
    dho_free(bytes);
    return status;
}

/* --- images --- */

static dho_status save_images(const char *path, const char *model, const dho_dataset *dataset,
                              const float *features, int64_t dim)
{
    int64_t *labels;
    DHO_TRY(dho_alloc(&labels, (size_t)dataset->count, sizeof *labels, "labels"));
    for (int64_t i = 0; i < dataset->count; i++) labels[i] = dataset->samples[i].label;
    const dho_status status = save(path, model, features, dataset->count, dim, labels);
    dho_free(labels);
    return status;
}

static dho_status open_image(const dho_clip_source *source, const dho_config *config,
                             dho_dataset *dataset, dho_clip_image *out)
{
    DHO_TRY(dho_setup_dataset(config, dataset));
    return dho_clip_image_open(out, source, NULL);
}

dho_status dho_clip_embed_dataset(const dho_config *config, dho_comm *comm,
                                  const dho_clip_source *source, const char *path)
{
    dho_dataset dataset = {0};
    dho_clip_image image = {0};
    float *features = NULL;
    dho_status status;
    DHO_TRY_GOTO(check_place(path, comm));
    DHO_TRY_GOTO(
        dho_comm_agree(comm, dho_input_status(open_image(source, config, &dataset, &image))));
    DHO_TRY_GOTO(dho_clip_embed_images(config, comm, &image, &dataset, &features));
    if (dho_comm_rank(comm) == 0)
        status =
            save_images(path, source->model, &dataset, features, image.model.student.feature_dim);
    status = dho_comm_agree(comm, status);
fail:
    dho_free(features);
    dho_clip_image_close(&image);
    dho_dataset_free(&dataset);
    return status;
}
