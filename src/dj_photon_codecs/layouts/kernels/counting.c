/* Counts what models are fitted to: sums of pixels, and symbols of levels. */
#include "lanes.h"
#include "processor.h"

#include <string.h>

enum { COUNTED = 2048 }; /* pixels whose sums stay in the nearest cache */

static inline void add_frames(const uint16_t *numbers, size_t frames, size_t stride, size_t pixels,
                              uint32_t *sums, uint64_t *squares)
{
    memset(sums, 0, pixels * sizeof *sums);
    memset(squares, 0, pixels * sizeof *squares);
    for (size_t t = 0; t < frames; t++, numbers += stride)
        for (size_t i = 0; i < pixels; i++) {
            uint32_t number = numbers[i];
            sums[i] += number;
            squares[i] += number * number;
        }
}

#ifdef AVX2
AVX2 static void add_frames_avx2(const uint16_t *numbers, size_t frames, size_t stride,
                                 size_t pixels, uint32_t *sums, uint64_t *squares)
{
    add_frames(numbers, frames, stride, pixels, sums, squares);
}
#endif

int static_sum(const uint16_t *numbers, size_t frames, size_t stride, size_t pixels,
                uint32_t *sums, uint64_t *squares)
{
    for (size_t i = 0; i < pixels; i += COUNTED) {
        size_t count = smaller(COUNTED, pixels - i);
#ifdef AVX2
        if (processor_vectors >= VECTORS_AVX2)
            add_frames_avx2(numbers + i, frames, stride, count, sums + i, squares + i);
        else
#endif
            add_frames(numbers + i, frames, stride, count, sums + i, squares + i);
    }
    return 0;
}

/* Counts the symbols of each level in frames of each class. */
int static_count(const uint16_t *numbers, size_t frames, size_t stride, size_t pixels,
                 const uint8_t *frame_class, const uint16_t *level, const uint32_t *rows,
                 size_t classes, size_t levels, uint32_t *counts)
{
    for (size_t i = 0; i < pixels; i++)
        if (level[i] >= levels)
            return KERNEL_MISFIT;
    for (size_t t = 0; t < frames; t++) {
        if (frame_class[t] >= classes)
            return KERNEL_MISFIT;
        const uint32_t *row = rows + frame_class[t] * levels;
        uint32_t *count = counts + frame_class[t] * levels * RANS_SYMBOLS;
        for (size_t i = 0; i < pixels; i++) {
            uint32_t symbol = symbol_of(numbers[t * stride + i], row[level[i]]);
            count[(size_t)level[i] << 8 | symbol]++;
        }
    }
    return 0;
}
