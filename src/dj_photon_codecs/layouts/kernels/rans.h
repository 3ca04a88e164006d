/* SPDX-License-Identifier: MIT */
/* rANS with 12 bits of precision: a symbol, a state and a stream of 16-bit words.

   A state lies in [2^15, 2^31) between symbols. Tables have 256 symbols, whose frequencies add up
   to 4096. J. Duda, arXiv:1311.2540 (2013); F. Giesen, arXiv:1402.3392 (2014). */
#ifndef DJ_PHOTON_RANS_H
#define DJ_PHOTON_RANS_H

#include "kernel.h"

#include <string.h>

enum { RANS_BITS = 12, RANS_SLOTS = 1 << RANS_BITS, RANS_SYMBOLS = 256, RANS_ESCAPE = 255 };
#define RANS_LEAST ((uint32_t)1 << 15)

void rans_frequencies(const uint8_t roots[RANS_SYMBOLS], uint16_t frequencies[RANS_SYMBOLS]);

/* What decoding needs of a slot: symbol | place among its slots << 8 | (frequency - 1) << 20.
   Refuses frequencies that do not add up to 4096. */
static inline int rans_fill_slots(const uint16_t frequencies[RANS_SYMBOLS],
                                  uint32_t slots[RANS_SLOTS])
{
    uint32_t filled = 0;
    for (uint32_t symbol = 0; symbol < RANS_SYMBOLS; symbol++) {
        uint32_t frequency = frequencies[symbol];
        if (frequency > RANS_SLOTS - filled)
            return KERNEL_DAMAGED;
        uint32_t entry = symbol | (frequency - 1) << 20, place = 0;
        for (; place < frequency && filled + place + 8 <= RANS_SLOTS; place += 8)
            for (uint32_t k = 0; k < 8; k++) /* those of the next symbol are written over */
                slots[filled + place + k] = entry | (place + k) << 8;
        for (; place < frequency; place++)
            slots[filled + place] = entry | place << 8;
        filled += frequency;
    }
    return filled == RANS_SLOTS ? 0 : KERNEL_DAMAGED;
}

/* The same in two tables that stay in the cache: the symbol of each slot, and of each symbol, first
   slot << 12 | (frequency - 1). */
static inline int rans_fill_symbols(const uint16_t frequencies[RANS_SYMBOLS],
                                    uint8_t symbols[RANS_SLOTS], uint32_t ranges[RANS_SYMBOLS])
{
    uint32_t filled = 0;
    for (uint32_t symbol = 0; symbol < RANS_SYMBOLS; symbol++) {
        uint32_t frequency = frequencies[symbol];
        if (frequency > RANS_SLOTS - filled)
            return KERNEL_DAMAGED;
        ranges[symbol] = filled << RANS_BITS | ((frequency - 1) & (RANS_SLOTS - 1));
        memset(symbols + filled, (int)symbol, frequency);
        filled += frequency;
    }
    return filled == RANS_SLOTS ? 0 : KERNEL_DAMAGED;
}

/* The state after the symbol of `entry`, the slot of state mod 4096, before `rans_refill`. */
static inline uint32_t rans_take(uint32_t state, uint32_t entry)
{
    return ((entry >> 20) + 1) * (state >> RANS_BITS) + (entry >> 8 & (RANS_SLOTS - 1));
}

/* Takes a word if the state is below `least`. Always reads *word: the caller sees to it that as
   many words are left as lanes are to be refilled. */
static inline uint32_t rans_refill(uint32_t state, uint32_t least, const uint16_t **word)
{
    uint32_t low = state < least; /* without a branch, which would be predicted badly */
    uint32_t refilled = state << (low << 4) | (**word & (0u - low));
    *word += low;
    return refilled;
}

/* What encoding needs of a symbol of frequency f, from the lowest bit: reciprocal, 32 bits |
   4096 - f, 12 bits | frequencies before it, 12 bits | shift, 6 bits | one bit unused | escape. A
   state x < 2^31 divided by f is exactly x * reciprocal >> shift, with shift = 31 + ceil(log2 f)
   and reciprocal = ceil(2^shift / f). */
enum { RANS_COMPLEMENT = 32, RANS_BEFORE = 44, RANS_SHIFT = 56 };
#define RANS_ESCAPED ((uint64_t)1 << 63)

/* Symbols of frequency 0 are coded as the escape, whose reciprocal is 0 if it has none either.
   Refuses frequencies that do not add up to 4096. */
static inline int rans_fill_codes(const uint16_t frequencies[RANS_SYMBOLS],
                                  uint64_t codes[RANS_SYMBOLS])
{
    uint32_t before = 0;
    for (int symbol = 0; symbol < RANS_SYMBOLS; symbol++) {
        uint32_t frequency = frequencies[symbol], shift = 31;
        if (frequency > RANS_SLOTS - before)
            return KERNEL_DAMAGED;
        while ((uint32_t)1 << (shift - 31) < frequency)
            shift++;
        codes[symbol] = 0;
        if (frequency)
            codes[symbol] = (((uint64_t)1 << shift) + frequency - 1) / frequency |
                            (uint64_t)(RANS_SLOTS - frequency) << RANS_COMPLEMENT |
                            (uint64_t)before << RANS_BEFORE | (uint64_t)shift << RANS_SHIFT;
        before += frequency;
    }
    codes[RANS_ESCAPE] |= RANS_ESCAPED;
    for (int symbol = 0; symbol < RANS_ESCAPE; symbol++)
        codes[symbol] = frequencies[symbol] ? codes[symbol] : codes[RANS_ESCAPE];
    return before == RANS_SLOTS ? 0 : KERNEL_DAMAGED;
}

/* The state with a symbol put upon it; a code of 0 leaves it. Writes a word at --*word, and keeps
   it where the state is full: words are written from the end, as symbols are put from the last to
   the first. Without a branch, which noise would mispredict. */
static inline uint32_t rans_put(uint32_t state, uint64_t code, uint16_t **word)
{
    uint32_t complement = code >> RANS_COMPLEMENT & (RANS_SLOTS - 1);
    uint32_t full = (state >> 19) + complement >= RANS_SLOTS;
    (*word)[-1] = (uint16_t)state;
    *word -= full;
    state >>= 16 * full;
    uint64_t quotient = (uint64_t)state * (uint32_t)code >> (code >> RANS_SHIFT & 63);
    return state + (uint32_t)(code >> RANS_BEFORE & (RANS_SLOTS - 1)) +
           (uint32_t)quotient * complement;
}

#endif
