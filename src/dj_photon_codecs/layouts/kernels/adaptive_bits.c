/* SPDX-License-Identifier: MIT */
/* Low bits of numbers, which a bin leaves out, and which are stored as they are. */
#include "kernel.h"

#include <string.h>

/* `bins` of each number: its bin | how many low bits of it the bin leaves out << 16. Writes these
   bits, from the lowest bit of each byte on. */
int64_t adaptive_split(const uint16_t *numbers, size_t count, const uint32_t *bins, size_t all,
                       uint16_t *found, uint8_t *payload, size_t size)
{
    uint64_t waiting = 0;
    size_t held = 0, used = 0;
    for (size_t i = 0; i < count; i++) {
        uint16_t number = *(const volatile uint16_t *)(numbers + i); /* once: a movie may change */
        if (number >= all || size - used < 4)
            return KERNEL_MISFIT;
        uint32_t bin = bins[number], bits = bin >> 16 & 15;
        found[i] = (uint16_t)bin;
        waiting |= (uint64_t)(number & ((1u << bits) - 1)) << held;
        held += bits;
        if (held >= 32) {
            memcpy(payload + used, &waiting, 4);
            used += 4;
            held -= 32;
            waiting >>= 32;
        }
    }
    for (; held; held -= smaller(held, 8), waiting >>= 8) {
        if (used == size)
            return KERNEL_MISFIT;
        payload[used++] = (uint8_t)waiting;
    }
    return (int64_t)used;
}

/* The inverse, in place; `bins` of each bin: its first number | its low bits << 16. */
int64_t adaptive_join(uint16_t *numbers, size_t count, const uint32_t *bins, size_t all,
                      const uint8_t *payload, size_t size)
{
    size_t place = 0; /* in bits: a number waits for the place of the one before alone */
    static const uint16_t masks[] = {0,      1,      3,      7,      0xf,    0x1f,   0x3f,   0x7f,
                                     0xff,   0x1ff,  0x3ff,  0x7ff,  0xfff,  0x1fff, 0x3fff, 0x7fff};
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] >= all || place > 8 * size)
            return KERNEL_DAMAGED;
        uint32_t bin = bins[numbers[i]], bits = bin >> 16 & 15, word = 0;
        if (place / 8 + sizeof word <= size)
            memcpy(&word, payload + place / 8, sizeof word);
        else
            memcpy(&word, payload + place / 8, size - place / 8);
        numbers[i] = (uint16_t)(bin + (word >> place % 8 & masks[bits]));
        place += bits;
    }
    return place > 8 * size ? KERNEL_DAMAGED : (int64_t)((place + 7) / 8);
}
