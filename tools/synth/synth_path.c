/* The scene's memory and the building of paths. */
#include "synth/synth_draw.h"

#include "dho/alloc.h"

#include <math.h>

#define PI 3.14159265f
#define SIDE DHO_SYNTH_MAX_SIDE

dho_status dho_synth_scene_create(dho_synth_scene **out)
{
    dho_status status;
    dho_synth_scene *s;
    const size_t pixels = (size_t)SIDE * SIDE;
    *out = NULL;
    DHO_TRY(dho_alloc_zero(&s, 1, sizeof *s, "synthetic scene"));
    DHO_TRY_GOTO(dho_alloc_zero(&s->rgb, pixels * 3, sizeof(float), "synthetic canvas"));
    DHO_TRY_GOTO(
        dho_alloc_zero(&s->coverage, (SIDE + 2) * SIDE, sizeof(float), "synthetic canvas"));
    DHO_TRY_GOTO(dho_alloc_zero(&s->clip, pixels, sizeof(float), "synthetic canvas"));
    DHO_TRY_GOTO(dho_alloc_zero(&s->silhouette, pixels, sizeof(float), "synthetic canvas"));
    DHO_TRY_GOTO(dho_alloc_zero(&s->temporary, pixels * 3, sizeof(float), "synthetic canvas"));
    DHO_TRY_GOTO(dho_alloc_zero(&s->lattice, (size_t)DHO_SYNTH_LATTICE * DHO_SYNTH_LATTICE,
                                sizeof(float), "noise lattice"));
    *out = s;
    return DHO_OK;
fail:
    dho_synth_scene_destroy(&s);
    return status;
}

void dho_synth_scene_destroy(dho_synth_scene **scene)
{
    dho_synth_scene *s = *scene;
    if (s == NULL) return;
    dho_free(s->rgb);
    dho_free(s->coverage);
    dho_free(s->clip);
    dho_free(s->silhouette);
    dho_free(s->temporary);
    dho_free(s->lattice);
    dho_free(s->points);
    dho_free(s->contours);
    dho_free(s);
    *scene = NULL;
}

void dho_synth_set_pose(dho_synth_scene *s, dho_synth_pose pose)
{
    s->pose = pose;
    s->cosine = cosf(pose.rotation);
    s->sine = sinf(pose.rotation);
}

float dho_synth_range(dho_synth_scene *s, float low, float high)
{
    return low + (high - low) * (float)dho_rng_uniform(&s->rng);
}

int dho_synth_integer(dho_synth_scene *s, int low, int high)
{
    return low + (int)dho_rng_below(&s->rng, (uint32_t)(high - low + 1));
}

bool dho_synth_chance(dho_synth_scene *s, float p)
{
    return dho_rng_uniform(&s->rng) < (double)p;
}

/* Object to pixel coordinates: bend, mirror, stretch, perspective, rotate, scale, place. */
static void map_point(const dho_synth_scene *s, float x, float y, float *px, float *py)
{
    const dho_synth_pose *pose = &s->pose;
    const float bend = pose->wobble, f = pose->wobble_frequency, phase = pose->wobble_phase;
    float u = x + bend * sinf(f * y + phase), v = y + bend * sinf(f * x + 1.7f * phase);
    if (pose->mirrored) u = -u;
    u *= pose->stretch;
    const float depth = 1.0f / dho_synth_max(1.0f + pose->tilt_x * u + pose->tilt_y * v, 0.3f);
    u *= depth;
    v *= depth;
    *px = pose->x + pose->scale * (u * s->cosine - v * s->sine);
    *py = pose->y + pose->scale * (u * s->sine + v * s->cosine);
}

static void add_point(dho_synth_scene *s, float x, float y)
{
    if (s->status != DHO_OK) return;
    s->status =
        dho_grow(&s->points, s->point_count, &s->point_capacity, 2 * sizeof(float), "path points");
    if (s->status != DHO_OK) return;
    map_point(s, x, y, &s->points[2 * s->point_count], &s->points[2 * s->point_count + 1]);
    s->point_count++;
    s->pen_x = x;
    s->pen_y = y;
}

void dho_synth_move(dho_synth_scene *s, float x, float y)
{
    if (s->status != DHO_OK) return;
    s->status = dho_grow(&s->contours, s->contour_count, &s->contour_capacity, sizeof *s->contours,
                         "path contours");
    if (s->status != DHO_OK) return;
    s->contours[s->contour_count++] =
        (dho_synth_contour){.first = s->point_count, .hole = s->next_is_hole};
    s->next_is_hole = false;
    add_point(s, x, y);
}

void dho_synth_line(dho_synth_scene *s, float x, float y)
{
    /* In pieces, so that bending and perspective bend and shorten straight lines too. */
    const float x0 = s->pen_x, y0 = s->pen_y;
    const int pieces = 1 + (int)(hypotf(x - x0, y - y0) / 0.3f);
    for (int i = 1; i <= pieces; i++) {
        const float t = (float)i / (float)pieces;
        add_point(s, x0 + (x - x0) * t, y0 + (y - y0) * t);
    }
}

void dho_synth_cubic(dho_synth_scene *s, float x1, float y1, float x2, float y2, float x, float y)
{
    const float x0 = s->pen_x, y0 = s->pen_y;
    const int pieces = 14;
    for (int i = 1; i <= pieces; i++) {
        const float t = (float)i / (float)pieces, r = 1 - t;
        const float a = r * r * r, b = 3 * r * r * t, c = 3 * r * t * t, d = t * t * t;
        add_point(s, a * x0 + b * x1 + c * x2 + d * x, a * y0 + b * y1 + c * y2 + d * y);
    }
}

void dho_synth_arc(dho_synth_scene *s, bool start, float radius, float a, float b)
{
    const float sweep = fabsf(b - a);
    const int pieces = 3 + (int)(sweep * (3.0f + 0.12f * s->pose.scale * radius));
    for (int i = 0; i <= pieces; i++) {
        const float t = a + (b - a) * (float)i / (float)pieces;
        const float x = radius * cosf(t), y = radius * sinf(t);
        if (i > 0) {
            add_point(s, x, y);
        } else if (start) {
            dho_synth_move(s, x, y);
        } else {
            dho_synth_line(s, x, y);
        }
    }
}

void dho_synth_close(dho_synth_scene *s)
{
    if (s->status != DHO_OK || s->contour_count == 0) return;
    s->contours[s->contour_count - 1].closed = true;
}

void dho_synth_hole(dho_synth_scene *s)
{
    s->next_is_hole = true;
}

void dho_synth_ellipse(dho_synth_scene *s, float cx, float cy, float rx, float ry, float turn)
{
    const float c = cosf(turn), d = sinf(turn);
    const int pieces = 10 + (int)(0.5f * s->pose.scale * dho_synth_max(rx, ry));
    for (int i = 0; i < pieces; i++) {
        const float t = 2 * PI * (float)i / (float)pieces;
        const float u = rx * cosf(t), v = ry * sinf(t);
        const float x = cx + u * c - v * d, y = cy + u * d + v * c;
        if (i == 0) {
            dho_synth_move(s, x, y);
        } else {
            add_point(s, x, y);
        }
    }
    dho_synth_close(s);
}

void dho_synth_rectangle(dho_synth_scene *s, float x0, float y0, float x1, float y1)
{
    const float corners[4][2] = {{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}};
    dho_synth_polygon(s, corners, 4);
}

void dho_synth_polygon(dho_synth_scene *s, const float (*corners)[2], int count)
{
    dho_synth_move(s, corners[0][0], corners[0][1]);
    for (int i = 1; i < count; i++) dho_synth_line(s, corners[i][0], corners[i][1]);
    dho_synth_line(s, corners[0][0], corners[0][1]);
    dho_synth_close(s);
}
