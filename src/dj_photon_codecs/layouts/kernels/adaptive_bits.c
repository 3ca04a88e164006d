/* SPDX-License-Identifier: MIT */
/* Low bits of numbers, which a bin leaves out, and which are stored as they are. */
#include "adaptive.h"

enum { PART = 1 << 10, TOGETHER = 3 }; /* numbers; how many have low bits of 45 bits at most */

/* Bits that were not written yet, less than 8 of them after each number. */
struct bits {
    uint64_t waiting;
    size_t held;
    uint8_t *payload;
};

/* Writes the low bits of `together` numbers, and then their bins over them. Eight bytes are written
   each time, as most branches would be mispredicted. */
ALWAYS_INLINE void put_low(struct bits *bits, uint16_t *numbers, const uint32_t *bins,
                           size_t together)
{
    uint64_t low = 0;
    uint32_t all = 0;
    for (size_t k = 0; k < together; k++) {
        uint32_t bin = bins[numbers[k]], own = bin >> 16 & 15;
        low |= (uint64_t)(numbers[k] & ((1u << own) - 1)) << all;
        all += own;
        numbers[k] = (uint16_t)bin;
    }
    bits->waiting |= low << bits->held;
    bits->held += all;
    memcpy(bits->payload, &bits->waiting, sizeof bits->waiting);
    bits->payload += bits->held / 8;
    bits->waiting >>= bits->held & 56;
    bits->held %= 8;
}

ALWAYS_INLINE void put_part(struct bits *bits, uint16_t *numbers, const uint32_t *bins, size_t part)
{
    struct bits own = *bits; /* in registers */
    size_t k = 0;
    for (; k + TOGETHER <= part; k += TOGETHER)
        put_low(&own, numbers + k, bins, TOGETHER);
    for (; k < part; k++)
        put_low(&own, numbers + k, bins, 1);
    *bits = own;
}

#ifdef AVX2 /* and shifts by any register */
AVX2 static void put_part_avx2(struct bits *bits, uint16_t *numbers, const uint32_t *bins,
                               size_t part)
{
    put_part(bits, numbers, bins, part);
}
#endif

/* `bins` of each number: its bin | how many low bits of it the bin leaves out << 16. Writes these
   bits, from the lowest bit of each byte on. */
int64_t adaptive_split(const void *numbers, size_t itemsize, size_t count, const uint32_t *bins,
                       size_t all, void *found, size_t found_itemsize, uint8_t *payload,
                       size_t size)
{
    uint16_t room[PART]; /* copied once: a movie may change */
    struct bits bits = {0, 0, payload};
    if (!all || size < 2 * count + sizeof bits.waiting ||
        (found_itemsize == 1 && (bins[all - 1] & 0xffff) > 0xff))
        return KERNEL_MISFIT;
    for (size_t i = 0; i < count; i += PART) {
        size_t part = smaller(PART, count - i);
        if (itemsize == 2)
            memcpy(room, (const uint16_t *)numbers + i, part * sizeof *room);
        else
            words_of(numbers, itemsize, i, part, room);
        if (highest_of(room, sizeof *room, part) >= all)
            return KERNEL_MISFIT;
        WITH_AVX2(put_part, &bits, room, bins, part);
        if (found_itemsize == 2)
            memcpy((uint16_t *)found + i, room, part * sizeof *room);
        for (size_t k = 0; k < part && found_itemsize == 1; k++)
            ((uint8_t *)found)[i + k] = (uint8_t)room[k];
    }
    return bits.payload - payload + (bits.held > 0);
}
