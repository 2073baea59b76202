/* A whole synthetic picture: background, clutter, the object, the camera. Private to
 * tools/synth. */
#ifndef DHO_SYNTH_SYNTH_SCENE_H
#define DHO_SYNTH_SYNTH_SCENE_H

#include "dho/image.h"
#include "synth/synth_draw.h"

typedef enum dho_synth_look {
    DHO_SYNTH_PHOTO,
    DHO_SYNTH_RENDITION,
    DHO_SYNTH_SKETCH
} dho_synth_look;

/* How a split is sampled. The order of the splits is part of the results: append only. */
typedef struct dho_synth_split {
    const char *folder;
    dho_synth_look look;
    bool some_classes;  /* only those of test_a */
    float size[2];      /* object radius over the image's short side */
    float off_centre;   /* 0: in the middle; 1: anywhere it fits */
    float turn;         /* of the class's own largest turn */
    float any_turn;     /* probability of any rotation, whatever the class */
    float tilt;         /* strongest perspective */
    int clutter[2];     /* shapes around and beneath the object */
    float clutter_size; /* largest radius of those over the image's short side */
    float hidden;       /* probability that something covers a part of the object */
    float cover;        /* radius of that over the object's */
    float contrast;     /* smallest distance of the object's colour from the background's */
    float noise;        /* largest standard deviation, of 1 */
    int blur;           /* most passes of a 1-2-1 filter */
    float light;        /* strength of shading, exposure and colour cast, 1 = strong */
    float natural;      /* probability of the colours one expects of the class, and of its place */
    float plain;        /* probability that the object has no pattern of its own */
} dho_synth_split;

#define DHO_SYNTH_SPLITS 6
extern const dho_synth_split dho_synth_splits[DHO_SYNTH_SPLITS];

/* Draws image `index` of a class; deterministic from (seed, split, class, index). out's buffer is
 * reused. *out_quality: the JPEG quality to write it with. Errors: DHO_ERR_MEMORY. */
dho_status dho_synth_render(dho_synth_scene *s, uint64_t seed, int split, int class_index,
                            int index, dho_image *out, int *out_quality);

/* The steps, in synth_backdrop.c and synth_camera.c. */
dho_synth_colour dho_synth_any_colour(dho_synth_scene *s);
float dho_synth_distance(dho_synth_colour a, dho_synth_colour b);
void dho_synth_backdrop(dho_synth_scene *s, dho_synth_colour first, dho_synth_colour second);
void dho_synth_clutter(dho_synth_scene *s, float x, float y, float radius);
/* Darkens the canvas under s->silhouette, blurred and displaced. */
void dho_synth_cast_shadow(dho_synth_scene *s);
void dho_synth_blur(float *pixels, float *temporary, int width, int height, int channels);
void dho_synth_poster(dho_synth_scene *s, int levels);
void dho_synth_recolour(dho_synth_scene *s);
void dho_synth_pixelate(dho_synth_scene *s, int block);
void dho_synth_expose(dho_synth_scene *s, float strength);
void dho_synth_develop(dho_synth_scene *s, float noise, dho_image *out);

#endif
