/* One picture from beginning to end. */
#include "synth/synth_scene.h"

#include "dho/alloc.h"
#include "synth/synth_classes.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265f

/* train and val */
#define LEARN                                                                                     \
    .look = DHO_SYNTH_PHOTO, .size = {0.32f, 0.47f}, .off_centre = 0.55f, .turn = 0.75f,          \
    .any_turn = 0.03f, .tilt = 0.1f, .clutter = {0, 5}, .clutter_size = 0.14f, .hidden = 0.2f,    \
    .cover = 0.3f, .contrast = 0.25f, .noise = 0.05f, .blur = 2, .light = 0.7f, .natural = 0.75f, \
    .plain = 0.65f

const dho_synth_split dho_synth_splits[DHO_SYNTH_SPLITS] = {
    {.folder = "train", LEARN},
    {.folder = "val", LEARN},
    {.folder = "test_v2",
     .look = DHO_SYNTH_PHOTO,
     .size = {0.3f, 0.46f},
     .off_centre = 0.65f,
     .turn = 0.9f,
     .any_turn = 0.05f,
     .tilt = 0.15f,
     .clutter = {1, 6},
     .clutter_size = 0.16f,
     .hidden = 0.25f,
     .cover = 0.35f,
     .contrast = 0.22f,
     .noise = 0.07f,
     .blur = 3,
     .light = 0.85f,
     .natural = 0.66f,
     .plain = 0.6f},
    {.folder = "test_r",
     .look = DHO_SYNTH_RENDITION,
     .size = {0.32f, 0.48f},
     .off_centre = 0.5f,
     .turn = 0.7f,
     .any_turn = 0.02f,
     .tilt = 0.1f,
     .clutter = {0, 4},
     .clutter_size = 0.14f,
     .hidden = 0.1f,
     .cover = 0.3f,
     .contrast = 0.25f,
     .noise = 0.02f,
     .light = 0.5f,
     .natural = 0.4f,
     .plain = 0.6f},
    {.folder = "test_sketch",
     .look = DHO_SYNTH_SKETCH,
     .size = {0.34f, 0.48f},
     .off_centre = 0.4f,
     .turn = 0.6f,
     .any_turn = 0.02f,
     .tilt = 0.08f,
     .clutter = {0, 1},
     .clutter_size = 0.12f,
     .contrast = 0.25f,
     .noise = 0.03f,
     .blur = 1,
     .natural = 0.8f,
     .plain = 1},
    {.folder = "test_a",
     .look = DHO_SYNTH_PHOTO,
     .some_classes = true,
     .size = {0.18f, 0.32f},
     .off_centre = 0.8f,
     .turn = 1,
     .any_turn = 0.4f,
     .tilt = 0.3f,
     .clutter = {6, 14},
     .clutter_size = 0.2f,
     .hidden = 0.7f,
     .cover = 0.45f,
     .contrast = 0.15f,
     .noise = 0.09f,
     .blur = 3,
     .light = 1,
     .natural = 0.35f,
     .plain = 0.4f},
};

static dho_synth_colour near_natural(dho_synth_scene *s, const float hsv[3])
{
    const float hue = hsv[0] + dho_synth_range(s, -0.05f, 0.05f);
    const float saturation = hsv[1] * dho_synth_range(s, 0.7f, 1.2f);
    const float value = hsv[2] * dho_synth_range(s, 0.75f, 1.15f) + dho_synth_range(s, 0, 0.04f);
    return dho_synth_hsv(hue, dho_synth_min(saturation, 1), dho_synth_min(value, 1));
}

/* A colour at least `distance` away from another; the best of a few tries. */
static dho_synth_colour colour_off(dho_synth_scene *s, dho_synth_colour from, float distance)
{
    dho_synth_colour best = from;
    for (int i = 0; i < 12; i++) {
        const dho_synth_colour tried = dho_synth_any_colour(s);
        if (dho_synth_distance(tried, from) > dho_synth_distance(best, from)) best = tried;
        if (dho_synth_distance(best, from) >= distance) break;
    }
    return best;
}

static void choose_palette(dho_synth_scene *s, const dho_synth_class *c,
                           const dho_synth_split *split)
{
    const bool usual = dho_synth_chance(s, split->natural);
    const dho_synth_colour black = {0.05f, 0.05f, 0.06f};
    dho_synth_colour *p = s->palette;
    p[DHO_SYNTH_MAIN] = usual ? near_natural(s, c->natural[0]) : dho_synth_any_colour(s);
    p[DHO_SYNTH_SECOND] = usual ? near_natural(s, c->natural[1])
                                : colour_off(s, p[DHO_SYNTH_MAIN], c->surface ? 0.3f : 0.15f);
    p[DHO_SYNTH_ACCENT] = colour_off(s, p[DHO_SYNTH_MAIN], 0.3f);
    p[DHO_SYNTH_DARK] = dho_synth_mix(dho_synth_any_colour(s), black, 0.85f);
    s->material =
        (dho_synth_paint){.second = dho_synth_mix(p[DHO_SYNTH_MAIN], dho_synth_any_colour(s),
                                                  dho_synth_range(s, 0.15f, 0.5f)),
                          .frequency = dho_synth_range(s, 1.2f, 4),
                          .angle = dho_synth_range(s, 0, 2 * PI)};
    s->material.pattern = (dho_synth_pattern)dho_synth_integer(s, 0, DHO_SYNTH_PATTERNS - 1);
    if (c->surface || dho_synth_chance(s, split->plain)) s->material.pattern = DHO_SYNTH_PLAIN;
    s->light_x = split->light * dho_synth_range(s, -0.3f, 0.3f);
    s->light_y = split->light * dho_synth_range(s, -0.3f, 0.3f);
    s->grain = split->light * dho_synth_range(s, 0, 0.3f);
}

typedef enum rendition { CARTOON, POSTER, NEON, PIXELS, WATERCOLOUR, RENDITIONS } rendition;

static void choose_style(dho_synth_scene *s, dho_synth_look look, rendition kind)
{
    const float side = (float)(s->width < s->height ? s->width : s->height);
    s->style = (dho_synth_style){.fill_alpha = 1, .passes = 1};
    s->style.ink = (dho_synth_colour){0.08f, 0.07f, 0.1f};
    if (look == DHO_SYNTH_SKETCH) {
        s->style.flat = s->style.sketch = true;
        s->style.outline = side * dho_synth_range(s, 0.006f, 0.014f);
        const float ink = dho_synth_range(s, 0.05f, 0.3f), paper = dho_synth_range(s, 0.85f, 1);
        s->style.ink = (dho_synth_colour){ink, ink, ink};
        s->style.paper = (dho_synth_colour){paper, paper, paper};
        s->style.tone = dho_synth_chance(s, 0.5f) ? dho_synth_range(s, 0.1f, 0.5f) : 0;
        s->style.tremor = dho_synth_range(s, 0.5f, 2.2f);
        s->style.passes = dho_synth_integer(s, 1, 2);
    } else if (look == DHO_SYNTH_RENDITION) {
        s->style.flat = kind != POSTER && kind != WATERCOLOUR;
        if (kind == POSTER) s->grain = 0; /* few levels would make it speckles */
        if (kind == CARTOON) s->style.outline = side * dho_synth_range(s, 0.012f, 0.022f);
        if (kind == NEON) {
            s->style.outline = side * dho_synth_range(s, 0.01f, 0.018f);
            s->style.ink =
                dho_synth_hsv(dho_synth_range(s, 0, 1), dho_synth_range(s, 0.2f, 0.8f), 1);
            s->style.fill_alpha = dho_synth_range(s, 0.1f, 0.35f);
        }
        if (kind == WATERCOLOUR) {
            s->style.outline = dho_synth_chance(s, 0.5f) ? side * 0.006f : 0;
            s->style.tremor = 2;
            s->style.fill_alpha = dho_synth_range(s, 0.65f, 0.9f);
        }
    }
}

static void draw_background(dho_synth_scene *s, const dho_synth_class *c,
                            const dho_synth_split *split, rendition kind)
{
    const dho_synth_colour main = s->palette[DHO_SYNTH_MAIN];
    dho_synth_colour first = near_natural(s, c->natural[2]);
    if (!dho_synth_chance(s, split->natural) || dho_synth_distance(first, main) < split->contrast)
        first = colour_off(s, main, split->contrast);
    dho_synth_colour second =
        dho_synth_mix(first, colour_off(s, main, split->contrast), dho_synth_range(s, 0.1f, 0.5f));
    if (split->look == DHO_SYNTH_RENDITION && kind == NEON) {
        first = dho_synth_mix(first, (dho_synth_colour){0, 0, 0.03f}, 0.88f);
        second = dho_synth_mix(second, (dho_synth_colour){0, 0, 0.03f}, 0.8f);
    } else if (split->look == DHO_SYNTH_RENDITION && kind == WATERCOLOUR) {
        first = dho_synth_mix(first, (dho_synth_colour){1, 0.98f, 0.95f}, 0.8f);
        second = dho_synth_mix(second, (dho_synth_colour){1, 0.98f, 0.95f}, 0.9f);
    } else if (split->look == DHO_SYNTH_SKETCH) {
        first = second = s->style.paper;
    }
    dho_synth_backdrop(s, first, second);
    const int shapes = dho_synth_integer(s, split->clutter[0], split->clutter[1]);
    const float side = (float)(s->width < s->height ? s->width : s->height);
    for (int i = 0; i < shapes; i++) {
        const float x = dho_synth_range(s, 0, (float)s->width);
        const float y = dho_synth_range(s, 0, (float)s->height);
        dho_synth_clutter(s, x, y, side * dho_synth_range(s, 0.04f, split->clutter_size));
    }
}

static dho_synth_pose choose_pose(dho_synth_scene *s, const dho_synth_class *c,
                                  const dho_synth_split *split)
{
    const float side = (float)(s->width < s->height ? s->width : s->height);
    const float turn = dho_synth_chance(s, split->any_turn) ? PI : c->turn * split->turn;
    dho_synth_pose pose = {.scale = side * dho_synth_range(s, split->size[0], split->size[1]),
                           .stretch = dho_synth_range(s, 0.8f, 1.25f),
                           .rotation = dho_synth_range(s, -turn, turn),
                           .tilt_x = dho_synth_range(s, -split->tilt, split->tilt),
                           .tilt_y = dho_synth_range(s, -split->tilt, split->tilt),
                           .wobble = dho_synth_range(s, 0, 0.05f),
                           .wobble_frequency = dho_synth_range(s, 1.5f, 4),
                           .wobble_phase = dho_synth_range(s, 0, 6),
                           .mirrored = dho_synth_chance(s, 0.5f)};
    if (c->surface) pose.scale = dho_synth_min(pose.scale * 1.3f, 0.6f * side);
    const float margin = 0.85f * pose.scale;
    const float free_x = dho_synth_max((float)s->width - 2 * margin, 0.1f * side);
    const float free_y = dho_synth_max((float)s->height - 2 * margin, 0.1f * side);
    pose.x = 0.5f * (float)s->width + split->off_centre * free_x * dho_synth_range(s, -0.5f, 0.5f);
    pose.y = 0.5f * (float)s->height + split->off_centre * free_y * dho_synth_range(s, -0.5f, 0.5f);
    return pose;
}

static void draw_object(dho_synth_scene *s, const dho_synth_class *c, const dho_synth_split *split)
{
    const dho_synth_pose pose = choose_pose(s, c, split);
    dho_synth_set_pose(s, pose);
    if (split->look == DHO_SYNTH_PHOTO && !c->surface && dho_synth_chance(s, 0.6f)) {
        /* The same object twice: once for its shadow. */
        const dho_rng before = s->rng;
        memset(s->silhouette, 0, (size_t)s->width * (size_t)s->height * sizeof *s->silhouette);
        s->silhouetting = true;
        c->draw(s);
        s->silhouetting = false;
        dho_synth_cast_shadow(s);
        s->rng = before;
    }
    c->draw(s);
    if (!dho_synth_chance(s, split->hidden)) return;
    const float angle = dho_synth_range(s, 0, 2 * PI), away = dho_synth_range(s, 0.35f, 0.95f);
    dho_synth_clutter(s, pose.x + away * pose.scale * cosf(angle),
                      pose.y + away * pose.scale * sinf(angle),
                      pose.scale * split->cover * dho_synth_range(s, 0.6f, 1.3f));
}

static void finish(dho_synth_scene *s, const dho_synth_split *split, rendition kind)
{
    const bool art = split->look == DHO_SYNTH_RENDITION;
    if (art && kind == PIXELS) dho_synth_pixelate(s, dho_synth_integer(s, 4, 7));
    if (art && kind == WATERCOLOUR) {
        for (int i = 0; i < 2; i++) dho_synth_blur(s->rgb, s->temporary, s->width, s->height, 3);
    }
    if (art && dho_synth_chance(s, 0.35f)) dho_synth_recolour(s);
    if (art && kind == POSTER) dho_synth_poster(s, dho_synth_integer(s, 3, 5));
    const int passes = dho_synth_integer(s, 0, split->blur);
    for (int i = 0; i < passes; i++) dho_synth_blur(s->rgb, s->temporary, s->width, s->height, 3);
    if (split->look == DHO_SYNTH_PHOTO) dho_synth_expose(s, split->light);
}

static void start(dho_synth_scene *s, uint64_t seed, int split, int class_index, int index)
{
    dho_rng_init(&s->rng, seed, DHO_RNG_SYNTH, (uint64_t)split,
                 (uint64_t)class_index << 32 | (uint32_t)index);
    s->status = DHO_OK;
    s->clipped = s->silhouetting = s->next_is_hole = false;
    s->point_count = s->contour_count = 0;
    const int side = dho_synth_integer(s, 160, 240);
    const int other = (int)((float)side * dho_synth_range(s, 1, 1.33f));
    const bool portrait = dho_synth_chance(s, 0.4f);
    s->width = portrait ? side : other;
    s->height = portrait ? other : side;
    for (size_t i = 0; i < (size_t)DHO_SYNTH_LATTICE * DHO_SYNTH_LATTICE; i++)
        s->lattice[i] = (float)(dho_rng_u32(&s->rng) >> 8) / (float)(1 << 24);
}

dho_status dho_synth_render(dho_synth_scene *s, uint64_t seed, int split, int class_index,
                            int index, dho_image *out, int *out_quality)
{
    const dho_synth_split *traits = &dho_synth_splits[split];
    const dho_synth_class *c = &dho_synth_classes[class_index];
    start(s, seed, split, class_index, index);
    const rendition kind = (rendition)dho_synth_integer(s, 0, RENDITIONS - 1);
    choose_palette(s, c, traits);
    choose_style(s, traits->look, kind);
    draw_background(s, c, traits, kind);
    draw_object(s, c, traits);
    finish(s, traits, kind);
    DHO_TRY(s->status);
    const size_t bytes = (size_t)s->width * (size_t)s->height * 3;
    if (out->capacity < bytes) {
        DHO_TRY(dho_realloc(&out->pixels, bytes, 1, "synthetic image"));
        out->capacity = bytes;
    }
    out->width = s->width;
    out->height = s->height;
    dho_synth_develop(s, dho_synth_range(s, 0, traits->noise), out);
    *out_quality = dho_synth_integer(s, 70, 95);
    return DHO_OK;
}
