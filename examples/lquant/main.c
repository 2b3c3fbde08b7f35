/* lquant: quantizes the tensors of a file. See the help texts below. */
#define _XOPEN_SOURCE 700 /* SIGPROF, SIGVTALRM and SIGXCPU too */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aside.h"
#include "lquant.h"
#include "packing.h"

static const char inspect_help[] =
    "lquant inspect FILE\n"
    "\n"
    "Lists the tensors of a .safetensors, .gguf or .npy file: type, shape, bytes; the range of\n"
    "floats and how many are not finite; the scheme of quantized ones; the metadata.\n"
    "Quantized are those of GGUF's types, and those that lquant described in its metadata.\n";

static const char quantize_help[] =
    "lquant quantize IN OUT [OPTION...]\n"
    "\n"
    "Quantizes the F32, F16 and BF16 tensors of rank 2 and more in IN (.safetensors, .gguf,\n"
    ".npy) and copies the others unchanged. OUT is a .safetensors file: codes under the tensor's\n"
    "name, scales under NAME_scale, zero points (affine only) under NAME_zero_point. With\n"
    "--format, OUT is as that format has it; tensors that it does not hold are copied, too.\n"
    "Where nothing is left to quantize, the run fails. A GGUF file holds the tensors, and has a\n"
    "model's own keys, which programs need to run it, only where IN is a GGUF file that has them.\n"
    "Tensors without elements are left out of it.\n"
    "\n"
    "  --type s8|u8|s4|u4|s2|u2|s16|u16   type of the codes (default: s8);\n"
    "                                     floats: --format fp8, mxfp8, mxfp6, mxfp4, nvfp4\n"
    "  --symmetric, --affine              the mapping (default: symmetric)\n"
    "  --per-tensor                       one scale for each tensor\n"
    "  --per-channel[=AXIS]               one for each index of AXIS (default, with axis 0)\n"
    "  --per-block=SIZE[@AXIS]            one for SIZE values along AXIS (the last one)\n"
    "  --scale f32|f16|bf16               type of the scales (default: f32)\n"
    "  --only GLOB                        only tensors whose name matches; others are copied\n"
    "  --report FILE                      write the figures of the table as JSON, too\n"
    "  --calibration STATE                ranges from what 'lquant calibrate' kept in STATE, not\n"
    "                                     from the values in IN\n"
    "  --method NAME, --percentile P, --deviations D\n"
    "                                     with it: as 'lquant help calibrate' has them (mse)\n"
    "  --format NAME                      a format of other software, from the list below\n"
    "  --bits N                           with it, where it has a choice: gptq 2, 3, 4, 8;\n"
    "                                     compressed-tensors 4, 8; matmulnbits 2, 4, 8\n"
    "\n"
    "With --calibration every tensor to be quantized must be in STATE, which also says whether\n"
    "it has one scale or, along which axis, one for each channel.\n"
    "\n"
    "An AXIS below 0 counts from the end. The figures are those of the values that\n"
    "'lquant dequantize' writes; bits per weight include scales and zero points.\n"
    "\n"
    "OUT and the report are written under temporary names. OUT gets its own first: where that\n"
    "fails, an older report stays; where only the report's fails, OUT is complete all the same.\n";

static const char dequantize_help[] =
    "lquant dequantize IN OUT\n"
    "\n"
    "Turns a file that 'lquant quantize' wrote, in whatever format, or any GGUF file back into\n"
    "floats of the original types and shapes (of GGUF: F32). OUT is a .safetensors file.\n";

static const char compare_help[] =
    "lquant compare A B [--report FILE]\n"
    "\n"
    "How far the float tensors of B are from those of A, by name. Either file may be one that\n"
    "'lquant quantize' wrote, or a GGUF file. Tensors of other types are compared byte by byte, "
    "and mentioned\n"
    "where they differ. Every pair of float tensors is listed, whatever its rank; 'type' is\n"
    "B's, bits per weight are those stored in B, and the report's 'nonfinite' counts values\n"
    "left out because either side is NaN or infinite.\n"
    "\n"
    "  --report FILE   write the figures of the table as JSON, too\n"
    "\n"
    "Exit status 1 where a tensor is missing on one side, or does not fit the other one.\n";

static const char calibrate_help[] =
    "lquant calibrate [FILE...] [--state FILE] [OPTION...]\n"
    "\n"
    "Gathers the F32, F16 and BF16 values of any number of .safetensors and .npy files, batches "
    "of\n"
    "which tensors of one name are one stream, and lists the range that each method chooses for\n"
    "it, with the scale, how many values lie outside, and how near their codes would come (SQNR,\n"
    "estimated). What is kept of the values takes little memory, and depends neither on the order\n"
    "of the batches nor on how they are split.\n"
    "\n"
    "  --state FILE           keep it in FILE, and begin with what FILE holds where it is there;\n"
    "                         without batches, only report on it\n"
    "  --method NAME[,NAME]   min-max, percentile, percentile-magnitude, entropy, mse,\n"
    "                         mean-deviation (default: all of them)\n"
    "  --percentile P         of the percentile methods, up to 100 (default: 99.99)\n"
    "  --deviations D         of mean-deviation (default: 3)\n"
    "  --type, --symmetric, --affine, --scale   the codes, as 'lquant help quantize' has them\n"
    "  --per-tensor           one range for each tensor (default)\n"
    "  --per-channel[=AXIS]   one for each index of AXIS (0)\n"
    "  --mantissa-bits K      values that agree in their first K bits of mantissa are one, 1 to "
    "10\n"
    "                         (default: 7, 0.6 MB for a tensor; per channel 2, 18 KB for each)\n"
    "  --sums                 keep the sum of such values, too, which makes estimates finer\n"
    "  --only GLOB            only tensors whose name matches\n"
    "  --name NAME            .npy files are batches of NAME, not of tensors called as the files\n"
    "  --json FILE            write the table as JSON, too; '-' prints that instead\n"
    "  --plot FILE            draw distributions and ranges as SVG\n"
    "\n"
    "A tensor that the state has keeps the options that it began with. All outputs are written\n"
    "under temporary names; where a run fails, the state is as it was.\n";

static const char merge_help[] =
    "lquant merge STATE... -o FILE\n"
    "\n"
    "Writes the state that 'lquant calibrate' would have written for the batches of all these\n"
    "states: the same bytes, in whatever order they are given.\n";

static void print_formats(void) {
    const weight_format *f;
    puts("\nFormats, with bits per weight. Those of OUT.gguf, for llama.cpp and other readers of "
         "GGUF:\n");
    for (size_t i = 0; (f = format_at(i)) != NULL; ++i)
        if (f->file_type >= 0) printf("  %-18s  %6.4g\n", f->name, format_bits(f));
    puts("\nThose of OUT.safetensors, with the tensors that they write:\n");
    for (size_t i = 0; (f = format_at(i)) != NULL; ++i)
        if (f->file_type < 0) printf("  %-18s  %6.4g  %s\n", f->name, format_bits(f), f->holds);
}

static const lquant_command commands[] = {
    {"inspect", 1, 1, "", inspect_help, NULL, run_inspect},
    {"quantize", 2, 2,
     " --type  --affine  --symmetric  --per-tensor  --per-channel  --per-block  --scale  --only "
     " --report  --calibration  --method  --percentile  --deviations  --format  --bits ",
     quantize_help, print_formats, run_quantize},
    {"dequantize", 2, 2, "", dequantize_help, NULL, run_dequantize},
    {"compare", 2, 2, " --report ", compare_help, NULL, run_compare},
    {"calibrate", 0, INT_MAX,
     " --state  --method  --percentile  --deviations  --type  --affine  --symmetric  --scale "
     " --per-tensor  --per-channel  --mantissa-bits  --sums  --only  --name  --json  --plot ",
     calibrate_help, NULL, run_calibrate},
    {"merge", 1, INT_MAX, " -o ", merge_help, NULL, run_merge},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *out) {
    fputs("lquant: few-bit integers for the tensors of a file, and back\n"
          "\n"
          "  lquant inspect FILE\n"
          "  lquant quantize IN OUT [OPTION...]\n"
          "  lquant dequantize IN OUT\n"
          "  lquant compare A B [--report FILE]\n"
          "  lquant calibrate [FILE...] [--state FILE] [OPTION...]\n"
          "  lquant merge STATE... -o FILE\n"
          "  lquant help [COMMAND]\n"
          "  lquant --version\n"
          "\n"
          "Files are .safetensors, .gguf or .npy; output is .safetensors or .gguf. Exit status: 0, "
          "1 where\n"
          "something failed, 2 where the command line is wrong.\n",
          out);
}

/* What is left of an interrupted run: nothing. */
static void on_signal(int number) {
    aside_remove_all();
    if (number == SIGBUS) {
        say_input_changed();
        _exit(EXIT_FAULT);
    }
    signal(number, SIG_DFL);
    raise(number);
}

static void catch_signals(void) {
    static const int fatal[] = {SIGBUS,  SIGINT,  SIGTERM, SIGHUP,    SIGQUIT, SIGABRT,
                                SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; ++i) {
        struct sigaction before;
        /* nohup and the like: a signal that was ignored stays so; a profiler keeps its own. */
        if (sigaction(fatal[i], NULL, &before) == 0 && before.sa_handler != SIG_DFL &&
            fatal[i] != SIGBUS)
            continue;
        action.sa_handler = on_signal;
        sigaction(fatal[i], &action, NULL);
    }
    /* A file size limit and a closed pipe are to be errors of the write. */
    action.sa_handler = SIG_IGN;
    sigaction(SIGXFSZ, &action, NULL);
    sigaction(SIGPIPE, &action, NULL);
}

static const lquant_command *find_command(const char *name) {
    for (int i = 0; i < COMMANDS; ++i)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

static int help_of(const char *name) {
    const lquant_command *command = name ? find_command(name) : NULL;
    if (name && !command) return fail_usage("no command '%s'; see 'lquant help'", name);
    if (command)
        fputs(command->help, stdout);
    else
        print_help(stdout);
    if (command && command->more_help) command->more_help();
    return finish_output();
}

int main(int argc, char **argv) {
    const lquant_command *command;
    lquant_options options;
    int status;
    catch_signals();
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        const int32_t version = lq_version();
        printf("lquant %d.%d.%d\n", (int)(version / 10000), (int)(version / 100 % 100),
               (int)(version % 100));
        return finish_output();
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0)
        return help_of(argc > 2 ? argv[2] : NULL);
    command = find_command(argv[1]);
    if (!command) return fail_usage("no command '%s'; see 'lquant help'", argv[1]);
    for (int i = 2; i < argc; ++i) {
        if (strcmp(argv[i], "--") == 0) break;
        if (strcmp(argv[i], "--help") == 0) return help_of(command->name);
    }
    status = parse_options(argc - 2, argv + 2, command, &options);
    if (status == 0) status = command->run(&options);
    if (status == 0) status = finish_output();
    return status;
}
