/* Classes that are patterns: brick_wall, checkerboard, maze, polka_dots, zebra_stripes. */
#include "synth/synth_classes.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265f

/* The outline of a surface's patch: sets the clip, or (often) none, for the whole picture. Fills it
 * with the paint. */
static void begin_surface(dho_synth_scene *s, dho_synth_paint ground)
{
    const int shape = dho_synth_integer(s, 0, 4);
    if (shape == 0) { /* over all */
        dho_synth_rectangle(s, -2, -2, 2, 2);
    } else if (shape == 1) {
        dho_synth_ellipse(s, 0, 0, 1.05f, 1.05f, 0);
    } else if (shape == 2) { /* an irregular blob */
        const float a = dho_synth_range(s, 0, 6), b = dho_synth_range(s, 0, 6);
        for (int i = 0; i < 48; i++) {
            const float t = 2 * PI * (float)i / 48;
            const float r = 1 + 0.13f * sinf(2 * t + a) + 0.09f * sinf(3 * t + b);
            if (i == 0) {
                dho_synth_move(s, r, 0);
            } else {
                dho_synth_line(s, r * cosf(t), r * sinf(t));
            }
        }
        dho_synth_close(s);
    } else {
        const float w = dho_synth_range(s, 0.8f, 1.2f), h = dho_synth_range(s, 0.7f, 1.1f);
        dho_synth_rectangle(s, -w, -h, w, h);
    }
    /* The clip takes the path, so the ground is a cover of everything inside it. */
    dho_synth_clip(s);
    const float outline = s->style.outline;
    s->style.outline = 0;
    dho_synth_rectangle(s, -2.2f, -2.2f, 2.2f, 2.2f);
    dho_synth_fill(s, ground);
    s->style.outline = outline;
}

void dho_synth_draw_brick_wall(dho_synth_scene *s)
{
    const float high = dho_synth_range(s, 0.2f, 0.38f),
                wide = high * dho_synth_range(s, 1.8f, 2.8f);
    const float gap = high * dho_synth_range(s, 0.06f, 0.13f),
                uneven = dho_synth_range(s, 0, 0.18f);
    begin_surface(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    const int rows = (int)(2 / high) + 1, columns = (int)(2 / wide) + 2;
    const dho_synth_paint brick = dho_synth_role(s, DHO_SYNTH_MAIN);
    for (int j = -rows; j < rows; j++) {
        const float shift = (j & 1) != 0 ? 0.5f * wide : 0;
        for (int i = -columns; i < columns; i++) {
            const float x = (float)i * wide + shift, y = (float)j * high;
            dho_synth_paint paint = brick;
            const float other = uneven * dho_synth_range(s, -1, 1);
            const dho_synth_colour to = {other > 0, other > 0, other > 0};
            paint.first = dho_synth_mix(brick.first, to, fabsf(other));
            dho_synth_rectangle(s, x + gap, y + gap, x + wide - gap, y + high - gap);
            dho_synth_fill(s, paint);
        }
    }
    dho_synth_unclip(s);
}

void dho_synth_draw_checkerboard(dho_synth_scene *s)
{
    const int cells = dho_synth_integer(s, 4, 8);
    const float side = 2.0f / (float)cells;
    begin_surface(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    for (int j = -cells; j < cells; j++) {
        for (int i = -cells; i < cells; i++) {
            if (((i + j) & 1) == 0) continue;
            const float x = (float)i * side, y = (float)j * side;
            dho_synth_rectangle(s, x, y, x + side, y + side);
        }
    }
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
    dho_synth_unclip(s);
}

#define MAZE_SIDE 9

/* A perfect maze of n x n cells: walls[y][x] has bit 0 when the cell's right wall is open, bit 1
 * when its lower wall is open. Depth-first search with an explicit stack. */
static void carve_maze(dho_synth_scene *s, int n, unsigned char open[MAZE_SIDE][MAZE_SIDE])
{
    bool seen[MAZE_SIDE][MAZE_SIDE] = {{false}};
    int stack[MAZE_SIDE * MAZE_SIDE], depth = 1;
    memset(open, 0, MAZE_SIDE * MAZE_SIDE);
    stack[0] = 0;
    seen[0][0] = true;
    while (depth > 0) {
        const int x = stack[depth - 1] % n, y = stack[depth - 1] / n;
        const int steps[4][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
        const int from = dho_synth_integer(s, 0, 3);
        int found = -1;
        for (int k = 0; k < 4 && found < 0; k++) {
            const int *step = steps[(from + k) % 4];
            const int u = x + step[0], v = y + step[1];
            if (u >= 0 && v >= 0 && u < n && v < n && !seen[v][u]) found = (from + k) % 4;
        }
        if (found < 0) {
            depth--;
            continue;
        }
        const int u = x + steps[found][0], v = y + steps[found][1];
        seen[v][u] = true;
        open[v < y ? v : y][u < x ? u : x] |= found < 2 ? 1 : 2;
        stack[depth++] = v * n + u;
    }
}

void dho_synth_draw_maze(dho_synth_scene *s)
{
    const int n = dho_synth_integer(s, 6, MAZE_SIDE);
    unsigned char open[MAZE_SIDE][MAZE_SIDE];
    const float side = 2.1f / (float)n, from = -1.05f,
                width = side * dho_synth_range(s, 0.2f, 0.4f);
    carve_maze(s, n, open);
    if (dho_synth_chance(s, 0.8f)) {
        dho_synth_rectangle(s, -1.15f, -1.15f, 1.15f, 1.15f);
        dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    }
    dho_synth_move(s, from + side, from); /* the entrance is the first cell's upper wall */
    dho_synth_line(s, -from, from);
    dho_synth_line(s, -from, -from);
    dho_synth_move(s, -from - side, -from);
    dho_synth_line(s, from, -from);
    dho_synth_line(s, from, from);
    for (int y = 0; y < n; y++) {
        for (int x = 0; x < n; x++) {
            const float x0 = from + side * (float)x, y0 = from + side * (float)y;
            if (x + 1 < n && (open[y][x] & 1) == 0) {
                dho_synth_move(s, x0 + side, y0);
                dho_synth_line(s, x0 + side, y0 + side);
            }
            if (y + 1 < n && (open[y][x] & 2) == 0) {
                dho_synth_move(s, x0, y0 + side);
                dho_synth_line(s, x0 + side, y0 + side);
            }
        }
    }
    dho_synth_stroke(s, width, dho_synth_role(s, DHO_SYNTH_MAIN));
}

void dho_synth_draw_polka_dots(dho_synth_scene *s)
{
    const float pitch = dho_synth_range(s, 0.26f, 0.5f),
                size = pitch * dho_synth_range(s, 0.24f, 0.4f);
    const bool staggered = dho_synth_chance(s, 0.65f), two = dho_synth_chance(s, 0.25f);
    const int count = (int)(2 / pitch) + 1;
    begin_surface(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    for (int pass = 0; pass < (two ? 2 : 1); pass++) {
        for (int j = -count; j <= count; j++) {
            for (int i = -count; i <= count; i++) {
                if (two && ((i + j) & 1) != pass) continue;
                const float shift = staggered && (j & 1) != 0 ? 0.5f : 0;
                dho_synth_ellipse(s, ((float)i + shift) * pitch, (float)j * pitch, size, size, 0);
            }
        }
        dho_synth_fill(s, dho_synth_role(s, pass == 0 ? DHO_SYNTH_MAIN : DHO_SYNTH_ACCENT));
    }
    dho_synth_unclip(s);
}

void dho_synth_draw_zebra_stripes(dho_synth_scene *s)
{
    const float pitch = dho_synth_range(s, 0.24f, 0.42f), sway = dho_synth_range(s, 0.06f, 0.2f);
    const float wave = dho_synth_range(s, 1.5f, 3), phase = dho_synth_range(s, 0, 6);
    const int count = (int)(1.7f / pitch) + 1, steps = 28;
    begin_surface(s, dho_synth_role(s, DHO_SYNTH_SECOND));
    for (int i = -count; i <= count; i++) {
        const float y = (float)i * pitch, lead = dho_synth_range(s, -0.6f, 0.6f);
        /* A stripe ends in a point somewhere, as a zebra's do; most points lie outside. */
        const float end = dho_synth_chance(s, 0.35f) ? dho_synth_range(s, 0.1f, 1) : 3;
        const float direction = dho_synth_chance(s, 0.5f) ? 1.0f : -1.0f;
        for (int k = 0; k <= 2 * steps + 1; k++) {
            const int column = k <= steps ? k : 2 * steps + 1 - k;
            const float x = direction * (-1.6f + 3.2f * (float)column / (float)steps);
            const float middle = y + sway * sinf(wave * x + phase + 0.25f * (float)i) +
                                 0.25f * sway * sinf(2.7f * wave * x + lead);
            const float taper = dho_synth_min(dho_synth_max((end - direction * x) * 1.2f, 0), 1);
            const float half = 0.27f * pitch * taper * (1 + 0.3f * sinf(3 * x + 7 * lead));
            const float edge = middle + (k <= steps ? -half : half);
            if (k == 0) {
                dho_synth_move(s, x, edge);
            } else {
                dho_synth_line(s, x, edge);
            }
        }
        dho_synth_close(s);
    }
    dho_synth_fill(s, dho_synth_role(s, DHO_SYNTH_MAIN));
    dho_synth_unclip(s);
}
