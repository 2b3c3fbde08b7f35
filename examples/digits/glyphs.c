#include "glyphs.h"

#include <math.h>
#include <string.h>

/*
 * Each digit in three styles. A style is a list of strokes, a stroke a list of points "xy" on a
 * grid of 9 by 9 whose origin is at the upper left. A stroke that begins with ~ is a smooth curve
 * through its points, any other one is made of straight lines.
 */
enum { STYLES = 3 };

/* clang-format off */
static const char *const glyph_styles[10][STYLES] = {
    {"~40 11 04 17 48 77 84 71 40", "~40 21 14 27 48 67 74 61 40",
     "~40 11 04 17 48 77 84 71 40,62 26"},
    {"40 48", "12 40 48", "22 40 48,18 68"},
    {"~12 30 60 72 64 18,18 78", "~02 20 51 63 08,08 78", "~12 40 72 45 17 16 37 78"},
    {"~11 40 72 34,~34 76 48 07", "10 70 33,~33 75 67 38 06", "~11 50 61 34 66 58 17"},
    {"20 05 75,53 58", "58 50 05 85", "10 15 75,60 68"},
    {"70 20 14,~14 43 76 48 07", "80 10 03,~03 52 85 58 07", "~71 31 23 54 66 48 17"},
    {"~61 23 05 27 58 76 54 15", "~50 13 06 38 66 44 15", "70 16,~16 44 76 48 16"},
    {"00 80 38", "00 80 38,24 74", "02 00 70,~70 54 48"},
    {"~40 12 44 72 40,~44 06 48 86 44", "~61 30 12 44 76 48 16 44 72 61",
     "~40 21 43 61 40,~43 15 48 75 43"},
    {"~40 12 44 72 40,72 68", "~72 40 12 44 72 76 48 17", "~71 40 12 34 72,72 78"},
};
/* clang-format on */

enum { MAX_POINTS = 12, CURVE_PARTS = 5 };

struct point {
    float x, y;
};

/* Where the glyph's grid lies in the image, and how the pen draws. */
struct pen {
    float xx, xy, yx, yy; /* from grid to pixels */
    float x, y;           /* the grid's center in pixels */
    float wobble;         /* of each point, in units of the grid */
    float radius;         /* in pixels */
};

static struct pen random_pen(struct random *random) {
    float angle = random_uniform(random, -0.32f, 0.32f);
    float shear = random_uniform(random, -0.25f, 0.25f);
    float height = random_uniform(random, 1.05f, 1.55f);
    float width = height * random_uniform(random, 0.55f, 0.95f);
    float c = cosf(angle);
    float s = sinf(angle);
    struct pen pen;

    pen.xx = c * width;
    pen.xy = (c * shear - s) * height;
    pen.yx = s * width;
    pen.yy = (s * shear + c) * height;
    pen.x = 0.5f * (float)IMAGE_SIDE + random_uniform(random, -1.75f, 1.75f);
    pen.y = 0.5f * (float)IMAGE_SIDE + random_uniform(random, -1.75f, 1.75f);
    pen.wobble = 0.32f;
    pen.radius = random_uniform(random, 0.45f, 1.15f);
    return pen;
}

/* Places the points of a stroke in the image and returns how many there are. */
static int place_points(const char *stroke, const struct pen *pen, struct random *random,
                        struct point points[MAX_POINTS]) {
    int count = 0;

    for (const char *p = stroke; *p && *p != ',' && count < MAX_POINTS; count++) {
        float x = (float)(p[0] - '4') + pen->wobble * random_normal(random);
        float y = (float)(p[1] - '4') + pen->wobble * random_normal(random);

        points[count].x = pen->x + pen->xx * x + pen->xy * y;
        points[count].y = pen->y + pen->yx * x + pen->yy * y;
        /* A stroke that returns to its beginning stays closed. */
        if (count > 0 && memcmp(p, stroke, 2) == 0) points[count] = points[0];
        p += p[2] == ' ' ? 3 : 2;
    }
    return count;
}

static float distance_to_segment(float x, float y, struct point a, struct point b) {
    float dx = b.x - a.x;
    float dy = b.y - a.y;
    float length2 = dx * dx + dy * dy;
    float t = length2 > 0.0f ? ((x - a.x) * dx + (y - a.y) * dy) / length2 : 0.0f;

    t = t < 0.0f ? 0.0f : t > 1.0f ? 1.0f : t;
    dx = x - a.x - t * dx;
    dy = y - a.y - t * dy;
    return sqrtf(dx * dx + dy * dy);
}

/* The pixels from `low` to `high`, rounded outwards, as far as they are in the image. */
static int first_pixel(float low) {
    return low <= 0.0f ? 0 : (int)low;
}

static int last_pixel(float high) {
    return high >= (float)IMAGE_SIDE ? IMAGE_SIDE - 1 : high < 0.0f ? -1 : (int)high;
}

/* A straight line with round ends; a pixel at its edge is covered in part. */
static void draw_line(struct point a, struct point b, float radius, float *image) {
    float reach = radius + 0.5f;
    int top = first_pixel(fminf(a.y, b.y) - reach);
    int bottom = last_pixel(fmaxf(a.y, b.y) + reach);
    int left = first_pixel(fminf(a.x, b.x) - reach);
    int right = last_pixel(fmaxf(a.x, b.x) + reach);

    for (int y = top; y <= bottom; y++) {
        for (int x = left; x <= right; x++) {
            float ink = reach - distance_to_segment((float)x + 0.5f, (float)y + 0.5f, a, b);
            float *pixel = &image[y * IMAGE_SIDE + x];

            ink = ink > 1.0f ? 1.0f : ink;
            if (ink > *pixel) *pixel = ink;
        }
    }
}

/* The point at t (0 to 1) between b and c, on the Catmull-Rom curve through a, b, c and d. */
static float curve_at(float a, float b, float c, float d, float t) {
    return b +
           0.5f * t *
               (c - a + t * (2.0f * a - 5.0f * b + 4.0f * c - d + t * (3.0f * (b - c) + d - a)));
}

static void draw_curve(const struct point *points, int count, float radius, float *image) {
    int last = count - 1;
    int closed = points[0].x == points[last].x && points[0].y == points[last].y;

    for (int i = 0; i < last; i++) {
        struct point a = points[i > 0 ? i - 1 : closed ? last - 1 : 0];
        struct point d = points[i + 2 <= last ? i + 2 : closed ? 1 : last];
        struct point from = points[i];

        for (int part = 1; part <= CURVE_PARTS; part++) {
            float t = (float)part / (float)CURVE_PARTS;
            struct point to;

            to.x = curve_at(a.x, points[i].x, points[i + 1].x, d.x, t);
            to.y = curve_at(a.y, points[i].y, points[i + 1].y, d.y, t);
            draw_line(from, to, radius, image);
            from = to;
        }
    }
}

static void draw_stroke(const char *stroke, const struct pen *pen, struct random *random,
                        float *image) {
    struct point points[MAX_POINTS];
    int curved = *stroke == '~';
    int count = place_points(stroke + curved, pen, random, points);

    if (curved) {
        draw_curve(points, count, pen->radius, image);
        return;
    }
    for (int i = 1; i < count; i++) draw_line(points[i - 1], points[i], pen->radius, image);
}

void glyph_draw(int digit, struct random *random, float image[IMAGE_PIXELS]) {
    const char *stroke = glyph_styles[digit][random_below(random, STYLES)];
    struct pen pen = random_pen(random);
    float contrast = random_uniform(random, 0.55f, 1.0f);
    float noise = random_uniform(random, 0.05f, 0.22f);

    memset(image, 0, IMAGE_PIXELS * sizeof image[0]);
    while (stroke) {
        draw_stroke(stroke, &pen, random, image);
        stroke = strchr(stroke, ',');
        if (stroke) stroke++;
    }
    for (int i = 0; i < IMAGE_PIXELS; i++) {
        float value = contrast * image[i] + noise * random_normal(random);

        image[i] = value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value;
    }
}
