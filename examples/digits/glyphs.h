/* Draws digits, no two alike: the training and test data of this example. */
#ifndef DIGITS_GLYPHS_H
#define DIGITS_GLYPHS_H

#include "random.h"

enum { IMAGE_SIDE = 16, IMAGE_PIXELS = IMAGE_SIDE * IMAGE_SIDE };

/*
 * Draws `digit` (0 to 9) in a random style, at a random place, size, angle, slant, pen width
 * and contrast, with wobbly strokes and noise. Pixels are 0 (paper) to 1 (ink).
 */
void glyph_draw(int digit, struct random *random, float image[IMAGE_PIXELS]);

#endif
