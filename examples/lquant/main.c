/* lquant: quantizes the tensors of a file. See the help texts below. */
#define _XOPEN_SOURCE 700 /* SIGPROF, SIGVTALRM and SIGXCPU too */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aside.h"
#include "lquant.h"

static const char inspect_help[] =
    "lquant inspect FILE\n"
    "\n"
    "Lists the tensors of a .safetensors or .npy file: type, shape, bytes; the range of\n"
    "floats and how many are not finite; the scheme of quantized ones; the metadata.\n";

static const char quantize_help[] =
    "lquant quantize IN OUT [OPTION...]\n"
    "\n"
    "Quantizes the F32, F16 and BF16 tensors of rank 2 and more in IN (.safetensors, .npy) and\n"
    "copies the others unchanged. OUT is a .safetensors file: codes under the tensor's name,\n"
    "scales under NAME_scale, zero points (affine only) under NAME_zero_point.\n"
    "\n"
    "  --type s8|u8|s4|u4|s2|u2|s16|u16   type of the codes (default: s8)\n"
    "  --symmetric, --affine              the mapping (default: symmetric)\n"
    "  --per-tensor                       one scale for each tensor\n"
    "  --per-channel[=AXIS]               one for each index of AXIS (default, with axis 0)\n"
    "  --per-block=SIZE[@AXIS]            one for SIZE values along AXIS (the last one)\n"
    "  --scale f32|f16|bf16               type of the scales (default: f32)\n"
    "  --only GLOB                        only tensors whose name matches; others are copied\n"
    "  --report FILE                      write the figures of the table as JSON, too\n"
    "\n"
    "An AXIS below 0 counts from the end. The figures are those of the values that\n"
    "'lquant dequantize' writes; bits per weight include scales and zero points.\n"
    "\n"
    "OUT and the report are written under temporary names. OUT gets its own first: where that\n"
    "fails, an older report stays; where only the report's fails, OUT is complete all the same.\n";

static const char dequantize_help[] =
    "lquant dequantize IN OUT\n"
    "\n"
    "Turns a file that 'lquant quantize' wrote back into floats of the original types and\n"
    "shapes. OUT is a .safetensors file.\n";

static const char compare_help[] =
    "lquant compare A B [--report FILE]\n"
    "\n"
    "How far the float tensors of B are from those of A, by name. Either file may be one that\n"
    "'lquant quantize' wrote. Tensors of other types are compared byte by byte, and mentioned\n"
    "where they differ. Every pair of float tensors is listed, whatever its rank; 'type' is\n"
    "B's, bits per weight are those stored in B, and the report's 'nonfinite' counts values\n"
    "left out because either side is NaN or infinite.\n"
    "\n"
    "  --report FILE   write the figures of the table as JSON, too\n"
    "\n"
    "Exit status 1 where a tensor is missing on one side, or does not fit the other one.\n";

static const lquant_command commands[] = {
    {"inspect", 1, "", inspect_help, run_inspect},
    {"quantize", 2,
     " --type  --affine  --symmetric  --per-tensor  --per-channel  --per-block  --scale  --only "
     " --report ",
     quantize_help, run_quantize},
    {"dequantize", 2, "", dequantize_help, run_dequantize},
    {"compare", 2, " --report ", compare_help, run_compare},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *out) {
    fputs("lquant: few-bit integers for the tensors of a file, and back\n"
          "\n"
          "  lquant inspect FILE\n"
          "  lquant quantize IN OUT [OPTION...]\n"
          "  lquant dequantize IN OUT\n"
          "  lquant compare A B [--report FILE]\n"
          "  lquant help [COMMAND]\n"
          "  lquant --version\n"
          "\n"
          "Files are .safetensors or .npy; output is .safetensors. Exit status: 0, 1 where\n"
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
