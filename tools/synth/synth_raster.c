/* Coverage of paths and the laying of paint. Fills are exact areas: every edge adds its signed
 * area to the pixels it crosses, and a running sum along the row gives each pixel's coverage.
 * Strokes are the largest coverage of their segments, by distance. */
#include "synth/synth_draw.h"

#include <math.h>
#include <string.h>

/* The pixels that a path may touch: [x0, x1) x [y0, y1). */
typedef struct extent {
    int x0, y0, x1, y1;
} extent;

static size_t contour_end(const dho_synth_scene *s, size_t contour)
{
    return contour + 1 < s->contour_count ? s->contours[contour + 1].first : s->point_count;
}

static void end_path(dho_synth_scene *s)
{
    s->point_count = s->contour_count = 0;
    s->next_is_hole = false;
}

static int clamp_int(float value, int low, int high)
{
    if (!(value > (float)low)) return low;
    return value < (float)high ? (int)value : high;
}

static extent path_extent(const dho_synth_scene *s, float margin)
{
    float x0 = 1e9f, y0 = 1e9f, x1 = -1e9f, y1 = -1e9f;
    for (size_t i = 0; i < s->point_count; i++) {
        x0 = dho_synth_min(x0, s->points[2 * i]);
        x1 = dho_synth_max(x1, s->points[2 * i]);
        y0 = dho_synth_min(y0, s->points[2 * i + 1]);
        y1 = dho_synth_max(y1, s->points[2 * i + 1]);
    }
    return (extent){clamp_int(floorf(x0 - margin), 0, s->width),
                    clamp_int(floorf(y0 - margin), 0, s->height),
                    clamp_int(ceilf(x1 + margin) + 1, 0, s->width),
                    clamp_int(ceilf(y1 + margin) + 1, 0, s->height)};
}

/* Mean of max(0, t - x) over x uniform in [a, b]: the area left of t that an edge leaves. */
static float area_before(float t, float a, float b)
{
    if (t <= a) return 0;
    if (t >= b) return t - 0.5f * (a + b);
    return (t - a) * (t - a) / (2 * (b - a));
}

/* One edge's part inside one row: from x = a to b, `weight` its signed height. Writes differences
 * whose running sum is the area to the right of the edge. */
static void add_row(float *row, int width, float a, float b, float weight)
{
    if (a > b) {
        const float swap = a;
        a = b;
        b = swap;
    }
    a = dho_synth_min(dho_synth_max(a, 0), (float)width);
    b = dho_synth_min(dho_synth_max(b, 0), (float)width);
    const int first = (int)a, last = (int)b;
    if (first == last) {
        const float right = 1 - (0.5f * (a + b) - (float)first);
        row[first] += weight * right;
        row[first + 1] += weight * (1 - right);
        return;
    }
    float before = 0, covered = 0;
    for (int k = first; k <= last + 1; k++) {
        const float area = area_before((float)(k + 1), a, b);
        row[k] += weight * (area - before - covered);
        covered = area - before;
        before = area;
    }
}

static void add_edge(dho_synth_scene *s, const float *from, const float *to, float sign)
{
    float x0 = from[0], y0 = from[1], x1 = to[0], y1 = to[1];
    if (y0 == y1) return;
    if (y0 > y1) {
        x0 = to[0], y0 = to[1], x1 = from[0], y1 = from[1];
        sign = -sign;
    }
    const float slope = (x1 - x0) / (y1 - y0);
    const int top = clamp_int(floorf(y0), 0, s->height);
    const int bottom = clamp_int(ceilf(y1), 0, s->height);
    for (int y = top; y < bottom; y++) {
        const float upper = dho_synth_max(y0, (float)y), lower = dho_synth_min(y1, (float)(y + 1));
        if (lower <= upper) continue;
        add_row(s->coverage + (size_t)y * (size_t)(s->width + 2), s->width,
                x0 + (upper - y0) * slope, x0 + (lower - y0) * slope, sign * (lower - upper));
    }
}

static float twice_area(const float *points, size_t count)
{
    float sum = 0;
    for (size_t i = 0; i < count; i++) {
        const float *p = points + 2 * i, *q = points + 2 * ((i + 1) % count);
        sum += p[0] * q[1] - p[1] * q[0];
    }
    return sum;
}

/* Coverage of the path's inside, 0 .. 1, into s->coverage over the extent. */
static void cover_inside(dho_synth_scene *s, extent e)
{
    for (size_t c = 0; c < s->contour_count; c++) {
        const size_t first = s->contours[c].first, count = contour_end(s, c) - first;
        const float *points = s->points + 2 * first;
        /* Every contour turns the same way, so that overlaps unite; holes turn the other way. */
        float sign = twice_area(points, count) < 0 ? -1.0f : 1.0f;
        if (s->contours[c].hole) sign = -sign;
        for (size_t i = 0; i < count; i++)
            add_edge(s, points + 2 * i, points + 2 * ((i + 1) % count), sign);
    }
    for (int y = e.y0; y < e.y1; y++) {
        float *row = s->coverage + (size_t)y * (size_t)(s->width + 2), sum = 0;
        for (int x = e.x0; x < e.x1; x++) {
            sum += row[x];
            row[x] = dho_synth_min(fabsf(sum), 1);
        }
    }
}

static void cover_segment(dho_synth_scene *s, const float *p, const float *q, float half)
{
    const float reach = half + 1, dx = q[0] - p[0], dy = q[1] - p[1];
    const float inverse = 1 / dho_synth_max(dx * dx + dy * dy, 1e-12f);
    const int x0 = clamp_int(floorf(dho_synth_min(p[0], q[0]) - reach), 0, s->width);
    const int x1 = clamp_int(ceilf(dho_synth_max(p[0], q[0]) + reach), 0, s->width);
    const int y0 = clamp_int(floorf(dho_synth_min(p[1], q[1]) - reach), 0, s->height);
    const int y1 = clamp_int(ceilf(dho_synth_max(p[1], q[1]) + reach), 0, s->height);
    for (int y = y0; y < y1; y++) {
        float *row = s->coverage + (size_t)y * (size_t)(s->width + 2);
        for (int x = x0; x < x1; x++) {
            const float u = (float)x + 0.5f - p[0], v = (float)y + 0.5f - p[1];
            const float t = dho_synth_min(dho_synth_max((u * dx + v * dy) * inverse, 0), 1);
            const float a = u - t * dx, b = v - t * dy;
            const float covered = half + 0.5f - sqrtf(a * a + b * b);
            row[x] = dho_synth_max(row[x], dho_synth_min(covered, dho_synth_min(2 * half, 1)));
        }
    }
}

/* Coverage of a line of the given width (pixels) along the path. */
static void cover_line(dho_synth_scene *s, float width)
{
    for (size_t c = 0; c < s->contour_count; c++) {
        const size_t first = s->contours[c].first, count = contour_end(s, c) - first;
        const float *points = s->points + 2 * first;
        const size_t segments = s->contours[c].closed ? count : count - 1;
        for (size_t i = 0; i < segments; i++)
            cover_segment(s, points + 2 * i, points + 2 * ((i + 1) % count), width / 2);
    }
}

/* c, d: cosine and sine of the paint's angle. */
static dho_synth_colour pattern_colour(const dho_synth_scene *s, const dho_synth_paint *paint,
                                       float c, float d, float x, float y)
{
    if (paint->pattern == DHO_SYNTH_PLAIN) return paint->first;
    const float dx = (x - s->pose.x) / s->pose.scale, dy = (y - s->pose.y) / s->pose.scale;
    const float turn_x = s->cosine, turn_y = s->sine;
    const float u = dx * turn_x + dy * turn_y, v = dy * turn_x - dx * turn_y;
    const float f = paint->frequency;
    float t = 0;
    switch (paint->pattern) {
    case DHO_SYNTH_LINEAR:
        t = 0.5f + 0.5f * (u * c + v * d);
        break;
    case DHO_SYNTH_RADIAL:
        t = sqrtf(u * u + v * v);
        break;
    case DHO_SYNTH_STRIPES:
        t = 0.5f + 3 * (fabsf((u * c + v * d) * f - floorf((u * c + v * d) * f) - 0.5f) - 0.25f);
        break;
    case DHO_SYNTH_SPOTS: {
        const float a = (u * c + v * d) * f, b = (v * c - u * d) * f;
        const float p = a - floorf(a) - 0.5f, q = b - floorf(b) - 0.5f;
        t = (0.32f - sqrtf(p * p + q * q)) * 8;
        break;
    }
    case DHO_SYNTH_MARBLE:
        t = 3 * (dho_synth_octaves(s, u * f + 9, v * f + 5, 2) - 0.35f);
        break;
    default:
        break;
    }
    return dho_synth_mix(paint->first, paint->second, dho_synth_min(dho_synth_max(t, 0), 1));
}

/* The light and the grain of the surface at a pixel: a factor. */
static float shade(const dho_synth_scene *s, float x, float y)
{
    float factor =
        1 + (s->light_x * (x - s->pose.x) + s->light_y * (y - s->pose.y)) / s->pose.scale;
    if (s->grain > 0) factor += s->grain * (dho_synth_noise(s, x * 0.31f, y * 0.31f) - 0.5f);
    return dho_synth_min(dho_synth_max(factor, 0.35f), 1.6f);
}

static void blend(float *pixel, dho_synth_colour colour, float factor, float alpha)
{
    pixel[0] += alpha * (dho_synth_min(colour.r * factor, 1) - pixel[0]);
    pixel[1] += alpha * (dho_synth_min(colour.g * factor, 1) - pixel[1]);
    pixel[2] += alpha * (dho_synth_min(colour.b * factor, 1) - pixel[2]);
}

/* Lays paint through the coverage and zeroes it. */
static void lay(dho_synth_scene *s, extent e, const dho_synth_paint *paint, bool lit)
{
    const size_t width = (size_t)s->width;
    const float c = cosf(paint->angle), d = sinf(paint->angle);
    for (int y = e.y0; y < e.y1; y++) {
        float *row = s->coverage + (size_t)y * (width + 2);
        const size_t at = (size_t)y * width;
        for (int x = e.x0; x < e.x1; x++) {
            float alpha = row[x] * paint->alpha;
            if (alpha <= 0) continue;
            if (s->clipped) alpha *= s->clip[at + (size_t)x];
            if (s->silhouetting) {
                s->silhouette[at + (size_t)x] = dho_synth_max(s->silhouette[at + (size_t)x], alpha);
                continue;
            }
            const float px = (float)x + 0.5f, py = (float)y + 0.5f;
            blend(s->rgb + 3 * (at + (size_t)x), pattern_colour(s, paint, c, d, px, py),
                  lit ? shade(s, px, py) : 1, alpha);
        }
        /* The differences reach two columns past the extent. */
        memset(row + e.x0, 0, (size_t)(s->width + 2 - e.x0) * sizeof *row);
    }
}

/* Lines in the style's ink along the path, each pass with its own tremor. */
static void draw_outline(dho_synth_scene *s, float width)
{
    const dho_synth_paint ink = dho_synth_plain(s->style.ink, 0.9f);
    const float margin = width + s->style.tremor + 2;
    for (int pass = 0; pass < s->style.passes; pass++) {
        if (s->style.tremor > 0) {
            const float away = dho_synth_range(s, 0, 60);
            for (size_t i = 0; i < s->point_count; i++) {
                float *p = s->points + 2 * i;
                const float a = p[0] * 0.07f + away, b = p[1] * 0.07f + away;
                p[0] += s->style.tremor * (2 * dho_synth_noise(s, a, b) - 1);
                p[1] += s->style.tremor * (2 * dho_synth_noise(s, a + 17, b + 29) - 1);
            }
        }
        cover_line(s, width);
        lay(s, path_extent(s, margin), &ink, false);
    }
}

/* What a fill's paint becomes in the scene's style. */
static dho_synth_paint styled(const dho_synth_scene *s, dho_synth_paint paint)
{
    if (s->silhouetting) return paint;
    if (s->style.sketch) {
        const float dark = s->style.tone * (1 - dho_synth_luma(paint.first));
        paint.first = dho_synth_mix(s->style.paper, s->style.ink, dark);
    }
    if (s->style.flat) paint.pattern = DHO_SYNTH_PLAIN;
    paint.alpha *= s->style.fill_alpha;
    return paint;
}

/* Several contours that may overlap: their outline goes beneath the fill, or it would show the
 * lines inside the union. */
static bool needs_union(const dho_synth_scene *s)
{
    bool holes = false;
    for (size_t c = 0; c < s->contour_count; c++) holes = holes || s->contours[c].hole;
    return s->contour_count > 1 && !holes;
}

void dho_synth_fill(dho_synth_scene *s, dho_synth_paint paint)
{
    const float outline = s->silhouetting || paint.alpha <= 0.5f ? 0 : s->style.outline;
    const bool beneath = needs_union(s);
    if (s->status == DHO_OK && s->contour_count > 0) {
        const dho_synth_paint used = styled(s, paint);
        if (outline > 0 && beneath) draw_outline(s, 2 * outline);
        const extent e = path_extent(s, 1);
        if (e.x0 < e.x1 && e.y0 < e.y1) {
            cover_inside(s, e);
            lay(s, e, &used, !s->style.flat);
        }
        if (outline > 0 && !beneath) draw_outline(s, outline);
    }
    end_path(s);
}

void dho_synth_stroke(dho_synth_scene *s, float width, dho_synth_paint paint)
{
    const float pixels = dho_synth_max(width * s->pose.scale, 0.7f);
    const float outline = s->style.outline;
    if (s->status == DHO_OK && s->contour_count > 0) {
        dho_synth_paint used = styled(s, paint);
        const bool outlined = outline > 0 && !s->silhouetting && paint.alpha > 0.5f;
        if (outlined && pixels <= 2 * outline) {
            draw_outline(s, dho_synth_max(pixels * 0.8f, outline)); /* too thin for an inside */
        } else {
            if (outlined) {
                draw_outline(s, pixels + outline);
                used.alpha = 1; /* the inside must hide the ink */
            }
            cover_line(s, outlined ? dho_synth_max(pixels - outline, 1) : pixels);
            lay(s, path_extent(s, pixels + 2), &used, !s->style.flat);
        }
    }
    end_path(s);
}

void dho_synth_clip(dho_synth_scene *s)
{
    const extent e = path_extent(s, 1);
    memset(s->clip, 0, (size_t)s->width * (size_t)s->height * sizeof *s->clip);
    if (s->status == DHO_OK && s->contour_count > 0 && e.x0 < e.x1 && e.y0 < e.y1) {
        cover_inside(s, e);
        for (int y = e.y0; y < e.y1; y++) {
            float *row = s->coverage + (size_t)y * (size_t)(s->width + 2);
            memcpy(s->clip + (size_t)y * (size_t)s->width + e.x0, row + e.x0,
                   (size_t)(e.x1 - e.x0) * sizeof *row);
            memset(row + e.x0, 0, (size_t)(s->width + 2 - e.x0) * sizeof *row);
        }
    }
    s->clipped = true;
    end_path(s);
}

void dho_synth_unclip(dho_synth_scene *s)
{
    s->clipped = false;
}
