/* What the processor can do beyond portable C, which defines the result. */
#ifndef DJ_PHOTON_PROCESSOR_H
#define DJ_PHOTON_PROCESSOR_H

enum { VECTORS_NONE, VECTORS_AVX2, VECTORS_AVX512 };

/* One of these; set when the kernel is loaded, and constant from then on. */
extern int processor_vectors;

#if defined(__x86_64__) && defined(__GNUC__) && !defined(KERNEL_PORTABLE)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,popcnt")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,popcnt")))
#endif

#endif
