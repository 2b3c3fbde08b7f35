/*
 * digits: what quantization does to a network, from beginning to end and without any files.
 *
 * Draws digits, trains a small network on them, saves its weights, quantizes them to 8, 4 and
 * 2 bits with scales per tensor, per channel and per block, and shows what is left: how many
 * fresh digits are still read correctly, in how many bytes. Then runs the network on integers, with
 * activations quantized as they come and by calibration, after rounding the weights and after
 * training that knows of the rounding; and compares methods of calibration, on data that is clean and
 * on data that is not.
 */
#include <stdio.h>
#include <string.h>

#include "aware.h"
#include "integer.h"
#include "quantize.h"
#include "save.h"
#include "train.h"

struct options {
    const char *out;
    struct training training;
    struct training aware; /* begins where the other ends */
    int calibration;       /* digits to calibrate on */
    int tests;
};

static const struct options full = {
    "digits.safetensors", {10, 32768, 0.05f, 1}, {3, 32768, 0.02f, 4}, 2000, 5000};
static const struct options quick = {
    "digits.safetensors", {3, 4096, 0.05f, 1}, {2, 4096, 0.02f, 4}, 1000, 1000};

static const char usage[] =
    "usage: digits [--quick] [--out FILE]\n"
    "\n"
    "Trains a small network on digits that it draws itself, quantizes its weights, and shows\n"
    "what that does to its accuracy and size.\n"
    "\n"
    "  --quick      train less and test on fewer digits: the numbers are worse, and there soon\n"
    "  --out FILE   where to write the float weights (default: digits.safetensors)\n"
    "  --help       this text\n";

/* Digits from 0 to 9, five in a row; a character stands for two pixels, one above the other. */
static void show_samples(void) {
    enum { PER_ROW = 5 };
    static const char shades[] = "  .:-=+*#@";
    static float images[PER_ROW][IMAGE_PIXELS];
    struct random random = {6};

    for (int first = 0; first < CLASSES; first += PER_ROW) {
        for (int i = 0; i < PER_ROW; i++) glyph_draw(first + i, &random, images[i]);
        for (int y = 0; y < IMAGE_SIDE; y += 2) {
            for (int i = 0; i < PER_ROW * IMAGE_SIDE; i++) {
                const float *pixel = &images[i / IMAGE_SIDE][y * IMAGE_SIDE + i % IMAGE_SIDE];

                putchar(shades[(int)((pixel[0] + pixel[IMAGE_SIDE]) * 0.5f * 9.99f)]);
            }
            putchar('\n');
        }
    }
}

/* One row of the table; sqnr_db is NULL for the network itself. */
static void show_row(const char *type, const char *scales, double right, int64_t bytes,
                     const double *sqnr_db) {
    char sqnr[32] = "-";
    char bar[] = "....................";

    if (sqnr_db) snprintf(sqnr, sizeof sqnr, "%.1f", *sqnr_db);
    memset(bar, '#', (size_t)(right * (double)(sizeof bar - 1) + 0.5));
    printf("%-8s  %-12s  %6.2f %%  %s  %7lld  %6.1fx  %7s\n", type, scales, 100.0 * right, bar,
           (long long)bytes, (double)sizeof(struct network) / (double)bytes, sqnr);
}

static int show_table(const struct network *network, int tests) {
    static const struct {
        const char *name;
        lq_type type;
    } widths[] = {{"int8", LQ_S8}, {"int4", LQ_S4}, {"int2", LQ_S2}};
    /* The rows of a matrix are the layer's outputs; a block is 32 weights of one output. */
    const struct {
        const char *name;
        lq_block block;
    } scales[] = {{"per tensor", lq_per_tensor()},
                  {"per channel", lq_per_channel(0)},
                  {"blocks of 32", lq_per_block(1, 32)}};
    static struct quantized quantized;

    printf("%-8s  %-12s  %8s  %-20s  %7s  %7s  %7s\n", "weights", "scales", "accuracy", "", "bytes",
           "smaller", "SQNR dB");
    show_row("float32", "-", accuracy(network, tests), (int64_t)sizeof *network, NULL);
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        for (size_t s = 0; s < sizeof scales / sizeof scales[0]; s++) {
            lq_scheme scheme = lq_symmetric(widths[w].type, scales[s].block);

            if (quantize_network(network, &scheme, &quantized)) return -1;
            show_row(widths[w].name, scales[s].name, accuracy(&quantized.network, tests),
                     quantized.bytes, &quantized.sqnr_db);
        }
    }
    printf("\nBytes are those of codes, float16 scales and float32 biases; SQNR is that of all\n"
           "weights together. Guessing reads %d %% correctly.\n",
           100 / CLASSES);
    return 0;
}

/* Quantizes the weights, and calibrates 8-bit activations by their range over clean digits. */
static int make_static(const struct network *network, const lq_scheme *scheme, int calibration,
                       struct integer_network *integer) {
    const lq_calibration min_max = lq_calibration_by(LQ_METHOD_MIN_MAX);
    struct statistics statistics;
    int failed = statistics_observe(network, CLEAN, calibration, &statistics) ||
                 integer_make(network, scheme, integer) ||
                 integer_calibrate(integer, &statistics, &min_max, 255);

    statistics_free(&statistics);
    return failed ? -1 : 0;
}

/* One row of the second table. */
static int show_ways(const char *name, const struct network *rounded, const struct network *trained,
                     const lq_scheme *scheme, const struct options *options) {
    static struct integer_network integer;
    const struct network *networks[] = {rounded, trained};

    printf("%-8s", name);
    for (int n = 0; n < 2; n++) {
        if (make_static(networks[n], scheme, options->calibration, &integer)) return -1;
        for (int way = DYNAMIC; way <= STATIC; way++) {
            double right = integer_accuracy(&integer, (enum way)way, options->tests);

            if (right < 0) return -1;
            printf("  %8.2f %%", 100.0 * right);
        }
    }
    printf("\n");
    return 0;
}

static int show_integer_table(const struct network *network, const struct options *options) {
    /* Bytes hold the codes of all widths; a range makes them narrower. */
    static const struct {
        const char *name;
        int32_t most;
    } widths[] = {{"int8", 127}, {"int4", 7}, {"int3", 3}, {"int2", 1}};
    static struct network aware;

    printf("\nThe same on integers, with activations of 8 bits and a scale for each output:\n\n");
    printf("%-8s  %-22s  %-22s\n", "", "weights rounded", "weights trained for it");
    printf("%-8s  %10s  %10s  %10s  %10s\n", "weights", "dynamic", "static", "dynamic", "static");
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_channel(0));

        scheme.qmin = -widths[w].most;
        scheme.qmax = widths[w].most;
        aware = *network;
        fflush(stdout);
        if (train_aware(&aware, &options->aware, &scheme)) return -1;
        if (show_ways(widths[w].name, network, &aware, &scheme, options)) return -1;
    }
    printf(
        "\nDynamic: each image's activations get a scale of their own. Static: all have the one\n"
        "that calibration chose, and integers go from layer to layer.\n");
    return 0;
}

/* One row of the third table: clean and polluted data, at each width. */
static int show_method(const lq_calibration *calibration, const struct statistics statistics[2],
                       struct integer_network *integer, int tests) {
    static const int32_t most[] = {255, 15};
    char name[64];

    snprintf(name, sizeof name, "%s", lq_method_name(calibration->method));
    if (calibration->percentile > 0)
        snprintf(name, sizeof name, "%s, %g", lq_method_name(calibration->method),
                 calibration->percentile);
    printf("%-18s", name);
    for (int data = CLEAN; data <= POLLUTED; data++) {
        for (size_t w = 0; w < sizeof most / sizeof most[0]; w++) {
            double right;

            if (integer_calibrate(integer, &statistics[data], calibration, most[w])) return -1;
            right = integer_accuracy(integer, STATIC, tests);
            if (right < 0) return -1;
            printf("  %8.2f %%", 100.0 * right);
        }
    }
    printf("\n");
    return 0;
}

static int show_methods(const struct network *network, const struct statistics statistics[2],
                        int tests) {
    static const struct {
        lq_method method;
        double percentile;
    } rows[] = {{LQ_METHOD_MIN_MAX, 0},       {LQ_METHOD_MOVING_AVERAGE, 0},
                {LQ_METHOD_PERCENTILE, 99.9}, {LQ_METHOD_PERCENTILE, 99.99},
                {LQ_METHOD_ENTROPY, 0},       {LQ_METHOD_MSE, 0},
                {LQ_METHOD_MEAN_DEVIATION, 0}};
    static struct integer_network integer;
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_channel(0));

    if (integer_make(network, &scheme, &integer)) return -1;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        lq_calibration calibration = lq_calibration_by(rows[r].method);

        calibration.percentile = rows[r].percentile;
        if (show_method(&calibration, statistics, &integer, tests)) return -1;
    }
    return 0;
}

static int show_calibration_table(const struct network *network, const struct options *options) {
    const int count = options->calibration;
    struct statistics statistics[2] = {0};
    int failed;

    printf(
        "\nThe static scales by each method of calibration, for activations of 8 and 4 bits with\n"
        "weights of 8 bits:\n\n");
    printf("%-18s  %-22s  %s\n", "", "on clean digits", "on polluted digits");
    printf("%-18s  %10s  %10s  %10s  %10s\n", "method", "int8", "int4", "int8", "int4");
    failed = statistics_observe(network, CLEAN, count, &statistics[CLEAN]) ||
             statistics_observe(network, POLLUTED, count, &statistics[POLLUTED]) ||
             show_methods(network, statistics, options->tests);
    for (int data = CLEAN; data <= POLLUTED; data++) statistics_free(&statistics[data]);
    if (failed) return -1;
    printf(
        "\nPolluted: in one of a thousand digits for calibration, four pixels are fifty times as\n"
        "bright as ink. Calibration sees %d digits; those that are read are clean.\n",
        count);
    return 0;
}

/* Returns 1 to go on, 0 when there is nothing more to do, -1 for a wrong command line. */
static int read_options(int argc, char **argv, struct options *options) {
    const char *out = full.out;

    *options = full;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--quick") == 0) {
            *options = quick;
        } else if (strcmp(argv[i], "--out") == 0 && i + 1 < argc) {
            out = argv[++i];
        } else {
            fprintf(stderr, "digits: %s: %s\n\n%s", argv[i],
                    strcmp(argv[i], "--out") == 0 ? "a file name is missing" : "unknown argument",
                    usage);
            return -1;
        }
    }
    options->out = out;
    return 1;
}

static int run(const struct options *options) {
    static struct network network;

    show_samples();
    fflush(stdout);
    network_init(&network, &(struct random){options->training.seed});
    if (train(&network, &options->training, NULL)) return -1;
    if (network_save(&network, options->out)) return -1;
    printf("\n%d weights and %d biases, saved in %s.\n", WEIGHTS, BIASES, options->out);
    printf("How many of %d fresh digits the network reads correctly:\n\n", options->tests);
    if (show_table(&network, options->tests)) return -1;
    if (show_integer_table(&network, options)) return -1;
    return show_calibration_table(&network, options);
}

int main(int argc, char **argv) {
    struct options options;
    int go_on = read_options(argc, argv, &options);

    if (go_on < 0) return 2;
    if (go_on > 0 && run(&options)) return 1;
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "digits: standard output cannot be written\n");
        return 1;
    }
    return 0;
}
