/* Looks up many small numbers in a table: of codes, their values. */
#include "kernel.h"
#include "processor.h"

enum {
    BLOCK = 1 << 12,    /* numbers that are compared with the table, and then looked up */
    STREAMED = 1 << 21, /* bytes of values, from where on they are written past the cache */
};

#define LOOK_UP(name, number, item) \
    static void name(const item *restrict table, const number *restrict numbers, size_t count, \
                     item *restrict values) \
    { \
        for (size_t i = 0; i < count; i++) \
            values[i] = table[numbers[i]]; \
    }

LOOK_UP(bytes_to_4, uint8_t, uint32_t)
LOOK_UP(bytes_to_8, uint8_t, uint64_t)
LOOK_UP(words_to_4, uint16_t, uint32_t)
LOOK_UP(words_to_8, uint16_t, uint64_t)

#ifdef AVX2
/* Looks up values of 8 bytes, eight at a time, to where they are aligned to 64. */
AVX512 static void gather(const uint64_t *table, const void *numbers, size_t size, size_t count,
                          uint64_t *values, int streamed)
{
    for (size_t i = 0; i < count; i += 8) {
        __m512i found;
        if (size == 1) {
            __m128i at = _mm_loadl_epi64((const __m128i *)((const uint8_t *)numbers + i));
            found = _mm512_i32gather_epi64(_mm256_cvtepu8_epi32(at), table, 8);
        } else {
            __m128i at = _mm_loadu_si128((const __m128i *)((const uint16_t *)numbers + i));
            found = _mm512_i32gather_epi64(_mm256_cvtepu16_epi32(at), table, 8);
        }
        if (streamed)
            _mm512_stream_si512((void *)(values + i), found);
        else
            _mm512_store_si512(values + i, found);
    }
}
#endif

static uint16_t highest_of(const void *numbers, size_t size, size_t count)
{
    uint8_t byte = 0;
    uint16_t word = 0;
    for (size_t i = 0; i < count && size == 1; i++)
        byte = ((const uint8_t *)numbers)[i] > byte ? ((const uint8_t *)numbers)[i] : byte;
    for (size_t i = 0; i < count && size == 2; i++)
        word = ((const uint16_t *)numbers)[i] > word ? ((const uint16_t *)numbers)[i] : word;
    return size == 1 ? byte : word;
}

static void look_up(const void *table, size_t itemsize, const void *numbers, size_t size,
                    size_t count, void *values)
{
    if (size == 1 && itemsize == 4)
        bytes_to_4(table, numbers, count, values);
    else if (size == 1)
        bytes_to_8(table, numbers, count, values);
    else if (itemsize == 4)
        words_to_4(table, numbers, count, values);
    else
        words_to_8(table, numbers, count, values);
}

int64_t table_look_up(const void *table, size_t entries, size_t itemsize, const uint8_t *numbers,
                      size_t size, size_t count, uint8_t *values)
{
    if (size > 2 || (itemsize != 4 && itemsize != 8))
        return KERNEL_MISFIT;
    for (size_t start = 0, number; start < count; start += number) {
        const uint8_t *from = numbers + start * size;
        uint8_t *to = values + start * itemsize;
        number = count - start < BLOCK ? count - start : BLOCK;
        if (highest_of(from, size, number) >= entries)
            return 0;
        size_t first = 0, most = 0;
#ifdef AVX2
        if (itemsize == 8 && processor_vectors == VECTORS_AVX512) {
            first = (0 - (uintptr_t)to) % 64 / 8;
            first = first < number ? first : number;
            most = (number - first) / 8 * 8;
            gather(table, from + first * size, size, most, (void *)(to + 8 * first),
                   count >= STREAMED / 8);
        }
#endif
        look_up(table, itemsize, from, size, first, to);
        first += most;
        look_up(table, itemsize, from + first * size, size, number - first,
                to + first * itemsize);
    }
    return (int64_t)count;
}
