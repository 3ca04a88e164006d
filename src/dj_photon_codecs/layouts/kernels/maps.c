/* SPDX-License-Identifier: MIT */
/* Codes maps of the levels of pixels, each predicted from its neighbours to the left and above.

   Rows have a lane each. What is coded at a time is a block: up to 32 neighbouring rows of a
   diagonal, in which x + 2y is the same; all their neighbours are on earlier diagonals. */
#include "lanes.h"

#include <stdlib.h>
#include <string.h>

/* The cell of a pixel between neighbours. */
static inline uint32_t cell_between(int32_t left, int32_t up, int32_t up_left, int32_t up_right)
{
    int32_t predicted = (4 * left + 3 * up + 2 * up_right - up_left + 4) >> 3;
    int32_t slope = abs(left - up_left) + abs(up - up_left) + abs(up - up_right);
    int32_t context = (slope > 0) + (slope > 1) + (slope > 3) + (slope > 6) + (slope > 13);
    return ((uint32_t)(predicted - 127) & 0xffff) | (uint32_t)context << 24;
}

/* The cell of any pixel. A missing neighbour has the level of another one. */
static uint32_t map_cell(const uint16_t *level, size_t width, size_t y, size_t x)
{
    const uint16_t *here = level + y * width + x, *above = here - (y ? width : 0);
    int32_t left = x ? here[-1] : y ? *above : 0, up = y ? *above : left;
    return cell_between(left, up, y && x ? above[-1] : up, y && x + 1 < width ? above[1] : up);
}

/* The cells of a row whose levels are known. */
static void row_cells(const uint16_t *level, size_t width, size_t y, uint32_t *restrict cells)
{
    const uint16_t *here = level + y * width, *above = here - (y ? width : 0);
    size_t inner = y && width > 2 ? width - 1 : 1; /* from 1 to before it, none is missing */
    for (size_t x = 1; x < inner; x++)
        cells[x] = cell_between(here[x - 1], above[x], above[x - 1], above[x + 1]);
    cells[0] = map_cell(level, width, y, 0);
    for (size_t x = inner; x < width; x++)
        cells[x] = map_cell(level, width, y, x);
}

int static_count_map(const uint16_t *level, size_t height, size_t width, uint32_t *counts)
{
    uint32_t *cells = malloc(4 * width);
    if (!cells)
        return KERNEL_MEMORY;
    for (size_t y = 0; y < height; y++) {
        row_cells(level, width, y, cells);
        for (size_t x = 0; x < width; x++)
            counts[cell_table(cells[x]) << 8 | symbol_of(level[y * width + x], cells[x])]++;
    }
    free(cells);
    return 0;
}

static size_t diagonals(size_t height, size_t width) { return width + 2 * (height - 1); }

/* The rows of a diagonal, from `first` to before what is returned. */
static size_t rows_of(size_t height, size_t width, size_t diagonal, size_t *first)
{
    *first = diagonal < width ? 0 : (diagonal - width) / 2 + 1;
    return smaller(height, diagonal / 2 + 1);
}

/* A map that is decoded. `known` are the levels of this diagonal and of the three before it, of row
   y at y + 1: there, neighbours of pixels are neighbours in memory. */
struct map {
    size_t height, width;
    uint32_t *state, *cells; /* of each row */
    uint16_t *known[4], *level;
};

static void diagonal_cells(const struct map *map, size_t diagonal, size_t first, size_t stop)
{
    const uint16_t *one = map->known[1] + first, *two = map->known[2] + first;
    const uint16_t *three = map->known[3] + first;
    uint32_t *restrict cells = map->cells + first;
    size_t last = stop - 1 - first;
    for (size_t i = 1; i < last; i++)
        cells[i] = cell_between(one[i + 1], two[i], three[i], one[i]);
    cells[0] = map_cell(map->level, map->width, first, diagonal - 2 * first);
    cells[last] = map_cell(map->level, map->width, stop - 1, diagonal - 2 * (stop - 1));
}

static int decode_diagonal(struct reader *reader, struct map *map, size_t diagonal)
{
    size_t first, stop = rows_of(map->height, map->width, diagonal, &first);
    uint16_t *found = map->known[0];
    if (first < stop)
        diagonal_cells(map, diagonal, first, stop);
    for (size_t y = first; y < stop; y += LANES) {
        struct row row = {reader, map->cells + y, smaller(LANES, stop - y), found + y + 1};
        reader->state = map->state + y;
        if (lanes_read(&row, 1))
            return KERNEL_DAMAGED;
    }
    for (size_t y = first; y < stop; y++)
        map->level[y * map->width + diagonal - 2 * y] = found[y + 1];
    memmove(map->known + 1, map->known, 3 * sizeof *map->known);
    return 0;
}

int static_decode_map(const uint8_t *payload, size_t size, size_t height, size_t width,
                      const uint32_t *slots, uint16_t *level)
{
    if (!height || !width)
        return KERNEL_MISFIT;
    if (size % 2 || size / 4 < height)
        return KERNEL_DAMAGED;
    uint32_t *state = calloc(height + 1, 16);
    if (!state)
        return KERNEL_MEMORY;
    memcpy(state, payload, 4 * height);
    struct reader reader = {.slots = slots, .word = payload + 4 * height, .end = payload + size};
    struct map map = {height, width, state, state + height, {NULL}, level};
    for (size_t k = 0; k < 4; k++)
        map.known[k] = (uint16_t *)(state + 2 * height) + k * (height + 1);
    int error = lanes_begun(state, height) ? 0 : KERNEL_DAMAGED;
    for (size_t d = 0; d < diagonals(height, width) && !error; d++) {
        uint16_t *oldest = map.known[3];
        error = decode_diagonal(&reader, &map, d);
        map.known[0] = oldest;
    }
    reader.state = state;
    if (!error && !lanes_finished(&reader, height))
        error = KERNEL_DAMAGED;
    free(state);
    return error;
}

static void encode_diagonal(struct writer *writer, uint32_t *state, const uint32_t *cells,
                            size_t height, size_t width, size_t diagonal, const uint16_t *level)
{
    size_t first, stop = rows_of(height, width, diagonal, &first);
    size_t blocks = stop > first ? parts(stop - first, LANES) : 0;
    while (blocks-- > 0) {
        uint32_t block[LANES];
        uint16_t numbers[LANES];
        size_t y = first + blocks * LANES, count = smaller(LANES, stop - y);
        for (size_t i = 0; i < count; i++) {
            size_t at = (y + i) * width + diagonal - 2 * (y + i);
            block[i] = cells[at];
            numbers[i] = level[at];
        }
        writer->state = state + y;
        lanes_write(writer, block, count, numbers);
    }
}

int64_t static_encode_map(const uint16_t *level, size_t height, size_t width,
                          const uint16_t *frequencies, uint8_t *payload, size_t size)
{
    uint32_t codes[MAP_CONTEXTS * RANS_SYMBOLS];
    if (!height || !width || lanes_fill_codes(frequencies, MAP_CONTEXTS, codes))
        return KERNEL_MISFIT;
    size_t room = lanes_room(height * width);
    uint32_t *state = malloc(4 * (height + height * width) + room), *cells = state + height;
    if (!state)
        return KERNEL_MEMORY;
    for (size_t y = 0; y < height; y++)
        row_cells(level, width, y, cells + y * width);
    struct writer writer = {.codes = codes, .state = state};
    uint8_t *end = (uint8_t *)(cells + height * width) + room;
    lanes_begin(&writer, height, end);
    for (size_t d = diagonals(height, width); d-- > 0;)
        encode_diagonal(&writer, state, cells, height, width, d, level);
    writer.state = state;
    int64_t result = (int64_t)lanes_store(&writer, height, end, payload, size);
    free(state);
    return writer.marks & CODE_IMPOSSIBLE ? KERNEL_MISFIT : result;
}
