/* SPDX-License-Identifier: MIT */
/* Unpacks photon.grouped: docs/reference/format.md, "The filter photon.grouped". */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

enum { STRETCH = 1 << 17 }; /* bytes of a plane that lie together */

#define CODE uint8_t
#include "grouped_codes.h"
#undef CODE
#define CODE uint16_t
#include "grouped_codes.h"
#undef CODE
#define CODE uint32_t
#include "grouped_codes.h"
#undef CODE
#define CODE uint64_t
#include "grouped_codes.h"
#undef CODE

/* Puts groups of `size` bytes into the order of the frame; a fixed size is many times faster. */
static void regroup(const uint8_t *from, uint8_t *to, const uint32_t *place, size_t groups,
                    size_t size)
{
    if (size == 16)
        for (size_t i = 0; i < groups; i++)
            memcpy(to + i * 16, from + (size_t)place[i] * 16, 16);
    else if (size == 8)
        for (size_t i = 0; i < groups; i++)
            memcpy(to + i * 8, from + (size_t)place[i] * 8, 8);
    else if (size == 4)
        for (size_t i = 0; i < groups; i++)
            memcpy(to + i * 4, from + (size_t)place[i] * 4, 4);
    else
        for (size_t i = 0; i < groups; i++)
            memcpy(to + i * size, from + (size_t)place[i] * size, size);
}

/* Whether all rows of a plane are stored, and its pixels are in the frame. No sum overflows: frames
   and pixels are below 2^31, and so are the numbers of a plane that are let through first. */
static int fits(const struct grouped_chunk *chunk, const struct grouped_plane *plane)
{
    int width = plane->width == 1 || plane->width == 2 || plane->width == 4 || plane->width == 8;
    if (!width || plane->shift >= 8 * chunk->itemsize || plane->first > chunk->pixels ||
        plane->pixels > chunk->pixels - plane->first || plane->begin > chunk->stored_size)
        return 0;
    return grouped_rows(chunk, plane) * plane->pixels <= chunk->stored_size - plane->begin;
}

static int check_chunk(const struct grouped_chunk *chunk)
{
    if (chunk->frames > INT32_MAX || chunk->pixels > INT32_MAX || !chunk->groups ||
        chunk->pixels % chunk->groups)
        return KERNEL_MISFIT;
    for (size_t i = 0; i < chunk->plane_count; i++)
        if (!fits(chunk, chunk->planes + i))
            return KERNEL_MISFIT;
    for (size_t i = 0; i < chunk->groups; i++)
        if (chunk->place[i] >= chunk->groups)
            return KERNEL_MISFIT;
    return 0;
}

static int unpack(const struct grouped_chunk *chunk, size_t frame, void *row)
{
    switch (chunk->itemsize) {
    case 1:
        return unpack_uint8_t(chunk, frame, row);
    case 2:
        return unpack_uint16_t(chunk, frame, row);
    case 4:
        return unpack_uint32_t(chunk, frame, row);
    default:
        return unpack_uint64_t(chunk, frame, row);
    }
}

int grouped_unpack(const struct grouped_chunk *chunk, size_t start, size_t stop, void *codes)
{
    size_t size = chunk->pixels * chunk->itemsize;
    int error = check_chunk(chunk);
    if (error || stop > chunk->frames || start >= stop || !size)
        return error ? error : stop > chunk->frames ? KERNEL_MISFIT : 0;
    uint8_t *row = malloc(size), *target = codes;
    if (!row)
        return KERNEL_MEMORY;
    for (size_t frame = start; frame < stop && !error; frame++, target += size) {
        error = unpack(chunk, frame, row);
        regroup(row, target, chunk->place, chunk->groups, size / chunk->groups);
    }
    free(row);
    return error;
}
