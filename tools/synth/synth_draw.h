/* 2-D drawing for the synthetic data set: a canvas, paths in object coordinates, anti-aliased
 * fills and strokes, paints. Private to tools/synth.
 *
 * Object coordinates: the object spans about [-1, 1] in both, y points down. The scene's pose maps
 * them to pixels when a point is added to the path. */
#ifndef DHO_SYNTH_SYNTH_DRAW_H
#define DHO_SYNTH_SYNTH_DRAW_H

#include "dho/rng.h"
#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>

#define DHO_SYNTH_MAX_SIDE 320
#define DHO_SYNTH_LATTICE 64

/* Without fminf's and fmaxf's care for NaN, which makes them calls. */
static inline float dho_synth_min(float a, float b)
{
    return a < b ? a : b;
}

static inline float dho_synth_max(float a, float b)
{
    return a > b ? a : b;
}

typedef struct dho_synth_colour {
    float r, g, b; /* 0 .. 1, display values */
} dho_synth_colour;

typedef struct dho_synth_pose {
    float x, y;                                   /* centre, pixels */
    float scale;                                  /* pixels per object unit */
    float stretch;                                /* width over height, 1 = none */
    float rotation;                               /* radians */
    float tilt_x, tilt_y;                         /* perspective, 0 = none, |tilt| < 0.4 */
    float wobble, wobble_frequency, wobble_phase; /* sinusoidal bend, object units */
    bool mirrored;
} dho_synth_pose;

typedef enum dho_synth_pattern {
    DHO_SYNTH_PLAIN,
    DHO_SYNTH_LINEAR,
    DHO_SYNTH_RADIAL,
    DHO_SYNTH_STRIPES,
    DHO_SYNTH_SPOTS,
    DHO_SYNTH_MARBLE,
    DHO_SYNTH_PATTERNS
} dho_synth_pattern;

typedef struct dho_synth_paint {
    dho_synth_colour first, second; /* second: of the pattern; unused when plain */
    dho_synth_pattern pattern;
    float frequency, angle; /* cycles per object unit, radians */
    float alpha;
} dho_synth_paint;

/* How everything is rendered. */
typedef struct dho_synth_style {
    bool flat;            /* no light, no material, no grain */
    bool sketch;          /* fills become tinted paper, only outlines count */
    float outline;        /* width of the line round every fill, pixels; 0: none */
    dho_synth_colour ink; /* of that line */
    dho_synth_colour paper;
    float tone;       /* sketch: how dark a black fill becomes, 0 .. 1 */
    float fill_alpha; /* opacity of all fills */
    float tremor;     /* the hand's, pixels */
    int passes;       /* outlines are drawn so often, each with its own tremor */
} dho_synth_style;

typedef struct dho_synth_contour {
    size_t first; /* index of its first point */
    bool closed, hole;
} dho_synth_contour;

/* Palette roles. */
enum { DHO_SYNTH_MAIN, DHO_SYNTH_SECOND, DHO_SYNTH_ACCENT, DHO_SYNTH_DARK, DHO_SYNTH_ROLES };

/* One thread's canvas and the state of the image being drawn. */
typedef struct dho_synth_scene {
    int width, height;
    float *rgb;        /* owned [height][width][3] */
    float *coverage;   /* owned [height][width + 2], zero between calls */
    float *clip;       /* owned [height][width] */
    float *silhouette; /* owned [height][width] */
    float *temporary;  /* owned [height][width][3] */
    float *lattice;    /* owned [64][64]: values of the noise function */
    float *points;     /* owned [point_capacity][2], pixels */
    size_t point_count, point_capacity;
    dho_synth_contour *contours; /* owned */
    size_t contour_count, contour_capacity;
    bool clipped;      /* fills are limited to `clip` */
    bool silhouetting; /* fills go to `silhouette` instead of `rgb` */
    bool next_is_hole;
    float pen_x, pen_y; /* the path's last point, object coordinates */
    float cosine, sine; /* of pose.rotation */
    dho_synth_pose pose;
    dho_synth_style style;
    dho_synth_colour palette[DHO_SYNTH_ROLES];
    dho_synth_paint material; /* of the role MAIN; its first colour is palette[MAIN] */
    float light_x, light_y;   /* brightness slope, per object radius */
    float grain;              /* amplitude of the surface noise */
    dho_rng rng;
    dho_status status; /* the first failure; drawing goes on without effect */
} dho_synth_scene;

dho_status dho_synth_scene_create(dho_synth_scene **out);
void dho_synth_scene_destroy(dho_synth_scene **scene);

void dho_synth_set_pose(dho_synth_scene *s, dho_synth_pose pose);

/* Uniform in [low, high); integer in [low, high]; true with probability p. */
float dho_synth_range(dho_synth_scene *s, float low, float high);
int dho_synth_integer(dho_synth_scene *s, int low, int high);
bool dho_synth_chance(dho_synth_scene *s, float p);

/* Path building. move starts an open contour; hole marks the next contour as one. */
void dho_synth_move(dho_synth_scene *s, float x, float y);
void dho_synth_line(dho_synth_scene *s, float x, float y);
void dho_synth_cubic(dho_synth_scene *s, float x1, float y1, float x2, float y2, float x, float y);
/* Arc around the origin from angle a to b (radians, clockwise on screen when b > a), joined by a
 * line to the pen, or starting a contour when `start`. */
void dho_synth_arc(dho_synth_scene *s, bool start, float radius, float a, float b);
void dho_synth_close(dho_synth_scene *s);
void dho_synth_hole(dho_synth_scene *s);
void dho_synth_ellipse(dho_synth_scene *s, float cx, float cy, float rx, float ry, float turn);
void dho_synth_rectangle(dho_synth_scene *s, float x0, float y0, float x1, float y1);
void dho_synth_polygon(dho_synth_scene *s, const float (*corners)[2], int count);

/* The paint of a palette role, and one of a single colour. */
dho_synth_paint dho_synth_role(const dho_synth_scene *s, int role);
dho_synth_paint dho_synth_plain(dho_synth_colour colour, float alpha);

/* Fill (union of the contours, less the holes) and stroke; both end the path. */
void dho_synth_fill(dho_synth_scene *s, dho_synth_paint paint);
void dho_synth_stroke(dho_synth_scene *s, float width, dho_synth_paint paint);
/* Ends the path: everything drawn until dho_synth_unclip is limited to its inside. */
void dho_synth_clip(dho_synth_scene *s);
void dho_synth_unclip(dho_synth_scene *s);

/* Smooth noise in 0 .. 1 at (x, y), one feature per unit; octaves of it, each finer and weaker. */
float dho_synth_noise(const dho_synth_scene *s, float x, float y);
float dho_synth_octaves(const dho_synth_scene *s, float x, float y, int octaves);

dho_synth_colour dho_synth_mix(dho_synth_colour a, dho_synth_colour b, float t);
dho_synth_colour dho_synth_hsv(float hue, float saturation, float value);
float dho_synth_luma(dho_synth_colour c);

#endif
