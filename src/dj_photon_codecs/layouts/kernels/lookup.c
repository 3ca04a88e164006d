/* SPDX-License-Identifier: MIT */
/* Looks up many small numbers in a table: of codes, their values. */
#include "kernel.h"
#include "processor.h"

enum { BLOCK = 1 << 12 }; /* numbers that are compared with the table, and then looked up */

/* Looks numbers up if all are in the table, and returns whether they are. */
#define LOOK_UP(name, number, item) \
    static int name(const item *restrict table, size_t entries, const number *restrict numbers, \
                    size_t count, item *restrict values) \
    { \
        number highest = 0; \
        for (size_t i = 0; i < count; i++) \
            highest = numbers[i] > highest ? numbers[i] : highest; \
        if (highest >= entries) \
            return 0; \
        size_t i = sizeof(item) == 8 ? gather(table, numbers, sizeof(number), count, values) : 0; \
        for (; i < count; i++) \
            values[i] = table[numbers[i]]; \
        return 1; \
    }

#ifdef AVX2
/* Looks up values of 8 bytes, eight at a time, and returns how many. */
AVX512 static size_t gather_avx512(const void *table, const uint8_t *numbers, size_t size,
                                   size_t count, uint64_t *values)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const __m128i *from = (const __m128i *)(const void *)(numbers + i * size);
        __m256i at = size == 1 ? _mm256_cvtepu8_epi32(_mm_loadl_epi64(from))
                               : _mm256_cvtepu16_epi32(_mm_loadu_si128(from));
        _mm512_storeu_si512(values + i, _mm512_i32gather_epi64(at, table, 8));
    }
    return i;
}
#endif

static size_t gather(const void *table, const void *numbers, size_t size, size_t count,
                     void *values)
{
#ifdef AVX2
    if (processor_vectors == VECTORS_AVX512)
        return gather_avx512(table, numbers, size, count, values);
#endif
    (void)table, (void)numbers, (void)size, (void)count, (void)values;
    return 0;
}

LOOK_UP(bytes_to_4, uint8_t, uint32_t)
LOOK_UP(bytes_to_8, uint8_t, uint64_t)
LOOK_UP(words_to_4, uint16_t, uint32_t)
LOOK_UP(words_to_8, uint16_t, uint64_t)

int64_t table_look_up(const void *table, size_t entries, size_t itemsize, const uint8_t *numbers,
                      size_t size, size_t count, uint8_t *values)
{
    if (size > 2 || (itemsize != 4 && itemsize != 8))
        return KERNEL_MISFIT;
    for (size_t start = 0; start < count; start += BLOCK) {
        size_t number = count - start < BLOCK ? count - start : BLOCK;
        const void *from = numbers + start * size;
        void *to = values + start * itemsize;
        if (!(size == 1 ? itemsize == 4 ? bytes_to_4(table, entries, from, number, to)
                                        : bytes_to_8(table, entries, from, number, to)
              : itemsize == 4 ? words_to_4(table, entries, from, number, to)
                              : words_to_8(table, entries, from, number, to)))
            return 0;
    }
    return (int64_t)count;
}
