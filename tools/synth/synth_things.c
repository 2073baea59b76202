/* Classes that are things: butterfly, fish, flower, house, mushroom, tree. */
#include "synth/synth_classes.h"

#include <math.h>

#define PI 3.14159265f

/* One wing of a butterfly, on the side `x` (-1 or 1). */
static void wing_path(dho_synth_scene *s, float x, bool upper, float span, float height)
{
    dho_synth_move(s, 0.05f * x, upper ? -0.05f : 0.05f);
    if (upper) {
        dho_synth_cubic(s, 0.2f * x, -0.6f * height, 0.6f * span * x, -1.2f * height, span * x,
                        -height);
        dho_synth_cubic(s, 1.15f * span * x, -0.6f * height, 0.8f * span * x, 0.1f, 0.05f * x,
                        0.12f);
    } else {
        dho_synth_cubic(s, 0.6f * span * x, 0.0f, 1.1f * span * x, 0.35f * height, 0.75f * span * x,
                        0.8f * height);
        dho_synth_cubic(s, 0.55f * span * x, 1.15f * height, 0.2f * x, 0.75f * height, 0.05f * x,
                        0.2f);
    }
    dho_synth_close(s);
}

void dho_synth_draw_butterfly(dho_synth_scene *s)
{
    const float span = dho_synth_range(s, 0.9f, 1.15f), height = dho_synth_range(s, 0.7f, 0.95f);
    const float low = dho_synth_range(s, 0.8f, 1), spot = dho_synth_range(s, 0.1f, 0.2f);
    const bool two_colours = dho_synth_chance(s, 0.5f), spots = dho_synth_chance(s, 0.6f);
    const int lower = two_colours ? DHO_SYNTH_SECOND : DHO_SYNTH_MAIN;
    for (int side = -1; side <= 1; side += 2) {
        const float x = (float)side;
        wing_path(s, x, false, span, low);
        dho_synth_fill(s, dho_synth_role(s, lower));
        wing_path(s, x, true, span, height);
        dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
        if (spots) {
            dho_synth_ellipse(s, 0.72f * span * x, -0.65f * height, spot, spot, 0);
            dho_synth_ellipse(s, 0.5f * span * x, 0.5f * low, 0.8f * spot, spot, 0);
            dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_ACCENT));
        }
    }
    for (int side = -1; side <= 1; side += 2) {
        const float x = (float)side;
        dho_synth_move(s, 0, -0.45f);
        dho_synth_cubic(s, 0.05f * x, -0.7f, 0.15f * x, -0.85f, 0.32f * x, -0.95f);
        dho_synth_stroke(s, 0.04f, dho_synth_role(s, DHO_SYNTH_DARK));
    }
    dho_synth_ellipse(s, 0, 0.05f, 0.09f, 0.55f, 0);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_DARK));
}

static void fish_body(dho_synth_scene *s, float deep)
{
    dho_synth_move(s, 0.95f, 0);
    dho_synth_cubic(s, 0.6f, -1.25f * deep, -0.25f, -1.15f * deep, -0.6f, -0.08f);
    dho_synth_line(s, -0.6f, 0.08f);
    dho_synth_cubic(s, -0.25f, 1.15f * deep, 0.6f, 1.25f * deep, 0.95f, 0);
    dho_synth_close(s);
}

void dho_synth_draw_fish(dho_synth_scene *s)
{
    const float deep = dho_synth_range(s, 0.4f, 0.75f), tail = dho_synth_range(s, 0.3f, 0.55f);
    const float fork = dho_synth_range(s, 0.05f, 0.25f);
    const float tail_shape[5][2] = {
        {-0.5f, -0.04f}, {-1.05f, -tail}, {-1.05f + fork, 0}, {-1.05f, tail}, {-0.5f, 0.04f}};
    const float back[4][2] = {{0.4f, -0.7f * deep},
                              {-0.1f, -0.9f * deep - 0.25f},
                              {-0.3f, -0.9f * deep - 0.1f},
                              {-0.35f, -0.4f * deep}};
    dho_synth_polygon(s, tail_shape, 5);
    dho_synth_polygon(s, back, 4);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    fish_body(s, deep);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
    const int bands = dho_synth_chance(s, 0.45f) ? dho_synth_integer(s, 2, 3) : 0;
    for (int i = 0; i < bands; i++) {
        const float x = 0.3f - 0.27f * (float)i, h = deep * (0.8f - 0.2f * (float)i);
        dho_synth_move(s, x, -h);
        dho_synth_cubic(s, x + 0.1f, -0.4f * h, x + 0.1f, 0.4f * h, x, h);
        dho_synth_stroke(s, 0.09f, dho_synth_role(s, DHO_SYNTH_ACCENT));
    }
    const float fin[3][2] = {{0.25f, 0.1f}, {-0.1f, 0.15f}, {-0.05f, 0.35f}};
    dho_synth_polygon(s, fin, 3);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    const dho_synth_colour white = {0.97f, 0.97f, 0.95f};
    dho_synth_ellipse(s, 0.62f, -0.22f * deep, 0.1f, 0.1f, 0);
    dho_synth_fill(s, dho_synth_plain(white, 1));
    dho_synth_ellipse(s, 0.64f, -0.22f * deep, 0.05f, 0.05f, 0);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_DARK));
}

void dho_synth_draw_flower(dho_synth_scene *s)
{
    const int petals = dho_synth_integer(s, 5, 10);
    const bool stem = dho_synth_chance(s, 0.6f);
    const float cy = stem ? -0.45f : 0, size = stem ? 0.68f : 1;
    if (stem) {
        const float lean = dho_synth_range(s, -0.25f, 0.25f);
        dho_synth_move(s, 0, cy);
        dho_synth_cubic(s, lean, 0.1f, lean, 0.5f, 0.5f * lean, 1.1f);
        dho_synth_stroke(s, 0.1f, dho_synth_role(s, DHO_SYNTH_SECOND));
        for (int side = -1; side <= 1; side += 2) {
            const float y = dho_synth_range(s, 0.45f, 0.75f), x = (float)side;
            dho_synth_ellipse(s, 0.7f * lean + 0.26f * x, y, 0.27f, 0.1f, -0.5f * x);
        }
        dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    }
    const float fat = dho_synth_range(s, 0.8f, 1.35f) * PI / (float)petals * 0.55f;
    const float heart = dho_synth_range(s, 0.22f, 0.36f);
    for (int i = 0; i < petals; i++) {
        const float a = 2 * PI * (float)i / (float)petals, r = 0.58f * size;
        dho_synth_ellipse(s, r * cosf(a), cy + r * sinf(a), 0.44f * size,
                          dho_synth_min(fat, 0.36f) * size, a);
        dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
    }
    dho_synth_ellipse(s, 0, cy, heart * size, heart * size, 0);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_ACCENT));
}

static void house_front(dho_synth_scene *s, float w, float top)
{
    const dho_synth_colour pane = {0.75f, 0.87f, 0.95f};
    const float door = dho_synth_range(s, -0.4f, 0.4f) * w;
    dho_synth_rectangle(s, door - 0.13f, 0.35f, door + 0.13f, 0.95f);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_ACCENT));
    const int windows = dho_synth_integer(s, 2, 3);
    for (int i = 0; i < windows; i++) {
        const float x = w * (-0.62f + 1.24f * (float)i / (float)(windows - 1));
        if (fabsf(x - door) < 0.3f && top > -0.1f) continue;
        const float y = fabsf(x - door) < 0.3f ? top + 0.3f : dho_synth_max(top + 0.3f, 0.3f);
        dho_synth_rectangle(s, x - 0.13f, y - 0.13f, x + 0.13f, y + 0.13f);
        dho_synth_fill(s, dho_synth_plain(pane, 1));
        dho_synth_move(s, x, y - 0.13f);
        dho_synth_line(s, x, y + 0.13f);
        dho_synth_move(s, x - 0.13f, y);
        dho_synth_line(s, x + 0.13f, y);
        dho_synth_stroke(s, 0.035f, dho_synth_role(s, DHO_SYNTH_DARK));
    }
}

void dho_synth_draw_house(dho_synth_scene *s)
{
    const float w = dho_synth_range(s, 0.65f, 0.95f), top = dho_synth_range(s, -0.4f, 0.05f);
    const float peak = top - dho_synth_range(s, 0.45f, 0.8f),
                over = dho_synth_range(s, 0.05f, 0.2f);
    const float flat = dho_synth_chance(s, 0.3f) ? dho_synth_range(s, 0.3f, 0.6f) * w : 0;
    if (dho_synth_chance(s, 0.6f)) {
        const float x = dho_synth_range(s, 0.35f, 0.55f) * w;
        dho_synth_rectangle(s, x, peak, x + 0.18f, top);
        dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_ACCENT));
    }
    dho_synth_rectangle(s, -w, top, w, 0.95f);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
    const float roof[4][2] = {{-w - over, top}, {-flat, peak}, {flat, peak}, {w + over, top}};
    dho_synth_polygon(s, roof, 4);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    house_front(s, w, top);
}

void dho_synth_draw_mushroom(dho_synth_scene *s)
{
    const float w = dho_synth_range(s, 0.75f, 1.05f), tall = dho_synth_range(s, 0.65f, 1);
    const float foot = dho_synth_range(s, 0.16f, 0.34f), rim = dho_synth_range(s, 0, 0.2f);
    dho_synth_move(s, -0.75f * foot, 0);
    dho_synth_cubic(s, -0.7f * foot, 0.4f, -foot, 0.6f, -1.15f * foot, 1);
    dho_synth_cubic(s, -0.5f * foot, 1.1f, 0.5f * foot, 1.1f, 1.15f * foot, 1);
    dho_synth_cubic(s, foot, 0.6f, 0.7f * foot, 0.4f, 0.75f * foot, 0);
    dho_synth_close(s);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    dho_synth_move(s, -w, 0.05f);
    dho_synth_cubic(s, -w, -1.1f * tall, w, -1.1f * tall, w, 0.05f);
    dho_synth_cubic(s, 0.5f * w, 0.05f + rim, -0.5f * w, 0.05f + rim, -w, 0.05f);
    dho_synth_close(s);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
    const int spots = dho_synth_chance(s, 0.65f) ? dho_synth_integer(s, 4, 6) : 0;
    for (int i = 0; i < spots; i++) {
        const float x = w * (-0.6f + 1.2f * (float)i / (float)(spots - 1));
        const float y = -(i % 2 == 0 ? 0.18f : 0.52f) * tall + 0.12f * tall * fabsf(x);
        const float r = dho_synth_range(s, 0.08f, 0.15f);
        dho_synth_ellipse(s, x, y, r, 0.8f * r, 0);
    }
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_ACCENT));
}

void dho_synth_draw_tree(dho_synth_scene *s)
{
    const float trunk = dho_synth_range(s, 0.08f, 0.17f);
    const float corners[4][2] = {
        {-0.7f * trunk, 0}, {0.7f * trunk, 0}, {1.2f * trunk, 1.1f}, {-1.2f * trunk, 1.1f}};
    dho_synth_polygon(s, corners, 4);
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    if (dho_synth_chance(s, 0.45f)) { /* a conifer */
        const int tiers = dho_synth_integer(s, 2, 4);
        const float wide = dho_synth_range(s, 0.5f, 0.8f);
        for (int i = tiers - 1; i >= 0; i--) {
            const float t = (float)(i + 1) / (float)tiers, base = -1.1f + 1.65f * t;
            const float half = wide * (0.4f + 0.6f * t), high = 0.5f + 1.2f / (float)tiers;
            const float tier[3][2] = {{-half, base}, {0, base - high}, {half, base}};
            dho_synth_polygon(s, tier, 3);
            dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
        }
        return;
    }
    /* A crown of overlapping balls, united. */
    const int balls = dho_synth_integer(s, 6, 9);
    const float wide = dho_synth_range(s, 0.42f, 0.6f), high = dho_synth_range(s, 0.35f, 0.5f);
    dho_synth_ellipse(s, 0, -0.35f, wide, high, 0);
    for (int i = 0; i < balls; i++) {
        const float a = 2 * PI * (float)i / (float)balls, r = dho_synth_range(s, 0.22f, 0.36f);
        dho_synth_ellipse(s, wide * cosf(a), -0.35f + high * sinf(a), r, r, 0);
    }
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
    const int fruit = dho_synth_chance(s, 0.3f) ? dho_synth_integer(s, 4, 8) : 0;
    for (int i = 0; i < fruit; i++) {
        const float x = dho_synth_range(s, -0.6f, 0.6f), y = dho_synth_range(s, -0.75f, 0.05f);
        dho_synth_ellipse(s, x, y, 0.07f, 0.07f, 0);
    }
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_ACCENT));
}
