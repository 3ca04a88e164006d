/* SPDX-License-Identifier: MIT */
/* Opens chunks whose pixels keep their models: from what is stored of these to what streams are
   decoded with. */
#include "lanes.h"

#include <stdlib.h>

enum { MOST = 1 << 16, MAP_SLOTS = MAP_CONTEXTS * RANS_SLOTS };

/* Fills the slots of tables from the roots of their frequencies. */
static int fill_tables(const uint8_t *roots, size_t tables, uint32_t *slots)
{
    uint16_t frequencies[RANS_SYMBOLS];
    int error = 0;
    for (size_t i = 0; i < tables && !error; i++) {
        rans_frequencies(roots + i * RANS_SYMBOLS, frequencies);
        error = rans_fill_slots(frequencies, slots + i * RANS_SLOTS);
    }
    return error;
}

/* Joins the base and the table of each level of each class, of which differences are stored: the
   low bytes of all bases, the high bytes, and the tables. */
static int fill_rows(const uint8_t *stored, size_t classes, size_t levels, size_t tables,
                     uint32_t *rows)
{
    size_t all = classes * levels;
    for (size_t i = 0; i < classes; i++) {
        uint32_t base = 0, table = 0;
        for (size_t k = i * levels; k < (i + 1) * levels; k++) {
            base = (base + stored[k] + ((uint32_t)stored[all + k] << 8)) & 0xffff;
            table = (table + stored[2 * all + k]) & 0xff;
            if (table >= tables)
                return KERNEL_DAMAGED;
            rows[k] = base | table << 24;
        }
    }
    return 0;
}

static int fill_bins(const uint8_t *low, size_t count, uint32_t *bins)
{
    uint32_t first = 0;
    for (size_t i = 0; i < count; i++) {
        if (low[i] > 15 || first + ((uint32_t)1 << low[i]) > MOST)
            return KERNEL_DAMAGED;
        bins[i] = first | (uint32_t)low[i] << 16;
        first += (uint32_t)1 << low[i];
    }
    return 0;
}

static void fill_values(const uint8_t *stored, size_t count, uint16_t *values)
{
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value += stored[i] + ((uint32_t)stored[count + i] << 8);
        values[i] = (uint16_t)value;
    }
}

/* Decodes a map, with slots from its roots, and refuses levels beyond the last. */
static int decode_map(const struct static_map *map, const uint8_t *roots, size_t pixels,
                      size_t width, size_t levels, uint32_t *slots, uint16_t *level)
{
    int error = fill_tables(roots, MAP_CONTEXTS, slots);
    if (!error)
        error = static_decode_map(map->payload, map->size, pixels / width, width, slots, level);
    for (size_t i = 0; i < pixels && !error; i++)
        error = level[i] < levels ? 0 : KERNEL_DAMAGED;
    return error;
}

/* Decodes the level of each pixel: that of its brightness, in its family. */
static int decode_levels(const struct static_opening *opening, const uint8_t *roots,
                         uint32_t *slots, uint16_t *level, uint16_t *family)
{
    size_t pixels = opening->pixels, width = opening->width;
    int error = decode_map(opening->maps, roots, pixels, width, opening->brightnesses, slots,
                           level);
    if (error || opening->families == 1)
        return error;
    error = decode_map(opening->maps + 1, roots + MAP_CONTEXTS * RANS_SYMBOLS, pixels, width,
                       opening->families, slots, family);
    for (size_t i = 0; i < pixels; i++)
        level[i] = (uint16_t)(level[i] + family[i] * opening->brightnesses);
    return error;
}

int static_open(const struct static_opening *opening, const uint8_t *columns, size_t size)
{
    size_t frames = opening->frames, classes = opening->classes, pixels = opening->pixels;
    size_t levels = opening->families * opening->brightnesses, all = classes * levels;
    size_t maps = 1 + (opening->families > 1);
    if (!levels || levels > MOST || classes > MOST || !opening->width || !pixels ||
        pixels % opening->width || pixels > INT32_MAX || frames > INT32_MAX ||
        opening->families > MOST || opening->brightnesses > MOST ||
        size != frames + 3 * all + RANS_SYMBOLS * (opening->tables + MAP_CONTEXTS * maps) +
                    opening->bin_count + 2 * opening->value_count)
        return KERNEL_MISFIT;
    for (size_t i = 0; i < frames; i++)
        if (columns[i] >= classes)
            return KERNEL_DAMAGED;
    uint32_t *rows = malloc(4 * (all + MAP_SLOTS + pixels));
    if (!rows)
        return KERNEL_MEMORY;
    uint32_t *slots = rows + all;
    uint16_t *level = (uint16_t *)(slots + MAP_SLOTS);
    const uint8_t *roots = columns + frames + 3 * all;
    const uint8_t *map_roots = roots + RANS_SYMBOLS * opening->tables;
    const uint8_t *low = map_roots + RANS_SYMBOLS * MAP_CONTEXTS * maps;
    int error = fill_rows(columns + frames, classes, levels, opening->tables, rows);
    if (!error)
        error = fill_tables(roots, opening->tables, opening->slots);
    if (!error)
        error = fill_bins(low, opening->bin_count, opening->bins);
    if (!error)
        error = decode_levels(opening, map_roots, slots, level, level + pixels);
    if (!error)
        error = static_fill_cells(level, pixels, rows, classes, levels, opening->cells);
    fill_values(low + opening->bin_count, opening->value_count, opening->values);
    free(rows);
    return error;
}
