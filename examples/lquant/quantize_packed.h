/* 'lquant quantize --format', as far as it differs. */
#ifndef QUANTIZE_PACKED_H
#define QUANTIZE_PACKED_H

#include "lquant.h"
#include "packing.h"
#include "report.h"

/* What the options choose; the format is NULL without --format. 0, or EXIT_USAGE, said. */
int choose_format(const lquant_options *o, packing_choice *choice);

/* The pairs of a GGUF file: those of the input, and what its format adds. */
void declare_pairs(tw_writer *w, const tf_file *file, const weight_format *f);

void declare_packing(tw_writer *w, const packing *p);

/* 0, -1 where the writer failed and holds the message, or EXIT_FAULT with the fault said. */
int write_packed(tw_writer *w, const char *path, const tf_tensor *t, const packing *p, figures *f);

#endif
