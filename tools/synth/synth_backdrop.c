/* What is behind, around and in front of the object. */
#include "synth/synth_scene.h"

#include <math.h>

#define PI 3.14159265f

dho_synth_colour dho_synth_any_colour(dho_synth_scene *s)
{
    const float hue = dho_synth_range(s, 0, 1), saturation = dho_synth_range(s, 0.05f, 0.95f);
    return dho_synth_hsv(hue, saturation, dho_synth_range(s, 0.15f, 1));
}

float dho_synth_distance(dho_synth_colour a, dho_synth_colour b)
{
    const float r = a.r - b.r, g = a.g - b.g, u = a.b - b.b;
    return sqrtf(0.3f * r * r + 0.5f * g * g + 0.2f * u * u);
}

typedef enum backdrop { GRADIENT, HORIZON, CLOUDS, PLANKS, GLOWS, BACKDROPS } backdrop;

typedef struct backdrop_plan {
    backdrop kind;
    float scale, horizon, frequency, grain;
    float cosine, sine; /* of the gradient's or the planks' direction */
    float glows[4][3];  /* x, y, radius: of the short side */
} backdrop_plan;

/* Where between the two colours the backdrop is at a pixel, 0 .. 1. */
static float backdrop_place(const dho_synth_scene *s, const backdrop_plan *plan, float x, float y)
{
    const float u = x / plan->scale, v = y / plan->scale;
    switch (plan->kind) {
    case GRADIENT:
        return 0.5f + 0.5f * ((u - 0.5f) * plan->cosine + (v - 0.5f) * plan->sine);
    case HORIZON: {
        const float edge = plan->horizon + 0.06f * (dho_synth_noise(s, 5 * u, 3) - 0.5f);
        if (v < edge) return 0.35f * v / dho_synth_max(edge, 0.1f);
        return 0.7f + 0.5f * (dho_synth_octaves(s, 9 * u, 24 * v, 2) - 0.4f);
    }
    case CLOUDS:
        return 2.2f * (dho_synth_octaves(s, plan->frequency * u, plan->frequency * v, 4) - 0.28f);
    case PLANKS: {
        const float across = (u * plan->cosine + v * plan->sine) * plan->frequency;
        const float along = (v * plan->cosine - u * plan->sine) * plan->frequency;
        const float board = floorf(across), inside = across - board;
        const float gap = inside < 0.04f ? 0.5f : 0;
        return gap + 0.35f * dho_synth_noise(s, board * 7.3f, 0.5f) +
               0.4f * dho_synth_octaves(s, across * 6, along * 0.7f, 2);
    }
    default: {
        float sum = 0;
        for (int i = 0; i < 4; i++) {
            const float dx = u - plan->glows[i][0], dy = v - plan->glows[i][1];
            const float r = plan->glows[i][2];
            sum += dho_synth_max(0, 1 - (dx * dx + dy * dy) / (r * r));
        }
        return 0.9f * sum;
    }
    }
}

void dho_synth_backdrop(dho_synth_scene *s, dho_synth_colour first, dho_synth_colour second)
{
    const bool flat = s->style.flat;
    const int side = s->width < s->height ? s->width : s->height;
    const float angle = dho_synth_range(s, 0, 2 * PI);
    backdrop_plan plan = {.kind = (backdrop)dho_synth_integer(s, 0, BACKDROPS - 1),
                          .cosine = cosf(angle),
                          .sine = sinf(angle),
                          .scale = (float)side,
                          .horizon = dho_synth_range(s, 0.3f, 0.75f),
                          .frequency = dho_synth_range(s, 1.5f, 7),
                          .grain = flat ? 0 : s->grain * dho_synth_range(s, 0, 1.5f)};
    for (int i = 0; i < 4; i++) {
        plan.glows[i][0] = dho_synth_range(s, 0, 1.2f);
        plan.glows[i][1] = dho_synth_range(s, 0, 1.2f);
        plan.glows[i][2] = dho_synth_range(s, 0.15f, 0.6f);
    }
    for (int y = 0; y < s->height; y++) {
        float *row = s->rgb + (size_t)y * (size_t)s->width * 3;
        for (int x = 0; x < s->width; x++) {
            float t = backdrop_place(s, &plan, (float)x, (float)y);
            if (flat) t = t < 0.5f ? 0 : 1; /* two flat areas */
            dho_synth_colour colour =
                dho_synth_mix(first, second, dho_synth_min(dho_synth_max(t, 0), 1));
            const float grain =
                plan.grain > 0
                    ? 1 + plan.grain *
                              (dho_synth_noise(s, (float)x * 0.43f, (float)y * 0.43f) - 0.5f)
                    : 1;
            row[3 * x] = colour.r * grain;
            row[3 * x + 1] = colour.g * grain;
            row[3 * x + 2] = colour.b * grain;
        }
    }
}

static void irregular(dho_synth_scene *s, int corners)
{
    const float start = dho_synth_range(s, 0, 2 * PI);
    for (int i = 0; i < corners; i++) {
        const float a = start + 2 * PI * ((float)i + dho_synth_range(s, 0, 0.7f)) / (float)corners;
        const float r = dho_synth_range(s, 0.5f, 1.1f);
        if (i == 0) {
            dho_synth_move(s, r * cosf(a), r * sinf(a));
        } else {
            dho_synth_line(s, r * cosf(a), r * sinf(a));
        }
    }
    dho_synth_close(s);
}

void dho_synth_clutter(dho_synth_scene *s, float x, float y, float radius)
{
    const dho_synth_pose pose = {.x = x,
                                 .y = y,
                                 .scale = radius,
                                 .stretch = dho_synth_range(s, 0.7f, 1.4f),
                                 .rotation = dho_synth_range(s, 0, 2 * PI)};
    dho_synth_set_pose(s, pose);
    dho_synth_paint paint = dho_synth_plain(dho_synth_any_colour(s), 1);
    paint.second = dho_synth_mix(paint.first, dho_synth_any_colour(s), 0.4f);
    paint.pattern = (dho_synth_pattern)dho_synth_integer(s, 0, DHO_SYNTH_PATTERNS - 1);
    paint.frequency = dho_synth_range(s, 1, 4);
    paint.angle = dho_synth_range(s, 0, 2 * PI);
    switch (dho_synth_integer(s, 0, 5)) {
    case 0:
        dho_synth_ellipse(s, 0, 0, 0.9f, dho_synth_range(s, 0.4f, 0.9f), 0);
        dho_synth_fill(s, paint);
        break;
    case 1: { /* a box */
        const float h = dho_synth_range(s, 0.3f, 0.9f);
        dho_synth_rectangle(s, -0.9f, -h, 0.9f, h);
        dho_synth_fill(s, paint);
        break;
    }
    case 2: /* a stone, a shard */
    case 3:
        irregular(s, dho_synth_integer(s, 3, 7));
        dho_synth_fill(s, paint);
        break;
    case 4: /* a cord */
        dho_synth_move(s, -1.6f, dho_synth_range(s, -0.5f, 0.5f));
        dho_synth_cubic(s, -0.5f, dho_synth_range(s, -1.5f, 1.5f), 0.5f,
                        dho_synth_range(s, -1.5f, 1.5f), 1.6f, dho_synth_range(s, -0.5f, 0.5f));
        dho_synth_stroke(s, dho_synth_range(s, 0.06f, 0.2f), paint);
        break;
    default: { /* a few blades */
        const int blades = dho_synth_integer(s, 2, 5);
        for (int i = 0; i < blades; i++) {
            const float at = 0.35f * (float)i - 0.6f, lean = dho_synth_range(s, -0.5f, 0.5f);
            const float blade[3][2] = {{at - 0.1f, 1}, {at + lean, -1}, {at + 0.1f, 1}};
            dho_synth_polygon(s, blade, 3);
            dho_synth_fill(s, paint);
        }
    }
    }
}

void dho_synth_cast_shadow(dho_synth_scene *s)
{
    const int width = s->width, height = s->height;
    const int passes = dho_synth_integer(s, 2, 6);
    const float strength = dho_synth_range(s, 0.25f, 0.6f), far = 0.2f * s->pose.scale;
    const int dx = (int)dho_synth_range(s, -far, far), dy = (int)dho_synth_range(s, 0, far);
    for (int i = 0; i < passes; i++) dho_synth_blur(s->silhouette, s->temporary, width, height, 1);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            const int u = x - dx, v = y - dy;
            if (u < 0 || v < 0 || u >= width || v >= height) continue;
            const float keep = 1 - strength * s->silhouette[(size_t)v * (size_t)width + (size_t)u];
            float *pixel = s->rgb + 3 * ((size_t)y * (size_t)width + (size_t)x);
            for (int c = 0; c < 3; c++) pixel[c] *= keep;
        }
    }
}
