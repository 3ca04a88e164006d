/* SPDX-License-Identifier: MIT */
/* Asks the processor itself, and its system: `__builtin_cpu_supports` always says no where Zig's
   library answers it. */
#include "processor.h"

int processor_vectors = VECTORS_NONE;

#ifdef AVX2
#include <cpuid.h>

enum { AVX_REGISTERS = 0x06, AVX512_REGISTERS = 0xe6 }; /* that the system saves */

static int vectors_found(void)
{
    unsigned a, b, c, d, saved, unused, wide = bit_AVX512F | bit_AVX512BW | bit_AVX512VL;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_POPCNT))
        return VECTORS_NONE;
    __asm__("xgetbv" : "=a"(saved), "=d"(unused) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2) || !(b & bit_BMI2) ||
        (saved & AVX_REGISTERS) != AVX_REGISTERS)
        return VECTORS_NONE;
    if ((b & wide) == wide && c & bit_AVX512VBMI2 &&
        (saved & AVX512_REGISTERS) == AVX512_REGISTERS)
        return VECTORS_AVX512;
    return VECTORS_AVX2;
}

__attribute__((constructor)) static void ask_processor(void)
{
    int found = vectors_found();
    processor_vectors = found < KERNEL_VECTORS ? found : KERNEL_VECTORS;
}
#endif
