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
        if (numbers[i] >= all || size - used < 4)
            return KERNEL_MISFIT;
        uint32_t bin = bins[numbers[i]], bits = bin >> 16 & 15;
        found[i] = (uint16_t)bin;
        waiting |= (uint64_t)(numbers[i] & ((1u << bits) - 1)) << held;
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
    uint64_t waiting = 0;
    size_t held = 0, used = 0;
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] >= all)
            return KERNEL_DAMAGED;
        uint32_t bin = bins[numbers[i]], bits = bin >> 16 & 15, word;
        if (held < bits && size - used >= 4) {
            memcpy(&word, payload + used, 4);
            waiting |= (uint64_t)word << held;
            used += 4;
            held += 32;
        }
        for (; held < bits; held += 8) {
            if (used == size)
                return KERNEL_DAMAGED;
            waiting |= (uint64_t)payload[used++] << held;
        }
        numbers[i] = (uint16_t)(bin + (waiting & ((1u << bits) - 1)));
        waiting >>= bits;
        held -= bits;
    }
    return (int64_t)(used - held / 8);
}
