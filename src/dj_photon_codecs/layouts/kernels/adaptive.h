/* What the files of the adaptive layout share: docs/reference/format.md, "Adaptive chunks".

   Float arithmetic in the documented order, never fused: compiled with -ffp-contract=off. */
#ifndef DJ_PHOTON_ADAPTIVE_H
#define DJ_PHOTON_ADAPTIVE_H

#include "processor.h"
#include "rans.h"

#include <stdlib.h>
#include <string.h>

/* Rows are worked on by eight pixels at a time where AVX2 is at hand: the same operations. Only
   static functions are: compilers differ on others. */
#if defined(AVX2) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE_ROWS __attribute__((target_clones("avx2", "default")))
#else
#define WIDE_ROWS
#endif

enum {
    LANES = ADAPTIVE_LANES,
    FEATURES = ADAPTIVE_FEATURES,
    LONG_MEAN = 64,
    FIRST_KEY = 0x3f000000, /* the bits of .5f */
    LAST_KEY = 0x48000000,  /* of 2^17, which no key reaches */
    EDGE = 3,               /* pixels that a row is continued by at both ends */
    MARGIN = 4,             /* room for them, at least */
    DELAY = 4,              /* steps from a lane to the next one, which codes the row below */
    ABOVE = 3,              /* rows above that a pixel is predicted from */
};

/* Features: the constant; means over time and, near and far, over neighbours; the last frame; the
   long mean about the pixel; gated differences; and innovations in the frame itself. */
enum {
    LONG = 1, LONG_NEAR, LONG_FAR, SHORT, SHORT_NEAR, SHORT_FAR,
    LAST, AROUND = LAST + 9, GATED = AROUND + 8, WITHIN = GATED + 5,
};

/* What is known before a frame: images of rows `stride` apart, and rows of what is made of them. */
struct past {
    const struct adaptive_model *model;
    float *room;
    size_t stride;
    float *mean[2], *near[2], *last;                   /* images; the long mean is the first */
    float *sum, *far[2], *reference, *gated, *expected; /* rows; `gated` are five, after the gate */
    float *innovation[ABOVE + 1];                      /* rows of a frame, in turn */
};

static inline uint16_t highest_of(const uint16_t *numbers, size_t count)
{
    uint16_t highest = 0;
    for (size_t i = 0; i < count; i++)
        highest = numbers[i] > highest ? numbers[i] : highest;
    return highest;
}

/* The bits of an expected value from .5 to 2^17, without the dropped ones; NaN counts as .5. */
static inline uint32_t key_of(float expected, uint32_t dropped)
{
    uint32_t bits;
    expected = expected > 0.5f ? expected : 0.5f;
    memcpy(&bits, &expected, sizeof bits);
    bits = bits < LAST_KEY ? bits : LAST_KEY - 1;
    return (bits - FIRST_KEY) >> dropped;
}

static inline size_t keys_of(const struct adaptive_model *model)
{
    return ADAPTIVE_KEYS(model->dropped);
}

/* The entries of all keys of the first frame, and of the others. */
static inline int check_entries(const uint32_t *entries, size_t tables, size_t all)
{
    for (size_t i = 0; i < 2 * all; i++)
        if (entries[i] >> 16 >= tables)
            return KERNEL_DAMAGED;
    return 0;
}

/* Frames 0, 1, 2-3, 4-7, 8-15, and those from 16 on share their weights. */
static inline size_t epoch_of(size_t t)
{
    size_t epoch = 0;
    while (t && epoch < ADAPTIVE_EPOCHS - 1) {
        epoch++;
        t >>= 1;
    }
    return epoch;
}

/* adaptive_past.c */
int past_check(const struct adaptive_model *model);

/* To be freed: past->room, also after an error. */
int past_open(struct past *past, const struct adaptive_model *model);

/* Takes a frame, the t-th, into the means; also into what is blurred, if that is wanted. */
void past_learn(struct past *past, const uint16_t *bins, size_t t, int blurred);

/* Blurs a row of the means: features of the row are made of those up to two rows beside it. */
void past_blur(struct past *past, size_t y);

void past_weigh(const struct adaptive_model *model, size_t t, float weights[FEATURES]);

/* The features of row y but the constant and those within the frame, and the reference. */
void past_features(struct past *past, size_t y, int gated, const float *rows[WITHIN]);

/* What row y is expected to be before any of its frame is known, and its reference. */
void past_predict(struct past *past, size_t y, const float *weights);

/* Rows up and columns right of the pixels whose innovations are features. */
extern const int8_t past_within[FEATURES - WITHIN][2];

/* Adds weighted rows one after the other; those of weight 0 are left out. */
void past_add(float *to, const float *const *rows, const float *weights, int count, size_t width);

/* adaptive_encode.c */
/* Writes 256 times the upper half of the entry of each pixel, and its symbol. */
void encode_places(const uint32_t *entries, const uint16_t *bins, const uint16_t *keys,
                   size_t count, uint32_t *place, size_t stride);

/* Steps between the rows of a lane, which waits between two of them for DELAY steps at least. */
static inline size_t order_period(size_t width)
{
    return width + DELAY > LANES * DELAY ? width + DELAY : LANES * DELAY;
}

#endif
