/* Codes maps of the levels of pixels, each predicted from its neighbours to the left and above.

   Rows have a lane each. What is coded at a time is a block: up to 32 neighbouring rows of a
   diagonal, in which x + 2y is the same; all their neighbours are on earlier diagonals. */
#include "lanes.h"

#include <stdlib.h>
#include <string.h>

/* The cell of a pixel. A missing neighbour has the level of another one. */
static uint32_t map_cell(const uint16_t *level, size_t width, size_t y, size_t x)
{
    const uint16_t *here = level + y * width + x, *above = here - (y ? width : 0);
    int32_t left = x ? here[-1] : y ? *above : 0;
    int32_t up = y ? *above : left, up_left = y && x ? above[-1] : up;
    int32_t up_right = y && x + 1 < width ? above[1] : up;
    int32_t predicted = (4 * left + 3 * up + 2 * up_right - up_left + 4) >> 3;
    int32_t slope = abs(left - up_left) + abs(up - up_left) + abs(up - up_right);
    uint32_t context = (uint32_t)(slope > 0) + (slope > 1) + (slope > 3) + (slope > 6) +
                       (slope > 13);
    return ((uint32_t)(predicted - 127) & 0xffff) | context << 24;
}

int static_count_map(const uint16_t *level, size_t height, size_t width, uint32_t *counts)
{
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            uint32_t cell = map_cell(level, width, y, x);
            counts[cell_table(cell) << 8 | symbol_of(level[y * width + x], cell)]++;
        }
    return 0;
}

static size_t diagonals(size_t height, size_t width) { return width + 2 * (height - 1); }

/* The rows of a diagonal, from `first` to before what is returned. */
static size_t rows_of(size_t height, size_t width, size_t diagonal, size_t *first)
{
    *first = diagonal < width ? 0 : (diagonal - width) / 2 + 1;
    return smaller(height, diagonal / 2 + 1);
}

static void block_cells(const uint16_t *level, size_t width, size_t diagonal, size_t y,
                        size_t count, uint32_t *cells)
{
    for (size_t i = 0; i < count; i++)
        cells[i] = map_cell(level, width, y + i, diagonal - 2 * (y + i));
}

static int decode_diagonal(struct reader *reader, uint32_t *state, size_t height, size_t width,
                           size_t diagonal, uint16_t *level)
{
    size_t y, stop = rows_of(height, width, diagonal, &y);
    for (; y < stop; y += LANES) {
        uint32_t cells[LANES];
        uint16_t found[LANES];
        size_t count = smaller(LANES, stop - y);
        block_cells(level, width, diagonal, y, count, cells);
        reader->state = state + y;
        if (lanes_read(&(struct row){reader, cells, count, found}, 1))
            return KERNEL_DAMAGED;
        for (size_t i = 0; i < count; i++)
            level[(y + i) * width + diagonal - 2 * (y + i)] = found[i];
    }
    return 0;
}

int static_decode_map(const uint8_t *payload, size_t size, size_t height, size_t width,
                      const uint32_t *slots, uint16_t *level)
{
    if (!height || !width)
        return KERNEL_MISFIT;
    if (size % 2 || size / 4 < height)
        return KERNEL_DAMAGED;
    uint32_t *state = malloc(4 * height);
    if (!state)
        return KERNEL_MEMORY;
    memcpy(state, payload, 4 * height);
    struct reader reader = {.slots = slots, .word = payload + 4 * height, .end = payload + size};
    int error = 0;
    for (size_t d = 0; d < diagonals(height, width) && !error; d++)
        error = decode_diagonal(&reader, state, height, width, d, level);
    reader.state = state;
    if (!error && !lanes_finished(&reader, height))
        error = KERNEL_DAMAGED;
    free(state);
    return error;
}

static void encode_diagonal(struct writer *writer, uint32_t *state, size_t height, size_t width,
                            size_t diagonal, const uint16_t *level)
{
    size_t first, stop = rows_of(height, width, diagonal, &first);
    size_t blocks = stop > first ? parts(stop - first, LANES) : 0;
    while (blocks-- > 0) {
        uint32_t cells[LANES];
        uint16_t numbers[LANES];
        size_t y = first + blocks * LANES, count = smaller(LANES, stop - y);
        block_cells(level, width, diagonal, y, count, cells);
        for (size_t i = 0; i < count; i++)
            numbers[i] = level[(y + i) * width + diagonal - 2 * (y + i)];
        writer->state = state + y;
        lanes_write(writer, cells, count, numbers);
    }
}

int64_t static_encode_map(const uint16_t *level, size_t height, size_t width,
                          const uint16_t *frequencies, uint8_t *payload, size_t size)
{
    uint32_t codes[MAP_CONTEXTS * RANS_SYMBOLS];
    if (!height || !width || lanes_fill_codes(frequencies, MAP_CONTEXTS, codes))
        return KERNEL_MISFIT;
    size_t room = lanes_room(height * width);
    uint32_t *state = malloc(4 * height + room);
    if (!state)
        return KERNEL_MEMORY;
    struct writer writer = {.codes = codes, .state = state};
    uint8_t *end = (uint8_t *)(state + height) + room;
    lanes_begin(&writer, height, end);
    for (size_t d = diagonals(height, width); d-- > 0;)
        encode_diagonal(&writer, state, height, width, d, level);
    writer.state = state;
    int64_t result = (int64_t)lanes_store(&writer, height, end, payload, size);
    free(state);
    return writer.marks & CODE_IMPOSSIBLE ? KERNEL_MISFIT : result;
}
