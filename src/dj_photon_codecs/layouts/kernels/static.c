/* Codes chunks whose pixels keep their models: docs/reference/format.md, "The static layout".

   A stream holds consecutive frames of consecutive pixels: 32 states, then words. The symbol of a
   pixel belongs to the lane (pixel - first pixel of the stream) mod 32. A step is 32 pixels of a
   frame, or the rest of them: first their symbols, then a word for each escape, then the low bits
   of their bins; each in the order of the lanes. */
#include "processor.h"
#include "rans.h"

#include <stdlib.h>
#include <string.h>

enum {
    LANES = STATIC_LANES,
    VECTOR = 8, /* lanes that AVX2 handles at once; AVX-512 twice as many */
    STEP_WORDS = 3 * LANES + 2 * VECTOR, /* that a step touches: one for each part, and a vector */
    STATE_BYTES = 4 * LANES,
    MOST_CLASSES = 256,
    MOST_TABLES = 256,
};

/* A cell is the model of a pixel: base | table << 24. Its bin is, modulo 2^16, base + symbol. */
static inline uint32_t cell_table(uint32_t cell) { return cell >> 24; }

static inline size_t smaller(size_t one, size_t other) { return one < other ? one : other; }
static inline size_t parts(size_t whole, size_t part) { return (whole + part - 1) / part; }

static inline uint32_t load_word(const uint8_t *from)
{
    uint16_t word;
    memcpy(&word, from, 2);
    return word;
}

static inline uint32_t symbol_of(uint32_t bin, uint32_t cell)
{
    return (uint32_t)smaller((bin - cell) & 0xffff, RANS_ESCAPE);
}

/* What `bins` says of a number, or of a bin; of what is beyond the last, it says the same. */
static inline uint32_t entry_of(const struct static_model *model, uint32_t of)
{
    return model->bins[smaller(of, model->bin_count - 1)];
}
static inline uint32_t low_of(uint32_t entry) { return entry >> 16 & 15; }

/* Refuses cells without a table. */
static int check_cells(const struct static_model *model, size_t tables)
{
    uint32_t highest = 0;
    for (size_t i = 0; i < model->classes * model->pixels; i++)
        highest = model->cells[i] > highest ? model->cells[i] : highest;
    return model->pixels && cell_table(highest) >= tables ? KERNEL_DAMAGED : 0;
}

/* Refuses frames without a class, and sizes that could overflow. */
static int check_model(const struct static_model *model, size_t tables, size_t streams)
{
    size_t length = model->frames_per_stream, width = model->pixels_per_stream;
    if (!length || !width || length > INT32_MAX || width > INT32_MAX ||
        model->frames > INT32_MAX || model->pixels > INT32_MAX ||
        model->classes > MOST_CLASSES || tables > MOST_TABLES ||
        parts(model->frames, length) * parts(model->pixels, width) != streams)
        return KERNEL_MISFIT;
    for (size_t t = 0; t < model->frames; t++)
        if (model->frame_class[t] >= model->classes)
            return KERNEL_DAMAGED;
    return check_cells(model, tables);
}

/* ------------------------------------------------------------------------------ decoding */

int static_fill_slots(const uint16_t *frequencies, size_t tables, uint32_t *slots)
{
    int error = 0;
    for (size_t i = 0; i < tables && !error; i++)
        error = rans_fill_slots(frequencies + i * RANS_SYMBOLS, slots + i * RANS_SLOTS);
    return error;
}

/* What is left of a stream. Its last words are read from a copy with zeros behind it, so that a
   step may touch STEP_WORDS whatever its symbols are. */
struct reader {
    const struct static_model *model;
    uint32_t *state;
    const uint8_t *word, *end;
    int copied;
    uint8_t copy[4 * STEP_WORDS];
    const uint8_t (*spread)[2 * VECTOR]; /* see `fill_spread` */
};

/* Pixels of a frame, as a part of a stream. */
struct row {
    struct reader *reader;
    const uint32_t *cells;
    size_t pixels;
    uint16_t *numbers;
};

/* Whether a step may be read: no more words were taken than there were, and STEP_WORDS can be. */
static inline int has_words(struct reader *reader)
{
    if (reader->end - reader->word >= 2 * STEP_WORDS)
        return 1;
    if (reader->word > reader->end)
        return 0;
    if (!reader->copied) {
        size_t left = (size_t)(reader->end - reader->word);
        memset(reader->copy, 0, sizeof reader->copy);
        memcpy(reader->copy, reader->word, left);
        reader->word = reader->copy;
        reader->end = reader->copy + left;
        reader->copied = 1;
    }
    return 1;
}

static int is_finished(const struct reader *reader, size_t lanes)
{
    for (size_t lane = 0; lane < lanes; lane++)
        if (reader->state[lane] != RANS_LEAST)
            return 0;
    return reader->word == reader->end;
}

static inline uint32_t refill(uint32_t state, const uint8_t **word)
{
    uint32_t low = state < RANS_LEAST; /* without a branch, which would be predicted badly */
    state = state << (low << 4) | (load_word(*word) & (0u - low));
    *word += 2 * low;
    return state;
}

static inline void read_low_bits(struct reader *reader, size_t count, const uint8_t **word,
                                 uint16_t *numbers)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t entry = entry_of(reader->model, numbers[i]), low = low_of(entry);
        numbers[i] = (uint16_t)(entry + (reader->state[i] & (((uint32_t)1 << low) - 1)));
        reader->state[i] = refill(reader->state[i] >> low, word);
    }
}

static void read_step(struct reader *reader, const uint32_t *cells, const uint32_t *slots,
                      size_t count, uint16_t *numbers)
{
    const uint8_t *word = reader->word;
    uint32_t *state = reader->state, symbol[LANES];
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = cell_table(cells[i]) * RANS_SLOTS + (state[i] & (RANS_SLOTS - 1));
        state[i] = refill(rans_take(state[i], slots[slot]), &word);
        symbol[i] = slots[slot] & 255;
    }
    for (size_t i = 0; i < count; i++) {
        numbers[i] = (uint16_t)(cells[i] + symbol[i]);
        if (symbol[i] == RANS_ESCAPE) {
            numbers[i] = (uint16_t)load_word(word);
            word += 2;
        }
    }
    if (reader->model->bin_count)
        read_low_bits(reader, count, &word, numbers);
    reader->word = word;
}

/* Reads the pixels of a row from one on. */
static int read_row(const struct row *row, size_t i, const uint32_t *slots)
{
    for (; i < row->pixels; i += LANES) {
        if (!has_words(row->reader))
            return KERNEL_DAMAGED;
        read_step(row->reader, row->cells + i, slots, smaller(LANES, row->pixels - i),
                  row->numbers + i);
    }
    return 0;
}

/* For each set of eight lanes, where in the next words each of them finds its own; 0x80 gives the
   others 0. */
static void fill_spread(uint8_t spread[256][2 * VECTOR])
{
    memset(spread, 0x80, 256 * 2 * VECTOR);
    for (int set = 0; set < 256; set++)
        for (int lane = 0, taken = 0; lane < VECTOR; lane++)
            if (set >> lane & 1) {
                spread[set][2 * lane] = (uint8_t)(2 * taken);
                spread[set][2 * lane + 1] = (uint8_t)(2 * taken++ + 1);
            }
}

#ifdef AVX2
AVX2 static inline __m256i all(int number) { return _mm256_set1_epi32(number); }
AVX2 static inline unsigned signs(__m256i of)
{
    return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(of));
}
AVX2 static inline __m256i load_numbers(const uint16_t *numbers)
{
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)numbers));
}
AVX2 static inline __m256i low_bits(__m256i number, __m256i bits)
{
    return _mm256_andnot_si256(_mm256_sllv_epi32(all(-1), bits), number);
}

AVX2 static inline __m256i refill_vector(__m256i state, const struct reader *reader,
                                         const uint8_t **word)
{
    __m256i needed = _mm256_cmpgt_epi32(all(RANS_LEAST), state);
    unsigned set = signs(needed);
    __m128i words = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)*word),
                                     _mm_loadu_si128((const __m128i *)reader->spread[set]));
    *word += 2 * __builtin_popcount(set);
    state = _mm256_sllv_epi32(state, _mm256_and_si256(needed, all(16)));
    return _mm256_or_si256(state, _mm256_cvtepu16_epi32(words));
}

/* Takes the symbols of eight lanes. */
AVX2 static inline __m256i take_vector(__m256i *state, __m256i cells, const uint32_t *slots,
                                       const struct reader *reader, const uint8_t **word)
{
    __m256i slot_mask = all(RANS_SLOTS - 1);
    __m256i table = _mm256_andnot_si256(slot_mask, _mm256_srli_epi32(cells, 24 - RANS_BITS));
    __m256i slot = _mm256_or_si256(table, _mm256_and_si256(*state, slot_mask));
    __m256i entry = _mm256_i32gather_epi32((const int *)slots, slot, 4);
    __m256i frequency = _mm256_add_epi32(_mm256_srli_epi32(entry, 20), all(1));
    __m256i place = _mm256_and_si256(_mm256_srli_epi32(entry, 8), slot_mask);
    __m256i taken = _mm256_mullo_epi32(frequency, _mm256_srli_epi32(*state, RANS_BITS));
    *state = refill_vector(_mm256_add_epi32(taken, place), reader, word);
    return _mm256_and_si256(entry, all(255));
}

/* `entry_of` and `low_of` of eight. */
AVX2 static inline __m256i entries_of(const struct static_model *model, __m256i of, __m256i *low)
{
    of = _mm256_min_epu32(of, all((int)model->bin_count - 1));
    __m256i entry = _mm256_i32gather_epi32((const int *)model->bins, of, 4);
    *low = _mm256_and_si256(_mm256_srli_epi32(entry, 16), all(15));
    return entry;
}

/* Takes the low bits of eight bins, and returns their numbers. */
AVX2 static inline __m256i take_low_bits(__m256i *state, const uint16_t *bins,
                                         const struct reader *reader, const uint8_t **word)
{
    __m256i low, entry = entries_of(reader->model, load_numbers(bins), &low);
    __m256i number = _mm256_add_epi32(entry, low_bits(*state, low));
    *state = refill_vector(_mm256_srlv_epi32(*state, low), reader, word);
    return number;
}

static inline void read_escapes(uint32_t lanes, const uint8_t **word, uint16_t *numbers)
{
    for (; lanes; lanes &= lanes - 1, *word += 2)
        numbers[__builtin_ctz(lanes)] = (uint16_t)load_word(*word);
}

AVX2 static inline void store_numbers(__m256i first, __m256i second, uint16_t *numbers)
{
    first = _mm256_packus_epi32(low_bits(first, all(16)), low_bits(second, all(16)));
    _mm256_storeu_si256((__m256i *)numbers, _mm256_permute4x64_epi64(first, 0xd8));
}

/* The same as `read_row`. */
AVX2 static int read_row_avx2(const struct row *row, size_t i, const uint32_t *slots)
{
    enum { VECTORS = LANES / VECTOR };
    __m256i state[VECTORS], found[VECTORS];
    struct reader *reader = row->reader;
    if (i + LANES > row->pixels)
        return read_row(row, i, slots);
    memcpy(state, reader->state, sizeof state);
    for (; i + LANES <= row->pixels && has_words(reader); i += LANES) {
        const uint8_t *word = reader->word;
        uint16_t *numbers = row->numbers + i;
        uint32_t escaped = 0;
        for (int k = 0; k < VECTORS; k++) {
            __m256i cell = _mm256_loadu_si256((const __m256i *)(row->cells + i) + k);
            __m256i symbol = take_vector(state + k, cell, slots, reader, &word);
            escaped |= signs(_mm256_cmpeq_epi32(symbol, all(RANS_ESCAPE))) << VECTOR * k;
            found[k] = _mm256_add_epi32(symbol, cell);
        }
        for (int k = 0; k < VECTORS; k += 2)
            store_numbers(found[k], found[k + 1], numbers + VECTOR * k);
        read_escapes(escaped, &word, numbers);
        for (int k = 0; reader->model->bin_count && k < VECTORS; k += 2) {
            uint16_t *bins = numbers + VECTOR * k;
            found[k] = take_low_bits(state + k, bins, reader, &word);
            found[k + 1] = take_low_bits(state + k + 1, bins + VECTOR, reader, &word);
            store_numbers(found[k], found[k + 1], bins);
        }
        reader->word = word;
    }
    memcpy(reader->state, state, sizeof state);
    return read_row(row, i, slots);
}

/* Takes the symbols of sixteen lanes. */
AVX512 static inline __m512i take_wide(__m512i *state, __m512i cells, const uint32_t *slots,
                                       const uint8_t **word)
{
    __m512i slot_mask = _mm512_set1_epi32(RANS_SLOTS - 1);
    __m512i table = _mm512_andnot_si512(slot_mask, _mm512_srli_epi32(cells, 24 - RANS_BITS));
    __m512i slot = _mm512_or_si512(table, _mm512_and_si512(*state, slot_mask));
    __m512i entry = _mm512_i32gather_epi32(slot, slots, 4);
    __m512i frequency = _mm512_add_epi32(_mm512_srli_epi32(entry, 20), _mm512_set1_epi32(1));
    __m512i place = _mm512_and_si512(_mm512_srli_epi32(entry, 8), slot_mask);
    __m512i taken = _mm512_mullo_epi32(frequency, _mm512_srli_epi32(*state, RANS_BITS));
    taken = _mm512_add_epi32(taken, place);
    __mmask16 low = _mm512_cmplt_epu32_mask(taken, _mm512_set1_epi32(RANS_LEAST));
    __m256i words = _mm256_loadu_si256((const __m256i *)*word);
    __m512i added = _mm512_cvtepu16_epi32(_mm256_maskz_expand_epi16(low, words));
    *word += 2 * __builtin_popcount(low);
    *state = _mm512_mask_or_epi32(taken, low, _mm512_slli_epi32(taken, 16), added);
    return _mm512_and_si512(entry, _mm512_set1_epi32(255));
}

/* Reads rows of two streams without low bits: while one waits for its slots, the other goes on. */
AVX512 static int read_pair_avx512(const struct row *pair, const uint32_t *slots)
{
    struct reader *first = pair[0].reader, *second = pair[1].reader;
    size_t i = 0, pixels = smaller(pair[0].pixels, pair[1].pixels);
    __m512i state[2][2];
    memcpy(state[0], first->state, sizeof state[0]);
    memcpy(state[1], second->state, sizeof state[1]);
    for (; i + LANES <= pixels && has_words(first) && has_words(second); i += LANES) {
        const uint8_t *word[2] = {first->word, second->word};
        uint32_t escaped[2] = {0, 0};
        for (int half = 0; half < 2; half++)
            for (int k = 0; k < 2; k++) {
                __m512i cell = _mm512_loadu_si512(pair[k].cells + i + 16 * half);
                __m512i symbol = take_wide(&state[k][half], cell, slots, &word[k]);
                uint32_t set = _mm512_cmpeq_epi32_mask(symbol, _mm512_set1_epi32(RANS_ESCAPE));
                escaped[k] |= set << 16 * half;
                _mm256_storeu_si256((__m256i *)(pair[k].numbers + i + 16 * half),
                                    _mm512_cvtepi32_epi16(_mm512_add_epi32(symbol, cell)));
            }
        for (int k = 0; k < 2; k++)
            read_escapes(escaped[k], &word[k], pair[k].numbers + i);
        first->word = word[0];
        second->word = word[1];
    }
    memcpy(first->state, state[0], sizeof state[0]);
    memcpy(second->state, state[1], sizeof state[1]);
    return read_row_avx2(pair, i, slots) || read_row_avx2(pair + 1, i, slots);
}
#endif

/* Reads rows of one stream, or of two. */
static int read_rows(const struct row *rows, size_t count, const uint32_t *slots)
{
    int (*read)(const struct row *, size_t, const uint32_t *) = read_row;
#ifdef AVX2
    if (count == 2 && processor_vectors >= VECTORS_AVX512 && !rows->reader->model->bin_count)
        return read_pair_avx512(rows, slots);
    if (processor_vectors >= VECTORS_AVX2)
        read = read_row_avx2;
#endif
    int error = 0;
    for (size_t i = 0; i < count && !error; i++)
        error = read(rows + i, 0, slots);
    return error;
}

/* The frames and pixels of a stream up to the last wanted frame, those of these pixels that are
   wanted, and whether all of the stream is decoded. */
struct window {
    size_t frame, stop, pixel, pixels, first, wanted;
    int whole;
};

static struct window window_of(const struct static_model *model, const struct static_part *part,
                               size_t stream)
{
    size_t across = parts(model->pixels, model->pixels_per_stream);
    size_t frame = stream / across * model->frames_per_stream;
    size_t pixel = stream % across * model->pixels_per_stream;
    size_t last = smaller(frame + model->frames_per_stream, model->frames);
    size_t end = smaller(pixel + model->pixels_per_stream, model->pixels);
    size_t first = part->start_pixel > pixel ? part->start_pixel : pixel;
    size_t last_wanted = part->start_frame + part->frames;
    size_t stop = smaller(part->start_pixel + part->pixels, end);
    int wanted = frame < last_wanted && part->start_frame < last && first < stop;
    return (struct window){frame, smaller(last, last_wanted), pixel, end - pixel, first,
                           wanted ? stop - first : 0,
                           last < last_wanted || (last == last_wanted && stop == end)};
}

/* A stream, and room for its rows that are not wanted in whole. */
struct stream {
    struct reader reader;
    uint32_t state[LANES];
    struct window window;
    uint16_t *room;
};

/* What is decoded, and to where. */
struct decoding {
    const struct static_model *model;
    const uint32_t *slots;
    const struct static_part *part;
    uint16_t *numbers;
};

/* Where the wanted pixels of a frame go to; NULL if the frame is not wanted. */
static uint16_t *place_of(const struct decoding *decoding, const struct window *window,
                          size_t frame)
{
    if (frame < decoding->part->start_frame)
        return NULL;
    return decoding->numbers + (frame - decoding->part->start_frame) * decoding->part->stride +
           (window->first - decoding->part->start_pixel);
}

/* The row of a frame; of the last wanted frame, up to the step of the last wanted pixel. */
static struct row row_of(const struct decoding *decoding, struct stream *stream, size_t frame)
{
    const struct static_model *model = decoding->model;
    const struct window *window = &stream->window;
    const uint32_t *cells = model->cells + model->frame_class[frame] * model->pixels;
    uint16_t *place = place_of(decoding, window, frame);
    size_t pixels = window->pixels;
    if (frame + 1 == decoding->part->start_frame + decoding->part->frames)
        pixels = smaller(
            pixels, parts(window->first + window->wanted - window->pixel, LANES) * LANES);
    return (struct row){&stream->reader, cells + window->pixel, pixels,
                        place && window->wanted == window->pixels ? place : stream->room};
}

/* Decodes one or two streams, a row of each at a time. */
static int decode_rows(const struct decoding *decoding, struct stream *streams, size_t count)
{
    for (size_t t = 0, used = 1; used; t++) {
        struct row rows[2];
        used = 0;
        for (size_t k = 0; k < count; k++)
            if (streams[k].window.frame + t < streams[k].window.stop)
                rows[used++] = row_of(decoding, streams + k, streams[k].window.frame + t);
        if (read_rows(rows, used, decoding->slots))
            return KERNEL_DAMAGED;
        for (size_t k = 0; k < count; k++) {
            const struct window *window = &streams[k].window;
            uint16_t *place = place_of(decoding, window, window->frame + t);
            if (window->frame + t < window->stop && place && window->wanted < window->pixels)
                memcpy(place, streams[k].room + (window->first - window->pixel),
                       2 * window->wanted);
        }
    }
    for (size_t k = 0; k < count; k++)
        if (streams[k].window.whole && !is_finished(&streams[k].reader, LANES))
            return KERNEL_DAMAGED;
    return 0;
}

static void open_stream(struct stream *stream, const uint8_t *bytes, size_t length)
{
    memcpy(stream->state, bytes, STATE_BYTES);
    stream->reader.state = stream->state;
    stream->reader.word = bytes + STATE_BYTES;
    stream->reader.end = bytes + length;
    stream->reader.copied = 0;
}

static int decode_streams(const struct decoding *decoding, struct stream *pair,
                          const uint8_t *payload, size_t size, const uint32_t *lengths,
                          size_t streams)
{
    size_t open = 0;
    for (size_t i = 0; i < streams; i++) {
        size_t length = STATE_BYTES + 2 * (size_t)lengths[i];
        if (length > size)
            return KERNEL_DAMAGED;
        pair[open].window = window_of(decoding->model, decoding->part, i);
        open_stream(pair + open, payload, length);
        open += pair[open].window.wanted > 0;
        payload += length;
        size -= length;
        if (open == 2 || (open && i + 1 == streams)) {
            if (decode_rows(decoding, pair, open))
                return KERNEL_DAMAGED;
            open = 0;
        }
    }
    return size ? KERNEL_DAMAGED : 0;
}

int static_decode(const struct static_model *model, const uint32_t *slots, size_t tables,
                  const uint8_t *payload, size_t size, const uint32_t *lengths, size_t streams,
                  const struct static_part *part, uint16_t *numbers)
{
    int error = check_model(model, tables, streams);
    if (error)
        return error;
    if (part->start_frame > model->frames || part->frames > model->frames - part->start_frame ||
        part->start_pixel > model->pixels || part->pixels > model->pixels - part->start_pixel)
        return KERNEL_MISFIT;
    size_t width = smaller(model->pixels_per_stream, model->pixels);
    struct stream *pair = malloc(2 * sizeof *pair + 4 * width);
    uint8_t (*spread)[2 * VECTOR] = malloc(256 * sizeof *spread);
    struct decoding decoding = {model, slots, part, numbers};
    error = KERNEL_MEMORY;
    if (pair && spread) {
        fill_spread(spread);
        for (size_t k = 0; k < 2; k++) {
            pair[k].room = (uint16_t *)(void *)(pair + 2) + k * width;
            pair[k].reader.spread = spread;
            pair[k].reader.model = model;
        }
        error = decode_streams(&decoding, pair, payload, size, lengths, streams);
    }
    free(pair);
    free(spread);
    return error;
}

/* ------------------------------------------------------------------------------ encoding */

/* The code of a symbol: its frequency, what comes before it << 13, and these marks. A symbol
   without a frequency has the code of the escape. */
#define CODE_ESCAPES ((uint32_t)1 << 31)
#define CODE_IMPOSSIBLE ((uint32_t)1 << 30) /* the escape has no frequency either */
enum { FREQUENCY_MASK = 8191, CUMULATIVE_PLACE = 13 };

static int fill_codes(const uint16_t *frequencies, size_t tables, uint32_t *codes)
{
    for (size_t table = 0; table < tables; table++, frequencies += 256, codes += 256) {
        uint32_t cumulative = 0;
        for (size_t symbol = 0; symbol < RANS_SYMBOLS; symbol++) {
            codes[symbol] = frequencies[symbol] | cumulative << CUMULATIVE_PLACE;
            cumulative += frequencies[symbol];
        }
        if (cumulative != RANS_SLOTS)
            return KERNEL_MISFIT;
        if (frequencies[RANS_ESCAPE])
            codes[RANS_ESCAPE] |= CODE_ESCAPES;
        else
            codes[RANS_ESCAPE] = RANS_SLOTS | CODE_ESCAPES | CODE_IMPOSSIBLE;
        for (size_t symbol = 0; symbol < RANS_ESCAPE; symbol++)
            codes[symbol] = frequencies[symbol] ? codes[symbol] : codes[RANS_ESCAPE];
    }
    return 0;
}

/* A stream that is written from its end to its beginning. */
struct writer {
    const struct static_model *model;
    uint32_t *state, marks; /* the marks of all codes that escaped */
    uint8_t *word;
    uint8_t squeeze[256][2 * VECTOR]; /* see `fill_squeeze` */
};

static inline void push_word(uint8_t **word, uint32_t state)
{
    uint16_t low = (uint16_t)state;
    *word -= 2;
    memcpy(*word, &low, 2);
}

/* Writes a word of a state that is full, and else one that is written over. */
static inline uint32_t spill(uint32_t state, uint32_t full, uint8_t **word)
{
    push_word(word, state);
    *word += 2 * (1 - full);
    return state >> (full << 4);
}

static inline void push_escapes(struct writer *writer, const uint32_t *codes, const uint32_t *bins,
                                size_t count, uint8_t **word)
{
    for (size_t i = count; i-- > 0;)
        if (codes[i] & CODE_ESCAPES) {
            push_word(word, bins[i]);
            writer->marks |= codes[i];
        }
}

/* The bin of a number, whose low bits are written. */
static inline uint32_t write_low_bits(struct writer *writer, size_t lane, uint32_t number,
                                      uint8_t **word)
{
    uint32_t entry = entry_of(writer->model, number), low = low_of(entry);
    uint32_t state = writer->state[lane];
    state = spill(state, state >> (31 - low) != 0, word);
    writer->state[lane] = state << low | (number & (((uint32_t)1 << low) - 1));
    return entry & 0xffff;
}

/* Writes a step, in the opposite order of `read_step`. */
static void write_step(struct writer *writer, const uint32_t *cells, const uint32_t *codes,
                       size_t count, const uint16_t *numbers)
{
    uint32_t code[LANES], bin[LANES], *state = writer->state;
    uint8_t *word = writer->word;
    for (size_t i = count; i-- > 0;) {
        bin[i] = writer->model->bin_count ? write_low_bits(writer, i, numbers[i], &word)
                                          : numbers[i];
        code[i] = codes[cell_table(cells[i]) << 8 | symbol_of(bin[i], cells[i])];
    }
    push_escapes(writer, code, bin, count, &word);
    for (size_t i = count; i-- > 0;) {
        uint32_t frequency = code[i] & FREQUENCY_MASK;
        uint32_t cumulative = code[i] >> CUMULATIVE_PLACE & (RANS_SLOTS - 1);
        uint32_t x = spill(state[i], state[i] >> 19 >= frequency, &word);
        state[i] = x + x / frequency * (RANS_SLOTS - frequency) + cumulative;
    }
    writer->word = word;
}

/* Writes the pixels of a frame; the other way round than `read_row`. */
static void write_row(struct writer *writer, const uint32_t *cells, const uint32_t *codes,
                      size_t pixels, const uint16_t *numbers)
{
    for (size_t i = parts(pixels, LANES) * LANES; i > 0; i -= LANES) {
        size_t from = i - LANES, count = smaller(LANES, pixels - from);
        write_step(writer, cells + from, codes, count, numbers + from);
    }
}

#ifdef AVX2
/* For each set of eight lanes, from where each of the last words is taken: those of the set. */
static void fill_squeeze(uint8_t squeeze[256][2 * VECTOR])
{
    memset(squeeze, 0, 256 * 2 * VECTOR);
    for (int set = 0; set < 256; set++)
        for (int lane = VECTOR - 1, to = VECTOR - 1; lane >= 0; lane--)
            if (set >> lane & 1) {
                squeeze[set][2 * to] = (uint8_t)(2 * lane);
                squeeze[set][2 * to-- + 1] = (uint8_t)(2 * lane + 1);
            }
}

/* Writes a word of each of eight states that are full. Touches eight words. */
AVX2 static inline __m256i spill_vector(__m256i state, __m256i full, const struct writer *writer,
                                        uint8_t **word)
{
    unsigned set = signs(full);
    __m256i words = low_bits(state, all(16));
    __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(words),
                                      _mm256_extracti128_si256(words, 1));
    packed = _mm_shuffle_epi8(packed, _mm_loadu_si128((const __m128i *)writer->squeeze[set]));
    _mm_storeu_si128((__m128i *)(*word - 2 * VECTOR), packed);
    *word -= 2 * __builtin_popcount(set);
    return _mm256_srlv_epi32(state, _mm256_and_si256(full, all(16)));
}

/* Puts eight symbols. A quotient of integers below 2^31 and 2^19 is that of their floats made
   smaller by 2^-21 of it, or one more: conversion and division are off by 2^-24 of it each. */
AVX2 static inline __m256i put_vector(__m256i state, __m256i code, const struct writer *writer,
                                      uint8_t **word)
{
    __m256i frequency = _mm256_and_si256(code, all(FREQUENCY_MASK));
    __m256i cumulative = _mm256_and_si256(_mm256_srli_epi32(code, CUMULATIVE_PLACE),
                                          all(RANS_SLOTS - 1));
    __m256i most = _mm256_sub_epi32(frequency, all(1));
    state = spill_vector(state, _mm256_cmpgt_epi32(_mm256_srli_epi32(state, 19), most), writer,
                         word);
    __m256 less = _mm256_mul_ps(_mm256_cvtepi32_ps(state), _mm256_set1_ps(1 - 0x1p-21f));
    __m256i quotient = _mm256_cvttps_epi32(_mm256_div_ps(less, _mm256_cvtepi32_ps(frequency)));
    __m256i rest = _mm256_sub_epi32(state, _mm256_mullo_epi32(quotient, frequency));
    __m256i over = _mm256_cmpgt_epi32(rest, most);
    quotient = _mm256_sub_epi32(quotient, over);
    rest = _mm256_sub_epi32(rest, _mm256_and_si256(over, frequency));
    return _mm256_add_epi32(_mm256_slli_epi32(quotient, RANS_BITS),
                            _mm256_add_epi32(rest, cumulative));
}

/* `write_low_bits` of eight lanes. */
AVX2 static inline __m256i put_low_bits(__m256i *state, __m256i number,
                                        const struct writer *writer, uint8_t **word)
{
    __m256i low, entry = entries_of(writer->model, number, &low);
    __m256i rest = _mm256_srlv_epi32(*state, _mm256_sub_epi32(all(31), low));
    *state = spill_vector(*state, _mm256_cmpgt_epi32(rest, all(0)), writer, word);
    *state = _mm256_or_si256(_mm256_sllv_epi32(*state, low), low_bits(number, low));
    return low_bits(entry, all(16));
}

/* The codes of eight bins. */
AVX2 static inline __m256i codes_of(__m256i bins, const uint32_t *cells, const uint32_t *codes)
{
    __m256i cell = _mm256_loadu_si256((const __m256i *)cells);
    __m256i above = low_bits(_mm256_sub_epi32(bins, cell), all(16));
    __m256i symbol = _mm256_min_epu32(above, all(RANS_ESCAPE));
    __m256i table = _mm256_and_si256(_mm256_srli_epi32(cell, 16), all(0xff00));
    return _mm256_i32gather_epi32((const int *)codes, _mm256_or_si256(table, symbol), 4);
}

/* The same as `write_row`. */
AVX2 static void write_row_avx2(struct writer *writer, const uint32_t *cells,
                                const uint32_t *codes, size_t pixels, const uint16_t *numbers)
{
    enum { VECTORS = LANES / VECTOR };
    __m256i state[VECTORS], code[VECTORS], bin[VECTORS];
    size_t i = pixels / LANES * LANES;
    write_row(writer, cells + i, codes, pixels - i, numbers + i);
    if (!i)
        return;
    memcpy(state, writer->state, sizeof state);
    for (; i > 0; i -= LANES) {
        __m256i marks = all(0);
        uint8_t *word = writer->word;
        for (int k = VECTORS - 1; k >= 0; k--) {
            size_t from = i - LANES + VECTOR * (size_t)k;
            bin[k] = load_numbers(numbers + from);
            if (writer->model->bin_count)
                bin[k] = put_low_bits(state + k, bin[k], writer, &word);
            code[k] = codes_of(bin[k], cells + from, codes);
            marks = _mm256_or_si256(marks, code[k]);
        }
        if (signs(marks)) {
            uint32_t escaped[LANES], bins[LANES];
            memcpy(escaped, code, sizeof escaped);
            memcpy(bins, bin, sizeof bins);
            push_escapes(writer, escaped, bins, LANES, &word);
        }
        for (int k = VECTORS - 1; k >= 0; k--)
            state[k] = put_vector(state[k], code[k], writer, &word);
        writer->word = word;
    }
    memcpy(writer->state, state, sizeof state);
}
#endif

typedef void (*row_writer)(struct writer *, const uint32_t *, const uint32_t *, size_t,
                           const uint16_t *);

static row_writer open_writer(struct writer *writer)
{
    writer->marks = 0;
#ifdef AVX2
    if (processor_vectors >= VECTORS_AVX2) {
        fill_squeeze(writer->squeeze);
        return write_row_avx2;
    }
#endif
    return write_row;
}

static void empty_states(uint32_t *state, size_t lanes)
{
    for (size_t lane = 0; lane < lanes; lane++)
        state[lane] = RANS_LEAST;
}

/* Stores states, and words up to `end`. Returns how many bytes these are, or 0 without room. */
static size_t store_stream(const struct writer *writer, size_t lanes, const uint8_t *end,
                           uint8_t *payload, size_t size)
{
    size_t words = (size_t)(end - writer->word);
    if (words > size || 4 * lanes > size - words)
        return 0;
    memcpy(payload, writer->state, 4 * lanes);
    memcpy(payload + 4 * lanes, writer->word, words);
    return 4 * lanes + words;
}

/* Writes each stream to the end of a room first. */
static int64_t encode_streams(struct writer *writer, const struct static_model *model,
                              const uint32_t *codes, const uint16_t *numbers, size_t stride,
                              uint32_t *lengths, size_t streams, uint8_t *payload, size_t size,
                              uint8_t *end)
{
    row_writer write = open_writer(writer);
    struct static_part all_of_it = {0, model->frames, 0, model->pixels, 0};
    uint32_t state[LANES];
    size_t used = 0;
    writer->model = model;
    writer->state = state;
    for (size_t i = 0; i < streams; i++) {
        struct window window = window_of(model, &all_of_it, i);
        empty_states(state, LANES);
        writer->word = end;
        for (size_t t = window.stop; t-- > window.frame;) {
            size_t class = model->frame_class[t];
            write(writer, model->cells + class * model->pixels + window.pixel, codes,
                  window.pixels, numbers + t * stride + window.pixel);
        }
        if (writer->marks & CODE_IMPOSSIBLE)
            return KERNEL_MISFIT;
        size_t stored = store_stream(writer, LANES, end, payload + used, size - used);
        if (!stored)
            return 0;
        lengths[i] = (uint32_t)((stored - STATE_BYTES) / 2);
        used += stored;
    }
    return (int64_t)used;
}

/* The most words of so many symbols: three each, and those touched beyond. */
static size_t room_for(size_t symbols) { return 6 * symbols + 2 * VECTOR; }

int64_t static_encode(const struct static_model *model, const uint16_t *frequencies, size_t tables,
                      const uint16_t *numbers, size_t stride, uint32_t *lengths, size_t streams,
                      uint8_t *payload, size_t size)
{
    int64_t result = check_model(model, tables, streams);
    if (result)
        return result;
    size_t room = room_for(smaller(model->frames_per_stream, model->frames) *
                           smaller(model->pixels_per_stream, model->pixels));
    if (room > UINT32_MAX)
        return KERNEL_MISFIT;
    uint32_t *codes = malloc(4 * RANS_SYMBOLS * tables + 1);
    struct writer *writer = malloc(sizeof *writer);
    uint8_t *words = malloc(room);
    result = KERNEL_MEMORY;
    if (codes && writer && words && !(result = fill_codes(frequencies, tables, codes)))
        result = encode_streams(writer, model, codes, numbers, stride, lengths, streams, payload,
                                size, words + room);
    free(codes);
    free(writer);
    free(words);
    return result;
}

/* ------------------------------------------------------------------------------ maps */

static const struct static_model no_bins = {0};

/* The cell of a pixel, whose neighbours to the left and above are known. A missing neighbour has
   the level of another one. */
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

/* A block of a map: rows of one diagonal, at most 32, in which x + 2y is the same. Their lanes are
   the rows; their neighbours are on earlier diagonals. */
static size_t block_cells(const uint16_t *level, size_t height, size_t width, size_t diagonal,
                          size_t row, uint32_t *cells)
{
    size_t stop = smaller(smaller(height, diagonal / 2 + 1), row + LANES);
    for (size_t y = row; y < stop; y++)
        cells[y - row] = map_cell(level, width, y, diagonal - 2 * y);
    return stop - row;
}

static size_t first_row(size_t width, size_t diagonal)
{
    return diagonal < width ? 0 : (diagonal - width) / 2 + 1;
}

static size_t diagonals(size_t height, size_t width) { return width + 2 * (height - 1); }

int static_decode_map(const uint8_t *payload, size_t size, size_t height, size_t width,
                      const uint32_t *slots, uint16_t *level)
{
    if (!height || !width || size / 4 < height)
        return height && width ? KERNEL_DAMAGED : KERNEL_MISFIT;
    struct reader *reader = malloc(sizeof *reader + 4 * height);
    if (!reader)
        return KERNEL_MEMORY;
    uint32_t *state = (uint32_t *)(void *)(reader + 1), cells[LANES];
    uint8_t spread[256][2 * VECTOR];
    fill_spread(spread);
    reader->spread = (const uint8_t (*)[2 * VECTOR])spread;
    reader->copied = 0;
    int error = size % 2 ? KERNEL_DAMAGED : 0;
    memcpy(state, payload, 4 * height);
    reader->model = &no_bins;
    reader->word = payload + 4 * height;
    reader->end = payload + size;
    for (size_t d = 0; d < diagonals(height, width) && !error; d++)
        for (size_t y = first_row(width, d); y < height && 2 * y <= d && !error; y += LANES) {
            size_t count = block_cells(level, height, width, d, y, cells);
            uint16_t numbers[LANES];
            reader->state = state + y;
            error = read_rows(&(struct row){reader, cells, count, numbers}, 1, slots);
            for (size_t i = 0; i < count && !error; i++)
                level[(y + i) * width + d - 2 * (y + i)] = numbers[i];
        }
    reader->state = state;
    if (!error && !is_finished(reader, height))
        error = KERNEL_DAMAGED;
    free(reader);
    return error;
}

int64_t static_encode_map(const uint16_t *level, size_t height, size_t width,
                          const uint16_t *frequencies, uint8_t *payload, size_t size)
{
    uint32_t codes[MAP_CONTEXTS * RANS_SYMBOLS], cells[LANES];
    if (!height || !width || fill_codes(frequencies, MAP_CONTEXTS, codes))
        return KERNEL_MISFIT;
    size_t room = room_for(height * width);
    struct writer *writer = malloc(sizeof *writer + 4 * height + room);
    if (!writer)
        return KERNEL_MEMORY;
    uint32_t *state = (uint32_t *)(void *)(writer + 1);
    uint8_t *end = (uint8_t *)(state + height) + room;
    row_writer write = open_writer(writer);
    empty_states(state, height);
    writer->model = &no_bins;
    writer->word = end;
    for (size_t d = diagonals(height, width); d-- > 0;) {
        size_t first = first_row(width, d), stop = smaller(height, d / 2 + 1);
        size_t blocks = stop > first ? parts(stop - first, LANES) : 0;
        for (size_t y = first + blocks * LANES; y > first; y -= LANES) {
            size_t count = block_cells(level, height, width, d, y - LANES, cells);
            uint16_t numbers[LANES];
            for (size_t i = 0, row = y - LANES; i < count; i++, row++)
                numbers[i] = level[row * width + d - 2 * row];
            writer->state = state + y - LANES;
            write(writer, cells, codes, count, numbers);
        }
    }
    writer->state = state;
    int64_t result = (int64_t)store_stream(writer, height, end, payload, size);
    result = writer->marks & CODE_IMPOSSIBLE ? KERNEL_MISFIT : result;
    free(writer);
    return result;
}

/* ------------------------------------------------------------------------------ counting */

enum { COUNTED = 2048 }; /* pixels whose sums stay in the nearest cache */

static inline void add_frames(const uint16_t *numbers, size_t frames, size_t stride, size_t pixels,
                              uint32_t *sums, uint64_t *squares)
{
    memset(sums, 0, pixels * sizeof *sums);
    memset(squares, 0, pixels * sizeof *squares);
    for (size_t t = 0; t < frames; t++, numbers += stride)
        for (size_t i = 0; i < pixels; i++) {
            uint32_t number = numbers[i];
            sums[i] += number;
            squares[i] += number * number;
        }
}

#ifdef AVX2
AVX2 static void add_frames_avx2(const uint16_t *numbers, size_t frames, size_t stride,
                                 size_t pixels, uint32_t *sums, uint64_t *squares)
{
    add_frames(numbers, frames, stride, pixels, sums, squares);
}
#endif

int static_sum(const uint16_t *numbers, size_t frames, size_t stride, size_t pixels,
                uint32_t *sums, uint64_t *squares)
{
    for (size_t i = 0; i < pixels; i += COUNTED) {
        size_t count = smaller(COUNTED, pixels - i);
#ifdef AVX2
        if (processor_vectors >= VECTORS_AVX2)
            add_frames_avx2(numbers + i, frames, stride, count, sums + i, squares + i);
        else
#endif
            add_frames(numbers + i, frames, stride, count, sums + i, squares + i);
    }
    return 0;
}

/* Counts the symbols of each level in frames of each class. */
int static_count(const uint16_t *numbers, size_t frames, size_t stride, size_t pixels,
                 const uint8_t *frame_class, const uint16_t *level, const uint32_t *rows,
                 size_t classes, size_t levels, uint32_t *counts)
{
    for (size_t i = 0; i < pixels; i++)
        if (level[i] >= levels)
            return KERNEL_MISFIT;
    for (size_t t = 0; t < frames; t++) {
        if (frame_class[t] >= classes)
            return KERNEL_MISFIT;
        const uint32_t *row = rows + frame_class[t] * levels;
        uint32_t *count = counts + frame_class[t] * levels * RANS_SYMBOLS;
        for (size_t i = 0; i < pixels; i++) {
            uint32_t symbol = symbol_of(numbers[t * stride + i], row[level[i]]);
            count[(size_t)level[i] << 8 | symbol]++;
        }
    }
    return 0;
}
