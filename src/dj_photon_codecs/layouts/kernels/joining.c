/* SPDX-License-Identifier: MIT */
/* Joins rows of counts whose symbols are about as frequent, so that they share a table. */
#include "rans.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 16 }; /* symbols that are looked at together */

/* Costs in bits, in units of 2^-16. */
struct prices {
    const uint32_t *logarithms; /* of 0 to LOGARITHMS - 1, that of 0 being 0 */
    int64_t symbol, table;
};

/* count * log2(count). A count has at most 32 bits, so that the product has at most 53. */
static int64_t times_log(const struct prices *prices, uint64_t count)
{
    unsigned shift = 0;
    while (count >> shift >= LOGARITHMS)
        shift++;
    return (int64_t)(count * (prices->logarithms[count >> shift] + ((uint64_t)shift << 16)));
}

/* The rows that are left: where their counts are, what they take, what joining the next saves. These
   are small, since all are looked at, and moved, for each that is joined. */
struct joint {
    const uint32_t *counts;
    int64_t bits, saved;
    uint32_t any;       /* bits of counts */
    uint16_t low, high; /* no symbol occurs but from one to before the other */
};

/* The bits that any of so many counts has. */
static inline uint32_t any_of(const uint32_t *counts, size_t number)
{
    uint32_t found = 0;
    for (size_t i = 0; i < number; i++)
        found |= counts[i];
    return found;
}

static void widen(struct joint *joint, const struct joint *other)
{
    joint->low = other->low < joint->low ? other->low : joint->low;
    joint->high = other->high > joint->high ? other->high : joint->high;
    joint->any |= other->any;
}

/* What the symbols of two rows, or of one and none, take with a table of their own. */
static int64_t bits(const struct prices *prices, struct joint row, const struct joint *other)
{
    static const uint32_t none[RANS_SYMBOLS];
    const uint32_t *counts = row.counts, *others = other ? other->counts : none;
    uint64_t total = 0;
    int64_t symbols = 0, spread = 0;
    if (other)
        widen(&row, other);
    for (size_t i = row.low; i < row.high; i++) {
        uint64_t count = (uint64_t)counts[i] + others[i];
        total += count;
        symbols += count > 0;
        if (row.any < LOGARITHMS / 2) /* of all: without further branches */
            spread += (int64_t)(count * prices->logarithms[count]);
        else
            spread += times_log(prices, count);
    }
    return prices->table + symbols * prices->symbol + times_log(prices, total) - spread;
}

static void save(struct joint *joint, size_t left, const struct prices *prices)
{
    joint->saved = left < 2 ? 0
                            : joint[0].bits + joint[1].bits -
                                  bits(prices, joint[0], joint + 1);
}

static size_t best_of(const struct joint *joints, size_t left)
{
    size_t best = 0;
    for (size_t i = 1; i + 1 < left; i++)
        if (joints[i].saved > joints[best].saved)
            best = i;
    return best;
}

static void join(struct joint *joints, size_t left, size_t best, uint32_t *counts,
                 const struct prices *prices)
{
    const struct joint *other = joints + best + 1;
    for (size_t i = other->low; i < other->high; i++)
        counts[i] += other->counts[i];
    joints[best].bits += joints[best + 1].bits - joints[best].saved;
    widen(joints + best, other);
    joints[best].any = any_of(counts, RANS_SYMBOLS);
    memmove(joints + best + 1, joints + best + 2, (left - best - 2) * sizeof *joints);
    save(joints + best, left - 1 - best, prices);
    if (best)
        save(joints + best - 1, left - best, prices);
}

int64_t static_join(uint32_t *counts, size_t rows, const uint32_t *logarithms, int64_t symbol,
                    int64_t table, size_t most, uint8_t *of_row)
{
    const struct prices prices = {logarithms, symbol, table};
    if (!rows || !most || most > 256 || rows > 1 << 16 || symbol >> 32 || table >> 32)
        return KERNEL_MISFIT;
    uint64_t total = 0;
    for (size_t i = 0; i < rows * RANS_SYMBOLS; i++)
        total += counts[i];
    if (total > UINT32_MAX)
        return KERNEL_MISFIT;
    for (size_t i = 0; i < LOGARITHMS; i++)
        if (logarithms[i] > (uint32_t)RANS_BITS << 16)
            return KERNEL_MISFIT;
    struct joint *joints = malloc(rows * sizeof *joints);
    if (!joints)
        return KERNEL_MEMORY;
    for (size_t i = 0; i < rows; i++) {
        const uint32_t *row = counts + i * RANS_SYMBOLS;
        joints[i] = (struct joint){row, 0, 0, any_of(row, RANS_SYMBOLS), 0, RANS_SYMBOLS};
        while (joints[i].high && !any_of(row + joints[i].high - BLOCK, BLOCK))
            joints[i].high -= BLOCK;
        while (joints[i].low < joints[i].high && !any_of(row + joints[i].low, BLOCK))
            joints[i].low += BLOCK;
        joints[i].bits = bits(&prices, joints[i], NULL);
    }
    for (size_t i = 0; i + 1 < rows; i++)
        save(joints + i, rows - i, &prices);
    size_t left = rows;
    for (; left > 1; left--) {
        size_t best = best_of(joints, left);
        if (joints[best].saved <= 0 && left <= most)
            break;
        join(joints, left, best, counts + (joints[best].counts - counts), &prices);
    }
    for (size_t i = 0; i < left; i++) {
        size_t first = (size_t)(joints[i].counts - counts) / RANS_SYMBOLS;
        memset(of_row + first, (int)i, rows - first);
    }
    free(joints);
    return (int64_t)left;
}
