/* SPDX-License-Identifier: MIT */
/* Vectors of the floats of all lanes: in portable C, which defines the result, with AVX2 and with
   AVX-512. `moved_down` has each lane's value in the next lane, whose row is the one below, and in
   the first lanes those of the last lanes of `before`; `moved_up` is the opposite. */
#include "adaptive.h"

/* Four floats, which compilers know for every processor. */
typedef float four __attribute__((vector_size(16)));
typedef int32_t four_bits __attribute__((vector_size(16)));

typedef struct {
    four a, b, c, d;
} floats_plain;

ALWAYS_INLINE floats_plain load_plain(const float *from)
{
    floats_plain to;
    memcpy(&to.a, from, sizeof to.a);
    memcpy(&to.b, from + 4, sizeof to.b);
    memcpy(&to.c, from + 8, sizeof to.c);
    memcpy(&to.d, from + 12, sizeof to.d);
    return to;
}

ALWAYS_INLINE void store_plain(float *to, floats_plain from)
{
    memcpy(to, &from.a, sizeof from.a);
    memcpy(to + 4, &from.b, sizeof from.b);
    memcpy(to + 8, &from.c, sizeof from.c);
    memcpy(to + 12, &from.d, sizeof from.d);
}

ALWAYS_INLINE floats_plain splat_plain(float number)
{
    four all = {number, number, number, number};
    return (floats_plain){all, all, all, all};
}

ALWAYS_INLINE four larger_four(four one, four other)
{
    four_bits is = one > other;
    return (four)((is & (four_bits)one) | (~is & (four_bits)other));
}

#define OPERATION_PLAIN(name, of) \
    ALWAYS_INLINE floats_plain name##_plain(floats_plain x, floats_plain y) \
    { \
        return (floats_plain){of(x.a, y.a), of(x.b, y.b), of(x.c, y.c), of(x.d, y.d)}; \
    }
#define ADD(x, y) ((x) + (y))
#define SUB(x, y) ((x) - (y))
#define MUL(x, y) ((x) * (y))
#define DIVIDE(x, y) ((x) / (y))
OPERATION_PLAIN(add, ADD)
OPERATION_PLAIN(sub, SUB)
OPERATION_PLAIN(mul, MUL)
OPERATION_PLAIN(divide, DIVIDE)
OPERATION_PLAIN(larger, larger_four)

/* Four of the eight of two, from the one at `by` on. */
#if defined(__clang__) || __GNUC__ >= 12
#define PART(one, other, by) \
    __builtin_shufflevector(one, other, by, (by) + 1, (by) + 2, (by) + 3)
#else
#define PART(one, other, by) \
    __builtin_shuffle(one, other, (four_bits){by, (by) + 1, (by) + 2, (by) + 3})
#endif
#define moved_down_plain(now, before, by) \
    ((floats_plain){PART((before).d, (now).a, 4 - (by)), PART((now).a, (now).b, 4 - (by)), \
                    PART((now).b, (now).c, 4 - (by)), PART((now).c, (now).d, 4 - (by))})
#define moved_up_plain(now, after, by) \
    ((floats_plain){PART((now).a, (now).b, by), PART((now).b, (now).c, by), \
                    PART((now).c, (now).d, by), PART((now).d, (after).a, by)})

#ifdef AVX2
typedef struct {
    __m256 low, high;
} floats_avx2;

AVX2 ALWAYS_INLINE floats_avx2 load_avx2(const float *from)
{
    return (floats_avx2){_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
}

AVX2 ALWAYS_INLINE void store_avx2(float *to, floats_avx2 from)
{
    _mm256_storeu_ps(to, from.low);
    _mm256_storeu_ps(to + 8, from.high);
}

AVX2 ALWAYS_INLINE floats_avx2 splat_avx2(float number)
{
    return (floats_avx2){_mm256_set1_ps(number), _mm256_set1_ps(number)};
}

#define OPERATION_AVX2(name, function) \
    AVX2 ALWAYS_INLINE floats_avx2 name##_avx2(floats_avx2 a, floats_avx2 b) \
    { \
        return (floats_avx2){function(a.low, b.low), function(a.high, b.high)}; \
    }
OPERATION_AVX2(add, _mm256_add_ps)
OPERATION_AVX2(sub, _mm256_sub_ps)
OPERATION_AVX2(mul, _mm256_mul_ps)
OPERATION_AVX2(divide, _mm256_div_ps)
OPERATION_AVX2(larger, _mm256_max_ps) /* the second if either is no number */

/* The upper half of the first, then the lower one of the second. */
#define MIDDLE(first, second) _mm256_permute2f128_ps(first, second, 0x21)
#define SHIFTED(upper, lower, lanes) \
    _mm256_castsi256_ps(_mm256_alignr_epi8(_mm256_castps_si256(upper), \
                                           _mm256_castps_si256(lower), 4 * (lanes)))
#define moved_down_avx2(now, before, by) \
    ((floats_avx2){SHIFTED((now).low, MIDDLE((before).high, (now).low), 4 - (by)), \
                   SHIFTED((now).high, MIDDLE((now).low, (now).high), 4 - (by))})
#define moved_up_avx2(now, after, by) \
    ((floats_avx2){SHIFTED(MIDDLE((now).low, (now).high), (now).low, by), \
                   SHIFTED(MIDDLE((now).high, (after).low), (now).high, by)})

typedef __m512 floats_avx512;

AVX512 ALWAYS_INLINE __m512 load_avx512(const float *from) { return _mm512_loadu_ps(from); }
AVX512 ALWAYS_INLINE void store_avx512(float *to, __m512 from) { _mm512_storeu_ps(to, from); }
AVX512 ALWAYS_INLINE __m512 splat_avx512(float number) { return _mm512_set1_ps(number); }
AVX512 ALWAYS_INLINE __m512 add_avx512(__m512 a, __m512 b) { return _mm512_add_ps(a, b); }
AVX512 ALWAYS_INLINE __m512 sub_avx512(__m512 a, __m512 b) { return _mm512_sub_ps(a, b); }
AVX512 ALWAYS_INLINE __m512 mul_avx512(__m512 a, __m512 b) { return _mm512_mul_ps(a, b); }
AVX512 ALWAYS_INLINE __m512 divide_avx512(__m512 a, __m512 b) { return _mm512_div_ps(a, b); }
AVX512 ALWAYS_INLINE __m512 larger_avx512(__m512 a, __m512 b) { return _mm512_max_ps(a, b); }

#define SHIFTED_512(upper, lower, lanes) \
    _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(upper), \
                                            _mm512_castps_si512(lower), lanes))
#define moved_down_avx512(now, before, by) SHIFTED_512(now, before, LANES - (by))
#define moved_up_avx512(now, after, by) SHIFTED_512(after, now, by)
#endif
