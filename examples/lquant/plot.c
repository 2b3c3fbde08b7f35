#define _POSIX_C_SOURCE 200809L
#include "plot.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "panel.h"
#include "report.h"

/* In pixels. */
enum {
    LEFT = 150, /* of the first panel: the names of the methods */
    WIDE = PANEL_WIDE,
    BETWEEN = 24, /* panels */
    FIGURE = 76,  /* a figure of the methods; there are two */
    TOP = 48,     /* heading */
    TITLE = 34,   /* name of the tensor, and what a panel shows */
    HIGH = 110,   /* the distribution */
    TICKS = 20,   /* numbers below it */
    LANE = 13,    /* a method's range */
    BELOW = 26,   /* a tensor */
};

struct plot {
    FILE *svg;
    char *text; /* of svg */
    size_t size;
    double y; /* how far it is drawn */
};

/* Okabe and Ito's colors, which people with any color vision tell apart. */
static const char *color_of(int lane) {
    static const char *const colors[] = {"#000000", "#0072b2", "#e69f00", "#009e73",
                                         "#cc79a7", "#d55e00", "#56b4e9"};
    return colors[(size_t)lane % (sizeof colors / sizeof *colors)];
}

static const char background[] = "#eaf1f7", bars[] = "#a9b4be", frame[] = "#888888";

/* ------------------------------------------------------------------------- text */

/* What is left of a name by tf_printable, without what XML takes for its own or does not have. */
static void put_escaped(FILE *svg, const char *text) {
    for (; *text; ++text) {
        switch (*text) {
        case '&': fputs("&amp;", svg); break;
        case '<': fputs("&lt;", svg); break;
        case '>': fputs("&gt;", svg); break;
        default:
            if (strncmp(text, "\xef\xbf\xbe", 3) == 0 || strncmp(text, "\xef\xbf\xbf", 3) == 0) {
                fputc('?', svg); /* U+FFFE and U+FFFF */
                text += 2;
            } else {
                fputc(*text, svg);
            }
        }
    }
}

static void put_text(const plot *p, double x, double y, const char *attributes, const char *text) {
    fprintf(p->svg, "<text x=\"%.4g\" y=\"%.5g\"%s>", x, y, attributes);
    put_escaped(p->svg, text);
    fputs("</text>\n", p->svg);
}

static void put_line(const plot *p, double x1, double y1, double x2, double y2, const char *color) {
    fprintf(p->svg, "<path d=\"M%.4g %.5gL%.4g %.5g\" stroke=\"%s\"/>\n", x1, y1, x2, y2, color);
}

static void put_box(const plot *p, double x, double y, double width, double height,
                    const char *color) {
    fprintf(p->svg, "<rect x=\"%.4g\" y=\"%.5g\" width=\"%.4g\" height=\"%.4g\" fill=\"%s\"/>\n", x,
            y, width, height, color);
}

/* ----------------------------------------------------------------------- drawing */

/* The distance of ticks: 1, 2 or 5 times a power of ten, for four to eight of them. */
static double tick_step(double width) {
    const double power = pow(10.0, floor(log10(width / 4)));
    const double steps = width / 4 / power;
    return power * (steps >= 5 ? 5 : steps >= 2 ? 2 : 1);
}

static void draw_ticks(const plot *p, const panel *a) {
    const double step = tick_step(a->high - a->low), y = p->y + HIGH;
    for (double i = ceil(a->low / step); i * step <= a->high; ++i) {
        char number[32];
        const double x = panel_place(a, i * step);
        snprintf(number, sizeof number, "%.6g", i * step + 0.0);
        put_line(p, x, y, x, y + 4, frame);
        put_text(p, x, y + 15, " class=\"n\"", number);
    }
}

/* The height of a count: an empty column has none, and one value some. */
static double height_of(double count, double most) {
    return count > 0 ? fmax(1.0, HIGH * (log10(count) + 0.3) / (log10(most) + 0.3)) : 0.0;
}

static void draw_distribution(const plot *p, const panel *a, double most) {
    const double bottom = p->y + HIGH;
    int run = 0;
    fprintf(p->svg, "<path fill=\"%s\" d=\"M%g %g", bars, a->x, bottom);
    for (int i = 0; i < PANEL_COLUMNS; i += run) {
        const double height = height_of(a->count[i], most);
        for (run = 1; i + run < PANEL_COLUMNS && height_of(a->count[i + run], most) == height;
             ++run) {}
        fprintf(p->svg, "V%.0fh%d", bottom - height, PANEL_COLUMN * run);
    }
    fprintf(p->svg, "V%gZ\"/>\n", bottom);
    put_line(p, a->x, bottom, a->x + WIDE, bottom, frame);
    draw_ticks(p, a);
}

/* "100", "10k", "1G": powers of a thousand by their letter. */
static void power_text(char *out, size_t size, int power) {
    static const char letters[] = " kMGT";
    static const int units[] = {1, 10, 100};
    if (power < 3)
        snprintf(out, size, "%d", units[power]);
    else
        snprintf(out, size, "%d%c", units[power % 3], letters[power / 3]);
}

/* Powers of ten at the left, at most five of them. */
static void draw_counts(const plot *p, const panel *a, double most) {
    const double bottom = p->y + HIGH;
    const int every = (int)ceil(log10(most) / 4);
    for (int power = 0; pow(10.0, power) <= most; power += every) {
        const double y = bottom - height_of(pow(10.0, power), most);
        char number[32];
        power_text(number, sizeof number, power);
        put_line(p, a->x - 4, y, a->x, y, frame);
        put_text(p, a->x - 7, y + 3.5, " class=\"e\"", number);
    }
    put_line(p, a->x, bottom, a->x, bottom - HIGH, frame);
}

/* A bar in the method's lane, and a line up through the distribution where it ends in the panel. */
static void draw_range(const plot *p, const panel *a, const method_ranges *r, int lane) {
    const double middle = p->y + HIGH + TICKS + LANE * (lane + 0.5);
    const double ends[] = {(double)r->lowest, (double)r->highest};
    const double from = fmax(ends[0], a->low), to = fmin(ends[1], a->high);
    if (from <= to)
        put_box(p, panel_place(a, from), middle - 2.5,
                fmax(panel_place(a, to) - panel_place(a, from), 1.0), 5.0, color_of(lane));
    for (int i = 0; i < 2; ++i) {
        const double x = panel_place(a, ends[i]);
        if (ends[i] < a->low || ends[i] > a->high) continue;
        put_line(p, x, p->y, x, p->y + HIGH, color_of(lane));
        put_line(p, x, middle - 5, x, middle + 5, color_of(lane));
    }
}

static void draw_lane(const plot *p, const panel *panels, const method_ranges *r, int lane,
                      int best) {
    const double y = p->y + HIGH + TICKS + LANE * (lane + 0.5) + 4;
    const char *weight = best ? " class=\"e b\"" : " class=\"e\"";
    char words[32], outside[32];
    put_text(p, LEFT - 7, y, " class=\"e\"", lq_method_name(r->method));
    if (r->status != LQ_OK) return;
    for (int i = 0; i < 2; ++i) draw_range(p, &panels[i], r, lane);
    put_text(p, panels[1].x + WIDE + FIGURE, y, weight, decibels(r->sqnr_db, words, sizeof words));
    snprintf(outside, sizeof outside, r->outside < 0.01 ? "%.2g %%" : "%.3g %%",
             100.0 * r->outside);
    put_text(p, panels[1].x + WIDE + 2 * FIGURE, y, weight, outside);
}

static void draw_panels(const plot *p, const lq_calibrator *calibrator, const lq_summary *summary,
                        const method_ranges *ranges, int methods) {
    const int64_t channels = ranges[0].channels;
    panel panels[] = {
        panel_of(LEFT, (double)summary->min, (double)summary->max),
        panel_of_middle(LEFT + WIDE + BETWEEN, calibrator, channels, summary),
    };
    const panel *all = &panels[0], *middle = &panels[1];
    const double right = middle->x + WIDE;
    double best = -INFINITY, most;
    put_box(p, panel_place(all, middle->low), p->y,
            panel_place(all, middle->high) - panel_place(all, middle->low), HIGH, background);
    put_box(p, middle->x, p->y, WIDE, HIGH, background);
    put_text(p, all->x, p->y - 5, "", "all values; shaded: as at the right");
    put_text(p, middle->x, p->y - 5, "", "the middle 99.9 %");
    put_text(p, right + FIGURE, p->y + HIGH + TICKS - 5, " class=\"e\"", "SQNR, dB");
    put_text(p, right + 2 * FIGURE, p->y + HIGH + TICKS - 5, " class=\"e\"", "outside");
    for (int i = 0; i < 2; ++i) panel_fill(&panels[i], calibrator, channels);
    most = fmax(panel_most(all), panel_most(middle));
    for (int i = 0; i < 2; ++i) draw_distribution(p, &panels[i], most);
    draw_counts(p, all, most);
    for (int m = 0; m < methods; ++m)
        if (ranges[m].status == LQ_OK) best = fmax(best, ranges[m].sqnr_db);
    for (int m = 0; m < methods; ++m)
        draw_lane(p, panels, &ranges[m], m, ranges[m].sqnr_db == best);
}

/* ------------------------------------------------------------------------ the file */

plot *plot_begin(const lquant_options *o) {
    plot *p = need(calloc(1, sizeof *p));
    char line[200];
    p->svg = need(open_memstream(&p->text, &p->size));
    p->y = TOP;
    snprintf(line, sizeof line, "Calibration for %s %s codes", lq_type_name(o->code_type),
             o->mapping == LQ_AFFINE ? "affine" : "symmetric");
    put_text(p, 12, 20, " class=\"t\"", line);
    put_text(p, 12, 37, "",
             "How many values (logarithmic) lie where; below, the range that each method clips to, "
             "with the estimated SQNR and the share of values outside.");
    return p;
}

void plot_add(plot *p, const char *name, const lq_calibrator *calibrator, const lq_summary *summary,
              const method_ranges *ranges, int methods) {
    char shown[TF_SHOWN_SIZE], more[80] = "";
    char title[TF_SHOWN_SIZE + 160];
    if (summary->count <= 0)
        snprintf(more, sizeof more, "no finite values");
    else if (ranges[0].channels > 1)
        snprintf(more, sizeof more,
                 "%" PRId64 " values, %" PRId64 " channels: their outermost ends", summary->count,
                 ranges[0].channels);
    else
        snprintf(more, sizeof more, "%" PRId64 " values", summary->count);
    snprintf(title, sizeof title, "%s: %s", tf_printable(name, TF_SHOWN, shown), more);
    put_text(p, LEFT, p->y + 14, " class=\"t\"", title);
    p->y += TITLE;
    if (summary->count > 0) {
        draw_panels(p, calibrator, summary, ranges, methods);
        p->y += HIGH + TICKS + LANE * methods;
    }
    p->y += BELOW;
}

aside *plot_write(plot *p, const char *path, char *message, size_t message_size) {
    const int width = LEFT + 2 * WIDE + BETWEEN + 2 * FIGURE + 10;
    char head[512];
    aside *file;
    snprintf(head, sizeof head,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
             "font-family=\"sans-serif\" font-size=\"11\" fill=\"#222\">\n"
             "<style>.e{text-anchor:end}.n{text-anchor:middle}.b{font-weight:bold}"
             ".t{font-size:13px;font-weight:bold}</style>\n"
             "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
             width, p->y);
    fputs("</svg>\n", p->svg);
    need(fflush(p->svg) == 0 ? p : NULL);
    file = aside_open(path, message, message_size);
    if (file && (aside_write(file, head, strlen(head)) != 0 ||
                 aside_write(file, p->text, p->size) != 0 || aside_prepare(file) != 0)) {
        aside_abort(file);
        file = NULL;
    }
    return file;
}

void plot_free(plot *p) {
    if (!p) return;
    fclose(p->svg);
    free(p->text);
    free(p);
}
