/* CLIP models from published files (OpenAI's and open_clip's names, Hugging Face's, timm's image
 * towers): the image tower as a model to be run, the text tower as an encoder of texts.
 *
 * The model's name says what no file does: the activation, the resize, which tower it is. Width,
 * depth, embedding and grid are the file's; where they are not the published ones, rank 0 says so.
 * Embeddings are as the towers give them, not normalised. Local unless said. */
#ifndef DHO_CLIP_H
#define DHO_CLIP_H

#include "dho/comm.h"
#include "dho/compute.h"
#include "dho/config.h"
#include "dho/dataset.h"
#include "dho/head_file.h"
#include "dho/image.h"
#include "dho/student.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* How whole images get the model's size; open_clip's words. */
typedef enum dho_clip_resize {
    DHO_CLIP_RESIZE_OWN, /* as the model was trained */
    DHO_CLIP_RESIZE_SQUASH,
    DHO_CLIP_RESIZE_SHORTEST
} dho_clip_resize;

typedef struct dho_clip_source {
    const char *model;      /* "clip_rn50", "clip_vit_b16", "clip_vit_l14", "clip_vit_l14_336",
                               "clip_vit_h14_378"; or open_clip's name of it ("RN50", "ViT-B-16" ...) */
    const char *path;       /* safetensors, or a PyTorch checkpoint */
    const char *key;        /* see dho_weights_open; NULL: none */
    dho_clip_resize resize; /* of an image tower */
} dho_clip_source;

/* --- images --- */

/* The model's own evaluation transform at its own size, bicubic: the whole image squashed to a
 * square (open_clip's "squash"; DFN5B), or the short side resized and the centre cropped. */
typedef struct dho_clip_image {
    dho_model model; /* owned; its features are the embedding, exposed; CLIP's mean and std */
    bool squash;
    char name[32]; /* of the model, dho's */
} dho_clip_image;

/* Opens an image tower with the head's classifier on it (a cosine head: logits = scale (W f/|f| +
 * bias/scale); scale 100 where the head has none); head NULL: one class of zeros, of no use.
 * *out is owned (dho_clip_image_close). Errors: DHO_ERR_CONFIG (an unknown model, a head of another
 * width), DHO_ERR_FORMAT (a tensor that is missing or of another shape), DHO_ERR_IO,
 * DHO_ERR_MEMORY. */
dho_status dho_clip_image_open(dho_clip_image *out, const dho_clip_source *source,
                               const dho_head_file *head);
void dho_clip_image_close(dho_clip_image *image);
/* The one of a dho_clip_image, whatever the configuration says about students. */
dho_eval_transform dho_clip_transform(const dho_clip_image *image);

/* --- texts --- */

typedef struct dho_clip_text dho_clip_text;

/* merges: see dho_tokenizer_open. compute: borrowed. batch: texts that are run together, >= 1.
 * *out is owned (dho_clip_text_close). Errors: as of images; DHO_ERR_CONFIG when the vocabulary has
 * more tokens than the model. */
dho_status dho_clip_text_open(dho_clip_text **out, const dho_clip_source *source,
                              const char *merges, dho_compute *compute, int batch);
void dho_clip_text_close(dho_clip_text **text);

int dho_clip_text_dim(const dho_clip_text *text); /* channels of the embedding */
/* e^logit_scale of the file; 100 where it has none. */
float dho_clip_text_scale(const dho_clip_text *text);
/* CRC-32 of the tower's numbers. */
uint32_t dho_clip_text_crc(const dho_clip_text *text);

/* Embeddings [count][dim] of texts (UTF-8). *out_cut (may be NULL): the index of the first text
 * that is longer than the model's context and was cut, -1 for none; when NULL that is
 * DHO_ERR_CONFIG naming the text. */
dho_status dho_clip_text_encode(dho_clip_text *text, const char *const *texts, size_t count,
                                float *out, int64_t *out_cut);

/* --- of a whole set, all ranks side by side; *out is rank 0's, owned (NULL elsewhere) --- */

/* Image embeddings [count][dim] in the dataset's order, with the model's evaluation transform.
 * config: compute.*, eval.batch, data.loader_threads, data.prefetch. Collective. */
dho_status dho_clip_embed_images(const dho_config *config, dho_comm *comm,
                                 const dho_clip_image *image, const dho_dataset *dataset,
                                 float **out);
/* Text embeddings [count][dim]; texts too long are cut, the first of them is named in a warning.
 * Collective. */
dho_status dho_clip_embed_texts(dho_comm *comm, dho_clip_text *text, const char *const *texts,
                                size_t count, float **out);

/* --- as a safetensors file "features" [count][dim], not normalised; rank 0 writes it --- */

/* Of the images of the configuration's data set, with "labels" [count]. Collective. */
dho_status dho_clip_embed_dataset(const dho_config *config, dho_comm *comm,
                                  const dho_clip_source *source, const char *path);
/* Of the lines of a text file. merges: see dho_tokenizer_open. config: compute.*. Collective. */
dho_status dho_clip_embed_lines(const dho_config *config, dho_comm *comm,
                                const dho_clip_source *source, const char *merges,
                                const char *texts, const char *path);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
