/* SPDX-License-Identifier: MIT */
/* What the files of the adaptive layout share: docs/reference/format.md, "Adaptive chunks".

   Float arithmetic in the documented order, never fused: compiled with -ffp-contract=off. */
#ifndef DJ_PHOTON_ADAPTIVE_H
#define DJ_PHOTON_ADAPTIVE_H

#include "processor.h"
#include "rans.h"

#include <stdlib.h>
#include <string.h>

enum {
    LANES = ADAPTIVE_LANES,
    FEATURES = ADAPTIVE_FEATURES,
    LONG_MEAN = 64,
    FIRST_KEY = 0x3f000000, /* the bits of .5f */
    LAST_KEY = 0x48000000,  /* of 2^17, which no key reaches */
    EDGE = 3,               /* pixels that a row is continued by at both ends */
    MARGIN = LANES,         /* room for them, and for a vector */
    DELAY = 4,              /* steps from a lane to the next one, which codes the row below */
    ABOVE = 3,              /* rows above that a pixel is predicted from */
    BELOW = 3,              /* rows below, likewise, as they were before */
    RING = 8,               /* rows that are kept of what is made of the means */
};

/* Features: the constant; means over time and, near and far, over neighbours; the last frame; the
   long mean about the pixel; gated differences; and innovations in the frame itself. */
enum {
    LONG = 1, LONG_NEAR, LONG_FAR, SHORT, SHORT_NEAR, SHORT_FAR,
    LAST, AROUND = LAST + 9, GATED = AROUND + 8, WITHIN = GATED + 5,
};

/* What is known before a pixel: images of rows `stride` apart, the last rows of what is made of
   them, row y at y % RING, and rows of the features of one row. It points into itself, and stays
   where it was opened. */
struct past {
    const struct adaptive_model *model; /* `whole` */
    struct adaptive_model whole;        /* has a value for any bin: a movie may change */
    const void *bins;                   /* of 8 or 16 bits */
    size_t itemsize;
    float *room;
    size_t stride;
    int is_whole;                                /* bins are taken for their number, plus 1 */
    float *mean[2];                              /* images; the long mean is the first */
    float *near[2], *last;                       /* rings */
    float *far[2], *reference, *gated, *value, *expected; /* rows; `gated` are five */
    float *innovation[ABOVE + 1];                /* rows of a frame, in turn */
};

/* Numbers of 8 or 16 bits, from one of them on, with 16: where they are, or copied. */
static inline const uint16_t *words_of(const void *numbers, size_t itemsize, size_t from,
                                       size_t count, uint16_t *room)
{
    const uint8_t *bytes = (const uint8_t *)numbers + from;
    if (itemsize == 2)
        return (const uint16_t *)numbers + from;
    for (size_t i = 0; i < count; i++)
        room[i] = bytes[i];
    return room;
}

static inline unsigned highest_of(const void *numbers, size_t itemsize, size_t count)
{
    const uint8_t *bytes = numbers;
    const uint16_t *words = numbers;
    uint8_t byte = 0;
    uint16_t word = 0;
    for (size_t i = 0; i < count && itemsize == 1; i++)
        byte = bytes[i] > byte ? bytes[i] : byte;
    for (size_t i = 0; i < count && itemsize == 2; i++)
        word = words[i] > word ? words[i] : word;
    return itemsize == 1 ? byte : word;
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
int past_open(struct past *past, const struct adaptive_model *model, const void *bins,
              size_t itemsize);

/* Takes row y of the frame before the t-th, if there are both, into the means. */
void past_learn(struct past *past, size_t t, size_t y);

/* Blurs row y of the means, if there is one; those beside it must be known. */
void past_blur(struct past *past, ptrdiff_t y);

/* The features of row y but the constant, and the reference; those up to BELOW rows below must be
   known, and those up to two rows beside it blurred. */
void past_features(struct past *past, size_t y, int gated, const float *rows[FEATURES]);

/* The values and innovations of row y, whose features were made; before a frame there are none. */
void past_innovate(struct past *past, size_t t, size_t y);
void past_forget(struct past *past);

void past_weigh(const struct adaptive_model *model, size_t t, float weights[FEATURES]);

/* Also what row y is expected to be with the weights of features, and the keys of that. */
void past_expect(struct past *past, size_t t, size_t y, const float *weights, uint16_t *keys);

/* Rows up and columns right of the pixels whose innovations are features. */
extern const int8_t past_within[FEATURES - WITHIN][2];

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
