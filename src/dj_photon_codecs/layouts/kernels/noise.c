/* SPDX-License-Identifier: MIT */
/* Measures how the noise of pixels grows with their brightness, and whether frames are steady. */
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A segment in all frames: its sum in each, and of each pixel the squares of its changes. */
#define SUM_SEGMENT(name, item) \
    static void name(const item *numbers, size_t frames, size_t stride, size_t width, \
                     uint32_t *restrict totals, size_t apart, uint64_t *restrict changes) \
    { \
        for (size_t t = 0; t < frames; t++, numbers += stride) { \
            const item *before = numbers - (t ? stride : 0); \
            uint32_t total = 0; \
            for (size_t i = 0; i < width; i++) { \
                int64_t change = (int64_t)numbers[i] - before[i]; \
                total += numbers[i]; \
                changes[i] += (uint64_t)(change * change); \
            } \
            totals[t * apart] = total; \
        } \
    }

SUM_SEGMENT(sum_bytes, uint8_t)
SUM_SEGMENT(sum_words, uint16_t)

/* Pixels in segments, and what these add up to. */
struct sample {
    size_t frames, pixels, segments, width;
    uint64_t *changes, *order, *sorted; /* of each pixel; its sum << 32 | place; room to sort */
    double *apart, *scale;              /* of a frame, from the mean of each segment; its unit */
    uint32_t *totals;                   /* (frames, segments) */
};

/* The variance of the noise of a number of pixels, of what is ever dark not less than some. */
static double variance_of(uint64_t changes, double pixels, size_t frames)
{
    double found = (double)changes / (pixels * (double)(2 * (frames - 1)));
    double least = 0.3 / (double)frames + 0.01;
    return found > least ? found : least;
}

/* Sorts pixels by their sums, those that are equal by place: a byte of the sums at a time. */
static void sort_pixels(struct sample *sample)
{
    for (unsigned shift = 32; shift < 64; shift += 8) {
        size_t first[257] = {0};
        for (size_t i = 0; i < sample->pixels; i++)
            first[(sample->order[i] >> shift & 255) + 1]++;
        for (size_t i = 0; i < 256; i++)
            first[i + 1] += first[i];
        for (size_t i = 0; i < sample->pixels; i++)
            sample->sorted[first[sample->order[i] >> shift & 255]++] = sample->order[i];
        uint64_t *other = sample->order;
        sample->order = sample->sorted;
        sample->sorted = other;
    }
}

static size_t find_knots(const struct sample *sample, double *knots, size_t room)
{
    size_t frames = sample->frames;
    size_t groups = smaller(room, sample->pixels), found = 0;
    double *mean = knots, *variance = knots + room, *depth = knots + 2 * room;
    for (size_t k = 0; k < groups; k++) {
        size_t first = k * sample->pixels / groups, last = (k + 1) * sample->pixels / groups;
        uint64_t sum = 0, changes = 0;
        for (size_t i = first; i < last; i++) {
            sum += sample->order[i] >> 32;
            changes += sample->changes[sample->order[i] & UINT32_MAX];
        }
        double number = (double)(last - first);
        mean[found] = (double)sum / (number * (double)frames);
        if (found && mean[found] <= mean[found - 1])
            continue;
        variance[found] = variance_of(changes, number, frames);
        depth[found] = 0;
        if (found)
            depth[found] = depth[found - 1] + (mean[found] - mean[found - 1]) /
                                                  sqrt((variance[found] + variance[found - 1]) / 2);
        found++;
    }
    return found;
}

/* The value with k smaller ones, of which some may be equal; others change places. */
static double select_value(double *values, ptrdiff_t count, ptrdiff_t k)
{
    for (ptrdiff_t first = 0, last = count - 1; first < last;) {
        double middle = values[k];
        ptrdiff_t i = first, j = last;
        while (i <= j) {
            while (values[i] < middle)
                i++;
            while (values[j] > middle)
                j--;
            if (i <= j) {
                double other = values[i];
                values[i++] = values[j];
                values[j--] = other;
            }
        }
        first = j < k ? i : first;
        last = k < i ? j : last;
    }
    return values[k];
}

/* The mean square of the median of segments, which a few pixels that flash do not change. */
static double find_unsteady(const struct sample *sample)
{
    size_t frames = sample->frames, segments = sample->segments;
    ptrdiff_t count = (ptrdiff_t)segments;
    double *scale = sample->scale, squares = 0;
    uint64_t *sums = sample->sorted;
    for (size_t s = 0; s < segments; s++) {
        uint64_t changes = 0;
        for (size_t i = 0; i < sample->width; i++)
            changes += sample->changes[s * sample->width + i];
        scale[s] = (double)(frames * sample->width) *
                   sqrt(variance_of(changes, (double)sample->width, frames));
        sums[s] = 0;
        for (size_t t = 0; t < frames; t++)
            sums[s] += sample->totals[t * segments + s];
    }
    for (size_t t = 0; t < frames; t++) {
        for (size_t s = 0; s < segments; s++) {
            uint64_t total = sample->totals[t * segments + s];
            int64_t above = (int64_t)(total * frames - sums[s]);
            sample->apart[s] = (double)above / scale[s];
        }
        double middle = select_value(sample->apart, count, (count - 1) / 2), next = INFINITY;
        for (ptrdiff_t s = count / 2; s < count; s++) /* from the same one on, if it is alone */
            next = sample->apart[s] < next ? sample->apart[s] : next;
        squares += (middle + next) * (middle + next);
    }
    return squares / (double)(4 * frames);
}

int64_t static_noise(const void *numbers, size_t itemsize, size_t frames, size_t stride,
                     size_t pixels, const uint32_t *sums, size_t segments, size_t width,
                     double *knots, size_t room, uint64_t *totals, double *unsteady)
{
    if (!width || !segments || segments > pixels / width || width > 1 << 16 || pixels >> 32 ||
        frames < 2 || frames > 1 << 16 || !room)
        return KERNEL_MISFIT;
    size_t chosen = segments * width;
    uint64_t *memory = calloc(3 * chosen + 2 * segments + (frames * segments + 1) / 2, 8);
    if (!memory)
        return KERNEL_MEMORY;
    double *apart = (double *)(memory + 3 * chosen);
    struct sample sample = {frames, chosen, segments, width, memory, memory + chosen,
                            memory + 2 * chosen, apart, apart + segments,
                            (uint32_t *)(apart + 2 * segments)};
    for (size_t s = 0; s < segments; s++) {
        size_t first = segments > 1 ? s * (pixels - width) / (segments - 1) : 0;
        if (itemsize == 1)
            sum_bytes((const uint8_t *)numbers + first, frames, stride, width, sample.totals + s,
                      segments, sample.changes + s * width);
        else
            sum_words((const uint16_t *)numbers + first, frames, stride, width, sample.totals + s,
                      segments, sample.changes + s * width);
        for (size_t i = 0; i < width; i++)
            sample.order[s * width + i] = (uint64_t)sums[first + i] << 32 | (s * width + i);
    }
    for (size_t t = 0; t < frames; t++) {
        totals[t] = 0;
        for (size_t s = 0; s < segments; s++)
            totals[t] += sample.totals[t * segments + s];
    }
    *unsteady = find_unsteady(&sample);
    sort_pixels(&sample);
    int64_t found = (int64_t)find_knots(&sample, knots, room);
    free(memory);
    return found;
}
