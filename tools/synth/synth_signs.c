/* Classes that are figures: arrow, crescent, cross, gear, heart, ladder, ring, spiral, star. */
#include "synth/synth_classes.h"

#include <math.h>

#define PI 3.14159265f

void dho_synth_draw_arrow(dho_synth_scene *s)
{
    const float shaft = dho_synth_range(s, 0.1f, 0.3f), neck = dho_synth_range(s, -0.1f, 0.4f);
    const float wide = dho_synth_range(s, 0.45f, 0.75f), barb = dho_synth_range(s, 0, 0.2f);
    const float taper = dho_synth_chance(s, 0.3f) ? dho_synth_range(s, 0.2f, 0.9f) : 1;
    if (dho_synth_chance(s, 0.25f)) { /* bent: an arc with a head at its end */
        const float sweep = dho_synth_range(s, 2.0f, 4.2f), end = 0.3f * shaft;
        dho_synth_arc(s, true, 0.7f + shaft, PI - sweep, PI);
        dho_synth_line(s, -0.7f - wide, -end);
        dho_synth_line(s, -0.7f, -end - wide * 1.3f);
        dho_synth_line(s, -0.7f + wide, -end);
        dho_synth_arc(s, false, 0.7f - shaft, PI, PI - sweep);
        dho_synth_close(s);
        dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
        return;
    }
    const float corners[7][2] = {{-1, -shaft * taper}, {neck, -shaft}, {neck - barb, -wide}, {1, 0},
                                 {neck - barb, wide},  {neck, shaft},  {-1, shaft * taper}};
    dho_synth_polygon(s, corners, 7);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
    if (dho_synth_chance(s, 0.35f)) { /* feathers */
        for (int i = 0; i < 3; i++) {
            const float x = -0.95f + 0.16f * (float)i;
            dho_synth_move(s, x - 0.15f, -0.35f);
            dho_synth_line(s, x, 0);
            dho_synth_line(s, x - 0.15f, 0.35f);
            dho_synth_stroke(s, 0.07f, dho_synth_role(s, DHO_SYNTH_SECOND));
        }
    }
}

void dho_synth_draw_crescent(dho_synth_scene *s)
{
    /* Outer circle from horn to horn, and back along a flatter arc through the same horns. */
    const float horn = dho_synth_range(s, 0.75f, 1.35f); /* half the angle of the gap */
    const float hx = cosf(horn), hy = sinf(horn);
    const float bulge = dho_synth_range(s, 0.25f, 0.75f); /* depth of the bite left of the horns */
    dho_synth_arc(s, true, 1, horn, 2 * PI - horn);
    const float left = dho_synth_max(hx - hy * 0.55f - bulge, -0.78f);
    dho_synth_cubic(s, hx - 0.3f * hy, -hy, left, -0.75f * hy, left, 0);
    dho_synth_cubic(s, left, 0.75f * hy, hx - 0.3f * hy, hy, hx, hy);
    dho_synth_close(s);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
    const int craters = dho_synth_chance(s, 0.4f) ? dho_synth_integer(s, 2, 4) : 0;
    for (int i = 0; i < craters; i++) {
        const float a = dho_synth_range(s, 2.3f, 4.0f), r = dho_synth_range(s, 0.03f, 0.08f);
        dho_synth_ellipse(s, 0.88f * cosf(a), 0.88f * sinf(a), r, r, 0);
        dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    }
}

/* A cross as a closed path, its arms shrunk by `inset` on all sides. */
static void cross_path(dho_synth_scene *s, float arm, float flare, float low, float bar,
                       float inset)
{
    const float a = arm - inset, f = flare - inset, t = 1 - inset, l = low - inset, b = bar;
    const float corners[12][2] = {{-a, b - a}, {-f, -t},    {f, -t},     {a, b - a},
                                  {t, b - f},  {t, b + f},  {a, b + a},  {f, l},
                                  {-f, l},     {-a, b + a}, {-t, b + f}, {-t, b - f}};
    dho_synth_polygon(s, corners, 12);
}

void dho_synth_draw_cross(dho_synth_scene *s)
{
    const float arm = dho_synth_range(s, 0.16f, 0.36f);
    const bool latin = dho_synth_chance(s, 0.3f), flared = dho_synth_chance(s, 0.3f);
    const float flare = flared ? arm + dho_synth_range(s, 0.1f, 0.25f) : arm;
    const float low = latin ? 1.5f : 1.0f, bar = latin ? -0.2f : 0;
    if (dho_synth_chance(s, 0.15f)) { /* on a disc, as a sign */
        dho_synth_ellipse(s, 0, latin ? 0.25f : 0, 1.45f, 1.45f, 0);
        dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    }
    cross_path(s, arm, flare, low, bar, 0);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
    if (dho_synth_chance(s, 0.35f)) {
        cross_path(s, arm, flare, low, bar, arm * dho_synth_range(s, 0.35f, 0.6f));
        dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_ACCENT));
    }
}

void dho_synth_draw_gear(dho_synth_scene *s)
{
    const int teeth = dho_synth_integer(s, 7, 14);
    const float root = dho_synth_range(s, 0.68f, 0.8f), pitch = 2 * PI / (float)teeth;
    const float tip = dho_synth_range(s, 0.1f, 0.2f) * pitch,
                foot = dho_synth_range(s, 0.24f, 0.32f);
    for (int i = 0; i < teeth; i++) {
        const float a = (float)i * pitch;
        const float angles[4] = {a - foot * pitch, a - tip, a + tip, a + foot * pitch};
        const float radii[4] = {root, 1, 1, root};
        for (int k = 0; k < 4; k++) {
            const float x = radii[k] * cosf(angles[k]), y = radii[k] * sinf(angles[k]);
            if (i == 0 && k == 0) {
                dho_synth_move(s, x, y);
            } else {
                dho_synth_line(s, x, y);
            }
        }
    }
    dho_synth_close(s);
    const float hub = dho_synth_range(s, 0.14f, 0.4f);
    dho_synth_hole(s);
    dho_synth_ellipse(s, 0, 0, hub, hub, 0);
    const int holes = hub < 0.25f && dho_synth_chance(s, 0.6f) ? dho_synth_integer(s, 3, 6) : 0;
    for (int i = 0; i < holes; i++) {
        const float a = 2 * PI * (float)i / (float)holes,
                    r = dho_synth_min(0.15f, 0.75f / (float)holes);
        dho_synth_hole(s);
        dho_synth_ellipse(s, 0.47f * cosf(a), 0.47f * sinf(a), r, r, 0);
    }
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
    if (dho_synth_chance(s, 0.4f)) {
        dho_synth_ellipse(s, 0, 0, hub + 0.03f, hub + 0.03f, 0);
        dho_synth_stroke(s, 0.07f, dho_synth_role(s, DHO_SYNTH_SECOND));
    }
}

static void heart_path(dho_synth_scene *s, float size, float notch, float width)
{
    const float w = width * size;
    dho_synth_move(s, 0, -notch * size);
    dho_synth_cubic(s, 0.25f * w, -1.05f * size, 1.15f * w, -0.95f * size, 1.1f * w, -0.2f * size);
    dho_synth_cubic(s, 1.05f * w, 0.3f * size, 0.35f * w, 0.6f * size, 0, 1.0f * size);
    dho_synth_cubic(s, -0.35f * w, 0.6f * size, -1.05f * w, 0.3f * size, -1.1f * w, -0.2f * size);
    dho_synth_cubic(s, -1.15f * w, -0.95f * size, -0.25f * w, -1.05f * size, 0, -notch * size);
    dho_synth_close(s);
}

void dho_synth_draw_heart(dho_synth_scene *s)
{
    const float notch = dho_synth_range(s, 0.35f, 0.6f), width = dho_synth_range(s, 0.8f, 1.05f);
    heart_path(s, 1, notch, width);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
    const int extra = dho_synth_integer(s, 0, 3);
    if (extra == 1) {
        heart_path(s, dho_synth_range(s, 0.45f, 0.7f), notch, width);
        dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    } else if (extra == 2) { /* a gleam */
        const dho_synth_colour white = {1, 1, 1};
        dho_synth_ellipse(s, -0.55f * width, -0.4f, 0.2f, 0.1f, -0.8f);
        dho_synth_fill(s, dho_synth_plain(white, 0.5f));
    }
}

void dho_synth_draw_ladder(dho_synth_scene *s)
{
    const int rungs = dho_synth_integer(s, 5, 9);
    const float half = dho_synth_range(s, 0.28f, 0.5f), top = half * dho_synth_range(s, 0.6f, 1);
    const float rail = dho_synth_range(s, 0.09f, 0.17f), rung = rail * dho_synth_range(s, 0.6f, 1);
    for (int i = 0; i < rungs; i++) {
        const float t = ((float)i + 0.5f) / (float)rungs, y = -1.2f + 2.4f * t;
        const float x = top + (half - top) * t;
        dho_synth_move(s, -x, y);
        dho_synth_line(s, x, y);
    }
    dho_synth_stroke(s, rung, dho_synth_role(s, DHO_SYNTH_SECOND));
    for (int side = -1; side <= 1; side += 2) {
        dho_synth_move(s, (float)side * top, -1.2f);
        dho_synth_line(s, (float)side * half, 1.2f);
        dho_synth_stroke(s, rail, dho_synth_role(s, DHO_SYNTH_MAIN));
    }
}

void dho_synth_draw_ring(dho_synth_scene *s)
{
    const float inner = dho_synth_range(s, 0.5f, 0.82f);
    dho_synth_ellipse(s, 0, 0, 1, 1, 0);
    dho_synth_hole(s);
    dho_synth_ellipse(s, 0, 0, inner, inner, 0);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
    const int extra = dho_synth_integer(s, 0, 3);
    const float middle = (1 + inner) / 2, width = 1 - inner;
    if (extra == 1) { /* a stone, or a bead */
        const float r = dho_synth_range(s, 0.15f, 0.3f);
        dho_synth_ellipse(s, 0, -middle - 0.3f * r, r, r, 0);
        dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    } else if (extra == 2) { /* a groove */
        dho_synth_ellipse(s, 0, 0, middle, middle, 0);
        dho_synth_stroke(s, 0.25f * width, dho_synth_role(s, DHO_SYNTH_ACCENT));
    } else if (extra == 3) { /* a lifebuoy's bands */
        const int bands = dho_synth_integer(s, 3, 6);
        for (int i = 0; i < bands; i++) {
            const float a = 2 * PI * (float)i / (float)bands, b = a + 0.45f;
            dho_synth_arc(s, true, 0.99f, a, b);
            dho_synth_arc(s, false, inner + 0.01f, b, a);
            dho_synth_close(s);
        }
        dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    }
}

void dho_synth_draw_spiral(dho_synth_scene *s)
{
    const float turns = dho_synth_range(s, 2.2f, 4), growth = dho_synth_range(s, 0.8f, 1.5f);
    const float width = dho_synth_range(s, 0.28f, 0.5f) / turns;
    const int points = 30 * (int)ceilf(turns);
    if (dho_synth_chance(s, 0.25f)) { /* painted on a disc */
        dho_synth_ellipse(s, 0, 0, 1.15f, 1.15f, 0);
        dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    }
    for (int i = 0; i <= points; i++) {
        const float t = (float)i / (float)points, a = 2 * PI * turns * t, r = powf(t, growth);
        if (i == 0) {
            dho_synth_move(s, 0, 0);
        } else {
            dho_synth_line(s, r * cosf(a), r * sinf(a));
        }
    }
    dho_synth_stroke(s, width, dho_synth_role(s, DHO_SYNTH_MAIN));
}

static void star_path(dho_synth_scene *s, int tips, float inner, float size)
{
    for (int i = 0; i < 2 * tips; i++) {
        const float a = PI * (float)i / (float)tips - PI / 2, r = size * (i % 2 == 0 ? 1 : inner);
        if (i == 0) {
            dho_synth_move(s, r * cosf(a), r * sinf(a));
        } else {
            dho_synth_line(s, r * cosf(a), r * sinf(a));
        }
    }
    dho_synth_close(s);
}

void dho_synth_draw_star(dho_synth_scene *s)
{
    const int tips = dho_synth_chance(s, 0.6f) ? 5 : dho_synth_integer(s, 4, 8);
    const float inner = dho_synth_range(s, 0.33f, tips <= 5 ? 0.5f : 0.62f);
    star_path(s, tips, inner, 1);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
    if (dho_synth_chance(s, 0.35f)) {
        star_path(s, tips, inner, dho_synth_range(s, 0.5f, 0.75f));
        dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    }
}
