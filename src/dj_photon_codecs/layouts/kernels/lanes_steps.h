/* SPDX-License-Identifier: MIT */
/* Steps with a set of vectors, SET, in functions with the attributes TARGET: included once for
   each set. The compiler makes vectors of these loops; what it cannot is in `look_up`, `refill`
   and `spill` of lanes.c. */
#define NAME(function) JOIN(function, SET)

TARGET ALWAYS_INLINE void NAME(read_step)(struct reader *reader, uint32_t *restrict state,
                                          const uint32_t *restrict cells, size_t count,
                                          uint16_t *restrict numbers)
{
    uint32_t place[LANES], entry[LANES], found[LANES];
    const uint8_t *word = reader->word;
    uint32_t escapes = 0;
    for (size_t i = 0; i < count; i++)
        place[i] = (cell_table(cells[i]) << RANS_BITS) | (state[i] & (RANS_SLOTS - 1));
    NAME(look_up)(reader->slots, place, count, entry);
    for (size_t i = 0; i < count; i++)
        state[i] = rans_take(state[i], entry[i]);
    NAME(refill)(state, count, &word);
    for (size_t i = 0; i < count; i++) {
        found[i] = cells[i] + (entry[i] & 255);
        escapes |= (entry[i] & 255) + 1;
    }
    for (size_t i = 0; i < count && escapes > RANS_ESCAPE; i++)
        if ((entry[i] & 255) == RANS_ESCAPE) {
            found[i] = load_word(word);
            word += 2;
        }
    if (reader->bin_count) {
        uint32_t last = (uint32_t)reader->bin_count - 1;
        for (size_t i = 0; i < count; i++)
            place[i] = (found[i] & 0xffff) < last ? found[i] & 0xffff : last;
        NAME(look_up)(reader->bins, place, count, entry);
        for (size_t i = 0; i < count; i++) {
            uint32_t low = entry[i] >> 16 & 15;
            found[i] = entry[i] + (state[i] & (((uint32_t)1 << low) - 1));
            state[i] >>= low;
        }
        NAME(refill)(state, count, &word);
    }
    for (size_t i = 0; i < count; i++)
        numbers[i] = (uint16_t)found[i];
    reader->word = word;
}

/* Reads what is left of a row from pixel i on, and refuses it if there were too few words. */
TARGET static int NAME(read_row)(const struct row *row, size_t i)
{
    struct reader *reader = row->reader;
    for (; i < row->pixels; i += LANES) {
        const uint32_t *cells = row->cells + i;
        size_t count = smaller(LANES, row->pixels - i);
        if (!has_words(reader))
            return KERNEL_DAMAGED;
        if (count == LANES)
            NAME(read_step)(reader, reader->state, cells, LANES, row->numbers + i);
        else
            read_step_plain(reader, reader->state, cells, count, row->numbers + i);
    }
    return reader->word > reader->end ? KERNEL_DAMAGED : 0;
}

/* Reads rows of two streams side by side, and returns how many pixels of both: while one waits for
   its slots, the other goes on. */
TARGET static size_t NAME(read_pair)(const struct row *one, const struct row *other)
{
    uint32_t state[LANES], other_state[LANES];
    size_t i = 0, pixels = smaller(one->pixels, other->pixels);
    memcpy(state, one->reader->state, sizeof state);
    memcpy(other_state, other->reader->state, sizeof state);
    for (; i + LANES <= pixels && has_words(one->reader) && has_words(other->reader); i += LANES) {
        NAME(read_step)(one->reader, state, one->cells + i, LANES, one->numbers + i);
        NAME(read_step)(other->reader, other_state, other->cells + i, LANES, other->numbers + i);
    }
    memcpy(one->reader->state, state, sizeof state);
    memcpy(other->reader->state, other_state, sizeof state);
    return i;
}

TARGET static int NAME(read_rows)(const struct row *rows, size_t count)
{
    size_t i = count == 2 ? NAME(read_pair)(rows, rows + 1) : 0;
    for (size_t k = 0; k < count; k++)
        if (NAME(read_row)(rows + k, i))
            return KERNEL_DAMAGED;
    return 0;
}

/* The quotient of a state, below 2^31, by a frequency, if it is below 2^19: that of their floats
   made smaller by 2^-21 of it, or one more, as conversion and division are off by 2^-24 of it. */
TARGET static inline uint32_t NAME(divide)(uint32_t state, uint32_t frequency)
{
    float less = (float)(int32_t)state * (1 - 0x1p-21f);
    uint32_t quotient = (uint32_t)(int32_t)(less / (float)(int32_t)frequency);
    return quotient + (state - quotient * frequency >= frequency);
}

/* Writes a step, in the opposite order of `read_step`. */
TARGET ALWAYS_INLINE void NAME(write_step)(struct writer *writer, const uint32_t *restrict cells,
                                           size_t count, const uint16_t *restrict numbers)
{
    uint32_t *restrict state = writer->state, place[LANES], code[LANES], bin[LANES], full[LANES];
    uint8_t *word = writer->word;
    uint32_t marks = 0;
    for (size_t i = 0; i < count; i++)
        bin[i] = numbers[i];
    if (writer->bin_count) {
        uint32_t last = (uint32_t)writer->bin_count - 1;
        for (size_t i = 0; i < count; i++)
            place[i] = bin[i] < last ? bin[i] : last;
        NAME(look_up)(writer->bins, place, count, bin);
        for (size_t i = 0; i < count; i++)
            full[i] = state[i] >> (31 - (bin[i] >> 16 & 15)) != 0;
        NAME(spill)(state, full, count, &word);
        for (size_t i = 0; i < count; i++) {
            uint32_t low = bin[i] >> 16 & 15;
            state[i] = state[i] << low | (numbers[i] & (((uint32_t)1 << low) - 1));
        }
    }
    for (size_t i = 0; i < count; i++)
        place[i] = cell_table(cells[i]) << 8 | symbol_of(bin[i], cells[i]);
    NAME(look_up)(writer->codes, place, count, code);
    for (size_t i = 0; i < count; i++)
        marks |= code[i];
    for (size_t i = count; i-- > 0 && marks & CODE_ESCAPES;)
        if (code[i] & CODE_ESCAPES)
            push_word(&word, bin[i]);
    for (size_t i = 0; i < count; i++)
        full[i] = state[i] >> 19 >= (code[i] & FREQUENCY_MASK);
    NAME(spill)(state, full, count, &word);
    for (size_t i = 0; i < count; i++) {
        uint32_t frequency = code[i] & FREQUENCY_MASK;
        uint32_t before = code[i] >> BEFORE_PLACE & (RANS_SLOTS - 1);
        state[i] += NAME(divide)(state[i], frequency) * (RANS_SLOTS - frequency) + before;
    }
    writer->marks |= marks;
    writer->word = word;
}

TARGET static void NAME(write_row)(struct writer *writer, const uint32_t *cells, size_t pixels,
                                   const uint16_t *numbers)
{
    size_t i = pixels / LANES * LANES;
    if (i < pixels)
        write_step_plain(writer, cells + i, pixels - i, numbers + i);
    for (; i > 0; i -= LANES)
        NAME(write_step)(writer, cells + i - LANES, LANES, numbers + i - LANES);
}

#undef NAME
#undef SET
#undef TARGET
