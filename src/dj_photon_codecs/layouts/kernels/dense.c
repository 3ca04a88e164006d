/* SPDX-License-Identifier: MIT */
/* Decodes photon.dense: docs/reference/format.md, "The filter photon.dense".

   Float arithmetic in the documented order, never fused: compiled with -ffp-contract=off. */
#include "rans.h"

#include <stdlib.h>
#include <string.h>

enum { LONG_MEAN = 64, SHORT_MEAN = 2, DROPPED_BITS = 13 };
static const uint32_t CODER_LEAST = (uint32_t)1 << 16, FIRST_KEY = 0x3f000000u >> DROPPED_BITS;
static const float DARKEST = 0.5f, BRIGHTEST = 33554432.0f;

/* Images of one frame: the two running means, their sums over neighbours, and room. */
struct images {
    float *mean[2], *near[2], *far[2], *room, *expected;
    uint32_t *symbol, *key, *number;
};

struct stream {
    uint32_t *coders;
    size_t count;
    const uint16_t *word, *end;
    uint32_t missing; /* whether a word was wanted after the last one */
};

/* (before + here) + (here + after); what is outside counts as the pixel itself once more. */
static void sum_rows(const float *from, float *to, size_t height, size_t width, size_t distance)
{
    size_t step = distance * width;
    if (height <= 2 * distance) {
        for (size_t i = 0; i < height * width; i++)
            to[i] = from[i] * 4;
        return;
    }
    for (size_t i = 0; i < step; i++)
        to[i] = (from[i] + from[i]) + (from[i] + from[i + step]);
    for (size_t i = step; i < height * width - step; i++)
        to[i] = (from[i - step] + from[i]) + (from[i] + from[i + step]);
    for (size_t i = height * width - step; i < height * width; i++)
        to[i] = (from[i] + from[i]) + (from[i - step] + from[i]);
}

static void sum_images(const struct images *images, int which, size_t height, size_t width)
{
    float *room = images->room, *near = images->near[which], *far = images->far[which];
    sum_rows(images->mean[which], room, height, width, 1);
    for (size_t y = 0; y < height; y++)
        sum_rows(room + y * width, near + y * width, width, 1, 1);
    sum_rows(near, room, height, width, 2);
    for (size_t y = 0; y < height; y++)
        sum_rows(room + y * width, far + y * width, width, 1, 2);
}

/* The keys are below DENSE_KEYS, since what is predicted lies between the limits; what is no number
   counts as the lower one. */
static void predict_keys(const struct images *images, const int32_t *weights, size_t pixels)
{
    static const double units[] = {0x1p14, 0x1p18, 0x1p22, 0x1p14, 0x1p18, 0x1p22, 0x1p14};
    float factor[DENSE_FEATURES];
    for (int i = 0; i < DENSE_FEATURES; i++)
        factor[i] = (float)(weights[i] / units[i]);
    const float *l0 = images->mean[0], *l1 = images->near[0], *l2 = images->far[0];
    const float *s0 = images->mean[1], *s1 = images->near[1], *s2 = images->far[1];
    for (size_t i = 0; i < pixels; i++) {
        float sum = factor[6] + factor[0] * l0[i];
        sum = sum + factor[1] * l1[i];
        sum = sum + factor[2] * l2[i];
        sum = sum + factor[3] * s0[i];
        sum = sum + factor[4] * s1[i];
        sum = sum + factor[5] * s2[i];
        sum = sum > DARKEST ? sum : DARKEST;
        images->expected[i] = sum < BRIGHTEST ? sum : BRIGHTEST;
    }
    for (size_t i = 0; i < pixels; i++) {
        uint32_t bits;
        memcpy(&bits, images->expected + i, sizeof bits);
        images->key[i] = (bits >> DROPPED_BITS) - FIRST_KEY;
    }
}

/* What a coder becomes with its next word, if it needs one; there may be none. */
static inline uint32_t refill(uint32_t coder, struct stream *stream)
{
    if (stream->word != stream->end)
        return rans_refill(coder, CODER_LEAST, &stream->word);
    stream->missing |= coder < CODER_LEAST;
    return coder;
}

static void read_symbols(struct stream *stream, const struct dense_chunk *chunk,
                         const uint32_t *restrict key, uint32_t *restrict symbol, size_t count)
{
    struct stream local = *stream;
    for (size_t i = 0; i < count; i++) {
        uint32_t coder = local.coders[i];
        uint32_t entry = chunk->slots[chunk->first_slot[key[i]] + (coder & (RANS_SLOTS - 1))];
        symbol[i] = entry & 255;
        local.coders[i] = refill(rans_take(coder, entry), &local);
    }
    *stream = local;
}

/* Puts the low bits under the symbols; those of an escape are none. */
static void read_low_bits(struct stream *stream, const struct dense_chunk *chunk,
                          const uint32_t *restrict key, uint32_t *restrict symbol, size_t count)
{
    struct stream local = *stream;
    for (size_t i = 0; i < count; i++) {
        uint32_t coder = local.coders[i], escaped = symbol[i] == RANS_ESCAPE;
        uint32_t bits = escaped ? 0 : chunk->low[key[i]];
        uint32_t number = symbol[i] << bits | (coder & (((uint32_t)1 << bits) - 1));
        symbol[i] = escaped ? UINT32_MAX : number;
        local.coders[i] = refill(coder >> bits, &local);
    }
    *stream = local;
}

/* The coders take turns at the pixels. */
static void read_pixels(struct stream *stream, const struct dense_chunk *chunk,
                        const struct images *images, size_t pixels, int any_low)
{
    for (size_t i = 0; i < pixels; i += stream->count)
        read_symbols(stream, chunk, images->key + i, images->symbol + i,
                     smaller(stream->count, pixels - i));
    for (size_t i = 0; any_low && i < pixels; i += stream->count)
        read_low_bits(stream, chunk, images->key + i, images->symbol + i,
                      smaller(stream->count, pixels - i));
}

static int number_pixels(const struct dense_chunk *chunk, const struct images *images,
                         uint32_t escape, const uint32_t **escapes)
{
    const uint32_t *end = chunk->escapes + chunk->escape_count;
    for (size_t i = 0; i < chunk->height * chunk->width; i++) {
        uint32_t symbol = images->symbol[i];
        if (symbol == escape) {
            if (*escapes == end)
                return KERNEL_DAMAGED;
            symbol = *(*escapes)++;
        }
        images->number[i] = chunk->base[images->key[i]] + symbol;
        if (images->number[i] > chunk->top)
            return KERNEL_DAMAGED;
    }
    return 0;
}

static void store(const uint32_t *number, void *numbers, size_t first, size_t pixels,
                  size_t itemsize)
{
    uint8_t *bytes = (uint8_t *)numbers + first * itemsize;
    memset(bytes, 0, itemsize == 8 ? pixels * 8 : 0);
    for (size_t i = 0; i < pixels && itemsize == 1; i++)
        bytes[i] = (uint8_t)number[i];
    for (size_t i = 0; i < pixels && itemsize == 2; i++)
        memcpy(bytes + 2 * i, number + i, 2);
    for (size_t i = 0; i < pixels && itemsize > 2; i++)
        memcpy(bytes + itemsize * i, number + i, 4);
}

static void learn(float *mean, const uint32_t *number, size_t pixels, size_t length)
{
    float rate = 1.0f / (float)length;
    for (size_t i = 0; i < pixels; i++)
        mean[i] = mean[i] + (((float)number[i] + 1.0f) - mean[i]) * rate;
}

static int decode_frames(const struct dense_chunk *chunk, const struct images *images, int any_low,
                         void *numbers, size_t itemsize)
{
    size_t pixels = chunk->height * chunk->width;
    struct stream stream = {chunk->coders, chunk->coder_count, chunk->words,
                            chunk->words + chunk->word_count, 0};
    const uint32_t *escapes = chunk->escapes;
    for (size_t t = 0; t < chunk->frames; t++) {
        sum_images(images, 0, chunk->height, chunk->width);
        sum_images(images, 1, chunk->height, chunk->width);
        predict_keys(images, chunk->weights + t * DENSE_FEATURES, pixels);
        read_pixels(&stream, chunk, images, pixels, any_low);
        uint32_t escape = any_low ? UINT32_MAX : RANS_ESCAPE;
        if (stream.missing || number_pixels(chunk, images, escape, &escapes))
            return KERNEL_DAMAGED;
        store(images->number, numbers, t * pixels, pixels, itemsize);
        learn(images->mean[0], images->number, pixels, smaller(t + 1, LONG_MEAN));
        learn(images->mean[1], images->number, pixels, smaller(t + 1, SHORT_MEAN));
    }
    for (size_t i = 0; i < stream.count; i++)
        if (stream.coders[i] != CODER_LEAST)
            return KERNEL_DAMAGED;
    return stream.word == stream.end && escapes == chunk->escapes + chunk->escape_count
               ? 0 : KERNEL_DAMAGED;
}

/* Whether every key has a whole table, and no more low bits than a coder holds. */
static int check_keys(const struct dense_chunk *chunk, int *any_low)
{
    if (chunk->slot_count < RANS_SLOTS || !chunk->coder_count || chunk->top >= 1 << 24)
        return KERNEL_MISFIT;
    *any_low = 0;
    for (size_t key = 0; key < DENSE_KEYS; key++) {
        if (chunk->first_slot[key] > chunk->slot_count - RANS_SLOTS || chunk->low[key] > 16)
            return KERNEL_MISFIT;
        *any_low |= chunk->low[key];
    }
    return 0;
}

int dense_decode(const struct dense_chunk *chunk, void *numbers, size_t itemsize)
{
    size_t pixels = chunk->height * chunk->width;
    int any_low, error = check_keys(chunk, &any_low);
    if (error || !pixels || !chunk->frames) /* without any, nothing bounds the size of a frame */
        return error;
    float *room = malloc(pixels * 11 * sizeof(float));
    if (!room)
        return KERNEL_MEMORY;
    for (size_t i = 0; i < 2 * pixels; i++)
        room[i] = chunk->start;
    struct images images = {
        .mean = {room, room + pixels},
        .near = {room + 2 * pixels, room + 3 * pixels},
        .far = {room + 4 * pixels, room + 5 * pixels},
        .room = room + 6 * pixels,
        .expected = room + 7 * pixels,
        .symbol = (uint32_t *)(void *)(room + 8 * pixels),
        .key = (uint32_t *)(void *)(room + 9 * pixels),
        .number = (uint32_t *)(void *)(room + 10 * pixels),
    };
    error = decode_frames(chunk, &images, any_low, numbers, itemsize);
    free(room);
    return error;
}
