/* SPDX-License-Identifier: MIT */
/* Tables of frequencies, stored as their square roots. */
#include "rans.h"

#include <math.h>

/* The frequencies of a table: see `frequencies_of`. Squares times what is shared among symbols,
   n < 2^28, are divided by their total, d < 2^24, as n * reciprocal >> 52, which is exact: the
   reciprocal is above 2^52 / d by less than 1, which adds less than 2^-24 < 1 / d. */
void rans_frequencies(const uint8_t roots[RANS_SYMBOLS], uint16_t frequencies[RANS_SYMBOLS])
{
    uint32_t present = 0, total = 0, given = 0;
    uint8_t highest = 0;
    for (size_t i = 0; i < RANS_SYMBOLS; i++) {
        uint32_t above = roots[i] - (uint32_t)(roots[i] > 0);
        present += roots[i] > 0;
        total += above * above;
        highest = roots[i] > highest ? roots[i] : highest;
    }
    uint64_t reciprocal = total ? ((uint64_t)1 << 52) / total + 1 : 0;
    for (size_t i = 0; i < RANS_SYMBOLS; i++) {
        uint64_t above = roots[i] - (uint32_t)(roots[i] > 0);
        uint64_t shared = above * above * (RANS_SLOTS - present);
        frequencies[i] = (uint16_t)((roots[i] > 0) + (shared * reciprocal >> 52));
        given += frequencies[i];
    }
    const uint8_t *most = present ? memchr(roots, highest, RANS_SYMBOLS) : roots + RANS_ESCAPE;
    frequencies[most - roots] = (uint16_t)(frequencies[most - roots] + RANS_SLOTS - given);
}

/* The root of a count: 1, and sqrt(4 (4096 count - total) / total) to the nearest whole number. */
static uint8_t root_of(uint64_t count, uint64_t total)
{
    uint64_t square = count * RANS_SLOTS > total ? 16 * (count * RANS_SLOTS - total) / total : 0;
    return (uint8_t)(1 + ((uint64_t)sqrt((double)square) + 1) / 2);
}

static void find_roots(const uint32_t counts[RANS_SYMBOLS], uint64_t rare,
                       uint8_t roots[RANS_SYMBOLS])
{
    uint64_t total = 0, escapes = counts[RANS_ESCAPE];
    for (size_t i = 0; i < RANS_SYMBOLS; i++)
        total += counts[i];
    for (size_t i = 0; i < RANS_ESCAPE; i++) {
        int escapes_here = counts[i] * rare < total && rare;
        escapes += escapes_here ? counts[i] : 0;
        roots[i] = counts[i] && !escapes_here ? root_of(counts[i], total) : 0;
    }
    roots[RANS_ESCAPE] = escapes || rare ? root_of(escapes, total ? total : 1) : 0;
}

/* The bits that symbols take, times 2^16: those without a frequency are escapes. */
static int64_t bits_of(const uint32_t counts[RANS_SYMBOLS],
                       const uint16_t frequencies[RANS_SYMBOLS], const uint32_t *logarithms)
{
    int64_t bits = 0, escapes = 0, all = (int64_t)RANS_BITS << 16;
    for (size_t i = 0; i < RANS_SYMBOLS; i++) {
        uint16_t frequency = frequencies[i];
        if (!frequency)
            escapes += counts[i];
        else if (frequency < RANS_SLOTS)
            bits += counts[i] * (all - logarithms[frequency]);
    }
    uint16_t escape = frequencies[RANS_ESCAPE];
    bits += escape < RANS_SLOTS ? escapes * (all - logarithms[escape]) : 0;
    return bits + ((escapes + counts[RANS_ESCAPE]) << 20);
}

int64_t static_fit(const uint32_t *counts, size_t tables, const uint32_t *logarithms,
                   uint64_t rare, uint8_t *roots, uint16_t *frequencies)
{
    int64_t bits = 0;
    uint64_t total = 0;
    for (size_t i = 0; i < tables * RANS_SYMBOLS; i++)
        total += counts[i];
    if (rare >> 31 || total > UINT32_MAX)
        return KERNEL_MISFIT;
    for (size_t i = 0; i < LOGARITHMS; i++)
        if (logarithms[i] > (uint32_t)RANS_BITS << 16)
            return KERNEL_MISFIT;
    for (size_t i = 0; i < tables; i++, counts += RANS_SYMBOLS) {
        find_roots(counts, rare, roots + i * RANS_SYMBOLS);
        rans_frequencies(roots + i * RANS_SYMBOLS, frequencies + i * RANS_SYMBOLS);
        bits += bits_of(counts, frequencies + i * RANS_SYMBOLS, logarithms);
    }
    return bits;
}
