/* SPDX-License-Identifier: MIT */
/* rANS in 32 lanes: rows of pixels, 32 at a time, whose models are cells.

   A cell is base | table << 24. The bin of its pixel is, modulo 2^16, base + symbol; the symbol 255
   is an escape, whose bin is stored as it is. `bins` say of each bin its first number, and how many
   low bits << 16 say which of its numbers it is; or, where rows are written, of each number its
   bin, and as many low bits. What is beyond the last is as the last. Without any, bins are numbers.

   A step is 32 pixels of a row, or the rest of them: first their symbols, then a word for each
   escape, then the low bits; each in the order of the lanes. */
#ifndef DJ_PHOTON_LANES_H
#define DJ_PHOTON_LANES_H

#include "rans.h"

enum {
    LANES = STATIC_LANES,
    STATE_BYTES = 4 * LANES,
    SLACK_WORDS = 16,                     /* a vector that is read or written beyond what counts */
    STEP_WORDS = 3 * LANES + SLACK_WORDS, /* that a step touches at most */
};

/* What is left of a stream. Its last words are read from a copy with zeros behind it, so that a
   step may touch STEP_WORDS whatever its symbols are. */
struct reader {
    const uint32_t *slots, *bins;
    size_t bin_count;
    uint32_t *state;
    const uint8_t *word, *end;
    int copied;
    uint8_t copy[4 * STEP_WORDS];
};

/* A stream that is written from its end to its beginning. Up to SLACK_WORDS before `word`, memory
   is written over. */
struct writer {
    const uint32_t *codes, *bins;
    size_t bin_count;
    uint32_t *state, marks; /* of all codes that escaped */
    uint8_t *word;
};

/* The code of a symbol: its frequency, what comes before it << 13, and these marks. A symbol
   without a frequency has the code of the escape. */
#define CODE_ESCAPES ((uint32_t)1 << 31)
#define CODE_IMPOSSIBLE ((uint32_t)1 << 30) /* the escape has no frequency either */

struct row {
    struct reader *reader;
    const uint32_t *cells;
    size_t pixels;
    uint16_t *numbers;
};

int lanes_fill_codes(const uint16_t *frequencies, size_t tables, uint32_t *codes);

/* Reads rows of one stream, or of two side by side. Tables of cells must have slots. */
int lanes_read(const struct row *rows, size_t count);

/* Whether states are what an encoder stores. */
int lanes_begun(const uint32_t *state, size_t lanes);

/* Whether nothing is left, and the states are what they were at first. */
int lanes_finished(const struct reader *reader, size_t lanes);

/* Writes a row before those that are written. Tables of cells must have codes. */
void lanes_write(struct writer *writer, const uint32_t *cells, size_t pixels,
                 const uint16_t *numbers);

void lanes_begin(struct writer *writer, size_t lanes, uint8_t *end);

/* Stores states, and words up to `end`. Returns how many bytes these are, or 0 without room. */
size_t lanes_store(const struct writer *writer, size_t lanes, const uint8_t *end,
                   uint8_t *payload, size_t size);

/* Bytes of so many symbols at most: three words each, and those that are written over. */
static inline size_t lanes_room(size_t symbols) { return 6 * symbols + 2 * SLACK_WORDS; }

static inline size_t parts(size_t whole, size_t part) { return (whole + part - 1) / part; }

static inline uint32_t cell_table(uint32_t cell) { return cell >> 24; }
static inline uint32_t symbol_of(uint32_t bin, uint32_t cell)
{
    uint32_t above = (bin - cell) & 0xffff;
    return above < RANS_ESCAPE ? above : RANS_ESCAPE;
}

#endif
