/* SPDX-License-Identifier: MIT */
/* Unpacks a frame of codes of the type CODE; grouped.c includes it once for each type. */
#define JOINED(name, type) name##_##type
#define NAMED(name, type) JOINED(name, type)

static void NAMED(add_bits, CODE)(CODE *code, const CODE *from, const uint8_t *row, size_t pixels,
                                  uint32_t down, uint32_t mask, uint32_t shift)
{
    for (size_t i = 0; i < pixels; i++)
        code[i] = (CODE)(from[i] + (CODE)((CODE)(row[i] >> down & mask) << shift));
}

/* All rows of a stretch come before the next stretch; `fits` has shown that they are there. */
static void NAMED(add_plane, CODE)(CODE *code, const CODE *from, const struct grouped_chunk *chunk,
                                   const struct grouped_plane *plane, size_t frame)
{
    size_t rows = grouped_rows(chunk, plane), length = STRETCH / rows > 8 ? STRETCH / rows : 8;
    size_t bit = frame * plane->width;
    uint32_t mask = ((uint32_t)1 << plane->width) - 1;
    for (size_t begin = 0; begin < plane->pixels; begin += length) {
        size_t pixels = smaller(length, plane->pixels - begin);
        const uint8_t *stretch = chunk->stored + plane->begin + begin * rows;
        size_t first = plane->first + begin;
        NAMED(add_bits, CODE)(code + first, from + first, stretch + bit / 8 * pixels, pixels,
                              bit % 8, mask, (uint32_t)plane->shift);
    }
}

static int NAMED(add_events, CODE)(CODE *code, const struct grouped_chunk *chunk, size_t frame)
{
    const CODE *excess = chunk->excess;
    for (size_t kind = 0; kind < chunk->kinds; kind++) {
        const uint64_t *ends = chunk->event_ends + kind * (chunk->frames + 1) + frame;
        if (ends[1] > chunk->event_count)
            return KERNEL_MISFIT;
        for (uint64_t event = ends[0]; event < ends[1]; event++) {
            uint64_t place = chunk->events[event] - (uint64_t)frame * chunk->pixels;
            if (place >= chunk->pixels)
                return KERNEL_MISFIT;
            code[place] = (CODE)(code[place] + excess[event]);
        }
    }
    return 0;
}

/* Unpacks the codes of a frame in the order of the classes. */
static int NAMED(unpack, CODE)(const struct grouped_chunk *chunk, size_t frame, CODE *code)
{
    const CODE *values = chunk->values, *base = chunk->base;
    const struct grouped_plane *end = chunk->planes + chunk->plane_count;
    size_t filled = 0; /* pixels before, whose first plane, or base, has been put */
    for (const struct grouped_plane *plane = chunk->planes; plane < end; plane++) {
        int is_first = plane->first >= filled;
        if (is_first) {
            memcpy(code + filled, base + filled, (plane->first - filled) * sizeof *code);
            filled = plane->first + plane->pixels;
        }
        NAMED(add_plane, CODE)(code, is_first ? base : code, chunk, plane, frame);
    }
    memcpy(code + filled, base + filled, (chunk->pixels - filled) * sizeof *code);
    int error = NAMED(add_events, CODE)(code, chunk, frame);
    if (error || !chunk->value_count)
        return error;
    for (size_t i = 0; i < chunk->pixels; i++)
        code[i] = values[code[i] < chunk->value_count ? code[i] : chunk->value_count - 1];
    return 0;
}

#undef NAMED
#undef JOINED
