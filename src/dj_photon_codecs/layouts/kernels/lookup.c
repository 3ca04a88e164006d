/* SPDX-License-Identifier: MIT */
/* Looks up many small numbers in a table: of codes, their values. */
#include "kernel.h"
#include "processor.h"

enum { BLOCK = 1 << 12 }; /* numbers that are compared with the table, and then looked up */

/* Copies numbers of 8 or 16 bits, which another thread may change, and returns the highest. */
ALWAYS_INLINE unsigned copy_numbers(const void *numbers, size_t size, size_t count,
                                    uint16_t *restrict copy)
{
    const uint8_t *bytes = numbers;
    const uint16_t *words = numbers;
    uint16_t highest = 0;
    for (size_t i = 0; i < count && size == 1; i++) {
        copy[i] = bytes[i];
        highest = copy[i] > highest ? copy[i] : highest;
    }
    for (size_t i = 0; i < count && size == 2; i++) {
        copy[i] = words[i];
        highest = copy[i] > highest ? copy[i] : highest;
    }
    return highest;
}

#ifdef AVX2
AVX2 static unsigned copy_numbers_avx2(const void *numbers, size_t size, size_t count,
                                       uint16_t *copy)
{
    return copy_numbers(numbers, size, count, copy);
}
#endif

static void look_up_4(const uint32_t *restrict table, const uint16_t *restrict numbers,
                      size_t count, uint32_t *restrict values)
{
    for (size_t i = 0; i < count; i++)
        values[i] = table[numbers[i]];
}

#ifdef AVX2
/* Looks up eight at a time, and returns how many. */
AVX512 static size_t gather_avx512(const uint64_t *table, const uint16_t *numbers, size_t count,
                                   uint64_t *values)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256i at = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(numbers + i)));
        _mm512_storeu_si512(values + i, _mm512_i32gather_epi64(at, table, 8));
    }
    return i;
}
#endif

static void look_up_8(const uint64_t *restrict table, const uint16_t *restrict numbers,
                      size_t count, uint64_t *restrict values)
{
    size_t i = 0;
#ifdef AVX2
    if (processor_vectors == VECTORS_AVX512)
        i = gather_avx512(table, numbers, count, values);
#endif
    for (; i < count; i++)
        values[i] = table[numbers[i]];
}

int64_t table_look_up(const void *table, size_t entries, size_t itemsize, const uint8_t *numbers,
                      size_t size, size_t count, void *values)
{
    uint16_t copy[BLOCK];
    if (size > 2 || (itemsize != 4 && itemsize != 8))
        return KERNEL_MISFIT;
    for (size_t start = 0; start < count; start += BLOCK) {
        size_t number = smaller(BLOCK, count - start);
        if (WITH_AVX2(copy_numbers, numbers + start * size, size, number, copy) >= entries)
            return 0;
        if (itemsize == 4)
            look_up_4(table, copy, number, (uint32_t *)values + start);
        else
            look_up_8(table, copy, number, (uint64_t *)values + start);
    }
    return (int64_t)count;
}
