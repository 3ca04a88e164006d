/* SPDX-License-Identifier: MIT */
/* Joins rows of counts whose symbols are about as frequent, so that they share a table. */
#include "rans.h"

#include <stdlib.h>
#include <string.h>

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

/* The rows that are left: where their counts are, what they take, what joining the next saves. */
struct joint {
    const uint32_t *counts;
    int64_t bits, saved;
    size_t first;     /* of the rows that were joined */
    size_t low, high; /* no other symbols occur than from one to before the other */
    uint64_t peak;    /* none occurs more often */
};

static uint32_t highest(const uint32_t counts[RANS_SYMBOLS])
{
    uint32_t found = 0;
    for (size_t i = 0; i < RANS_SYMBOLS; i++)
        found = counts[i] > found ? counts[i] : found;
    return found;
}

static void widen(struct joint *joint, const struct joint *other)
{
    joint->low = smaller(joint->low, other->low);
    joint->high = other->high > joint->high ? other->high : joint->high;
    joint->peak += other->peak;
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
        if (row.peak < LOGARITHMS) /* of all: without further branches */
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
    const uint32_t *other = joints[best + 1].counts;
    for (size_t i = 0; i < RANS_SYMBOLS; i++)
        counts[i] += other[i];
    joints[best].bits += joints[best + 1].bits - joints[best].saved;
    widen(joints + best, joints + best + 1);
    joints[best].peak = highest(counts);
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
        joints[i] = (struct joint){row, 0, 0, i, 0, RANS_SYMBOLS, highest(row)};
        while (joints[i].high && !row[joints[i].high - 1])
            joints[i].high--;
        while (joints[i].low < joints[i].high && !row[joints[i].low])
            joints[i].low++;
        joints[i].bits = bits(&prices, joints[i], NULL);
    }
    for (size_t i = 0; i + 1 < rows; i++)
        save(joints + i, rows - i, &prices);
    size_t left = rows;
    for (; left > 1; left--) {
        size_t best = best_of(joints, left);
        if (joints[best].saved <= 0 && left <= most)
            break;
        join(joints, left, best, counts + joints[best].first * RANS_SYMBOLS, &prices);
    }
    for (size_t i = 0; i < left; i++)
        memset(of_row + joints[i].first, (int)i,
               (i + 1 < left ? joints[i + 1].first : rows) - joints[i].first);
    free(joints);
    return (int64_t)left;
}
