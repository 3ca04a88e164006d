/* SPDX-License-Identifier: MIT */
/* What the processor can do beyond portable C, which defines the result. */
#ifndef DJ_PHOTON_PROCESSOR_H
#define DJ_PHOTON_PROCESSOR_H

enum { VECTORS_NONE, VECTORS_AVX2, VECTORS_AVX512 };

/* The best that there is; set when the kernel is loaded, and constant from then on. */
extern int processor_vectors;

#ifndef KERNEL_VECTORS /* the best that is used */
#define KERNEL_VECTORS VECTORS_AVX512
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define JOIN(function, set) JOIN_NAMES(function, set)
#define JOIN_NAMES(function, set) function##_##set

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,bmi2,popcnt")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,bmi2,popcnt")))
/* Calls to functions of which there is one for each set of vectors, or one for AVX2. */
#define WITH_VECTORS(function, ...) \
    (processor_vectors == VECTORS_AVX512 ? function##_avx512(__VA_ARGS__) \
     : processor_vectors == VECTORS_AVX2 ? function##_avx2(__VA_ARGS__) \
                                         : function##_plain(__VA_ARGS__))
#define WITH_AVX2(function, ...) \
    (processor_vectors >= VECTORS_AVX2 ? function##_avx2(__VA_ARGS__) : function(__VA_ARGS__))
#else
#define WITH_VECTORS(function, ...) function##_plain(__VA_ARGS__)
#define WITH_AVX2(function, ...) function(__VA_ARGS__)
#endif

#endif
