#include "gguf_bytes.h"

#include <string.h>

#include "scratch.h"

void put(blob *b, uint64_t value, int width) {
    for (int i = 0; i < width; ++i) b->bytes[b->size++] = (unsigned char)(value >> 8 * i);
}

static void put_marked(blob *b, mark m, uint64_t value, int width) {
    b->at[m] = b->size;
    put(b, value, width);
}

void put_text(blob *b, const char *text) {
    put(b, strlen(text), 8);
    memcpy(b->bytes + b->size, text, strlen(text));
    b->size += strlen(text);
}

static void put_pairs(blob *b) {
    b->at[KEY_LENGTH] = b->size;
    b->at[KEY] = b->size + 8;
    put_text(b, "general.name");
    put_marked(b, PAIR_TYPE, 8, 4);
    b->at[TEXT_LENGTH] = b->size;
    put_text(b, "good");
    put_text(b, "strings");
    put(b, 9, 4);
    put_marked(b, ARRAY_TYPE, 8, 4);
    put_marked(b, ARRAY_COUNT, 2, 8);
    b->at[STRING_LENGTH] = b->size;
    put_text(b, "a");
    put_text(b, "");
    put_text(b, "yes");
    put(b, 7, 4);
    put_marked(b, BOOL, 1, 1);
    put_text(b, "nested");
    put(b, 9, 4);
    put_marked(b, NEST_TYPE, 9, 4);
    put_marked(b, NEST_COUNT, 1, 8);
    put(b, 3, 4);
    put(b, 2, 8);
    put(b, 0xffff, 2);
    put(b, 7, 2);
    b->at[ALIGNMENT_KEY] = b->size + 8;
    put_text(b, "general.alignment");
    put_marked(b, ALIGNMENT_TYPE, 4, 4);
    put_marked(b, ALIGNMENT, 64, 4);
}

static void put_tensors(blob *b) {
    b->at[NAME_LENGTH] = b->size;
    b->at[NAME] = b->size + 8;
    put_text(b, "first");
    put_marked(b, RANK, 2, 4);
    put_marked(b, DIMENSION, 3, 8);
    put(b, 2, 8);
    put_marked(b, TYPE, 0, 4);
    put_marked(b, OFFSET, 0, 8);
    b->at[SECOND_NAME] = b->size + 8;
    put_text(b, "secnd");
    put(b, 2, 4);
    put_marked(b, SECOND_DIMENSION, 64, 8);
    put_marked(b, SECOND_ROWS, 3, 8);
    put_marked(b, SECOND_TYPE, 2, 4);
    put_marked(b, SECOND_OFFSET, 64, 8);
    put_text(b, "third");
    put(b, 1, 4);
    put_marked(b, THIRD_DIMENSION, 5, 8);
    put(b, 24, 4);
    put_marked(b, THIRD_OFFSET, 192, 8);
}

void make_good(blob *b, uint32_t version) {
    memset(b, 0, sizeof *b);
    b->at[MAGIC] = 0;
    memcpy(b->bytes, "GGUF", 4);
    b->size = 4;
    put_marked(b, VERSION, version, 4);
    put_marked(b, TENSORS, 3, 8);
    put_marked(b, PAIRS, 5, 8);
    put_pairs(b);
    put_tensors(b);
    b->size = (b->size + 63) / 64 * 64;
    b->at[DATA] = b->size;
    for (int i = 0; i < 6; ++i) {
        const float value = (float)i;
        scratch_floats(b->bytes + b->size + 4 * i, &value, 1);
    }
    for (size_t i = 0; i < 108; ++i) b->bytes[b->size + 64 + i] = (unsigned char)(i + 1);
    for (size_t i = 0; i < 5; ++i) b->bytes[b->size + 192 + i] = (unsigned char)(100 + i);
    b->size += 197;
}
