/* SPDX-License-Identifier: MIT */
/* The compiled kernel: the inner loops of the layouts, without Python.

   Every function takes pointers with lengths, checks what it is given before it reads or writes,
   and returns 0 (or a length), or one of the errors below. None keeps anything between calls, and
   none trusts a chunk: whatever bytes it is given, it stays within the lengths. */
#ifndef DJ_PHOTON_KERNEL_H
#define DJ_PHOTON_KERNEL_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

/* What arrays in memory need as room, in bytes, does not overflow a size of 64 bits. */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ || __SIZEOF_POINTER__ < 8
#error "the kernel is for little-endian machines of 64 bits: install with DJ_PHOTON_KERNEL=numpy"
#endif
#if FLT_EVAL_METHOD != 0
#error "float arithmetic must be rounded to float: compile with -msse2 -mfpmath=sse"
#endif

enum kernel_error {
    KERNEL_DAMAGED = -1, /* the bytes are not what an encoder writes */
    KERNEL_MISFIT = -2,  /* arrays whose sizes do not fit each other: a fault of the caller */
    KERNEL_MEMORY = -3,
};

static inline size_t smaller(size_t one, size_t other) { return one < other ? one : other; }

/* dense.c */
enum { DENSE_FEATURES = 7, DENSE_KEYS = 26625 };

struct dense_chunk {
    size_t frames, height, width;
    uint32_t top;         /* the largest number, below 2^24 */
    float start;          /* the prediction for the first frame */
    const int32_t *weights; /* (frames, DENSE_FEATURES), in units of 2^-14 */
    const uint32_t *first_slot, *base; /* of each key: where its table begins, and its base */
    const uint8_t *low;                /* of each key: bits beside the symbol, 16 at most */
    const uint32_t *slots;             /* of all tables, 4096 each */
    size_t slot_count;
    uint32_t *coders; /* as they were written; used up */
    size_t coder_count;
    const uint16_t *words;
    size_t word_count;
    const uint32_t *escapes;
    size_t escape_count;
};

/* Writes frames * height * width numbers of 1, 2, 4 or 8 bytes, in the lowest bits of each. */
int dense_decode(const struct dense_chunk *chunk, void *numbers, size_t itemsize);

/* grouped.c */
struct grouped_plane {
    uint64_t width, shift;  /* bits of the field, and below it */
    uint64_t first, pixels; /* which it has, in the order of the classes */
    uint64_t begin;         /* in the section of planes */
};

struct grouped_chunk {
    size_t frames, pixels, itemsize;
    const uint8_t *stored; /* the section of planes */
    size_t stored_size;
    const struct grouped_plane *planes;
    size_t plane_count;
    const void *base;        /* of each pixel, in the order of the classes */
    const uint32_t *place;   /* of each group of the frame, in the order of the classes */
    size_t groups;
    const uint64_t *event_ends; /* (kinds, frames + 1): events before each frame */
    size_t kinds;
    const uint64_t *events; /* places, counted through all frames, in the order of the classes */
    const void *excess;     /* of each event */
    size_t event_count;
    const void *values; /* if there are any, codes are indices into them */
    size_t value_count;
};

static inline size_t grouped_rows(const struct grouped_chunk *chunk,
                                  const struct grouped_plane *plane)
{
    return (chunk->frames * (size_t)plane->width + 7) / 8;
}

/* Writes the codes of frames from `start` to before `stop`, in the order of the frame. */
int grouped_unpack(const struct grouped_chunk *chunk, size_t start, size_t stop, void *codes);

/* static.c */
enum { STATIC_LANES = 32, MAP_CONTEXTS = 6 };

/* The model of the pixels in frames that are coded, and how these are cut into streams. */
struct static_model {
    size_t frames, pixels, classes;
    size_t frames_per_stream, pixels_per_stream;
    const uint8_t *frame_class; /* of each frame: a class */
    const uint32_t *cells;      /* (classes, pixels): base | table << 24 */
    /* To encode, the bin of each number; to decode, the first number of each bin; and how many low
       bits this bin has << 16. Without any, numbers are bins. */
    const uint32_t *bins;
    size_t bin_count;
};

/* A part of the frames, and all pixels or, in ascending order, some `pixels`: as many as `wanted`.
   In memory, frames are `stride` numbers of `itemsize` bytes apart: 2, or 1 for the lowest 8 bits
   of numbers. */
struct static_part {
    size_t start_frame, frames, stride, itemsize;
    const uint32_t *pixels;
    size_t wanted;
};

/* Writes the cells, (classes, pixels), of the rows, (classes, levels), of the levels of pixels. */
int static_fill_cells(const uint16_t *level, size_t pixels, const uint32_t *rows, size_t classes,
                      size_t levels, uint32_t *cells);

/* `slots` of (tables, 4096); `lengths` of (streams): words. */
int static_decode(const struct static_model *model, const uint32_t *slots, size_t tables,
                  const uint8_t *payload, size_t size, const uint32_t *lengths, size_t streams,
                  const struct static_part *part, void *numbers);

/* The bytes of the payload that are used, or 0 where it is too small. */
int64_t static_encode(const struct static_model *model, const uint16_t *frequencies, size_t tables,
                      const void *numbers, size_t stride, size_t itemsize, uint32_t *lengths,
                      size_t streams, uint8_t *payload, size_t size);
int static_fill_slots(const uint16_t *frequencies, size_t tables, uint32_t *slots);

/* maps.c */
int static_count_map(const uint16_t *level, size_t height, size_t width, uint32_t *counts);
int static_decode_map(const uint8_t *payload, size_t size, size_t height, size_t width,
                      const uint32_t *slots, uint16_t *level);
int64_t static_encode_map(const uint16_t *level, size_t height, size_t width,
                          const uint16_t *frequencies, uint8_t *payload, size_t size);

/* opening.c */
struct static_map {
    const uint8_t *payload;
    size_t size;
};

/* The sizes of a model, the maps of brightnesses and of families, and room for what is made of it,
   as `static_model` has it. */
struct static_opening {
    size_t frames, classes, brightnesses, families, pixels, width, tables, bin_count, value_count;
    struct static_map maps[2];
    uint32_t *cells, *slots, *bins;
    uint16_t *values;
};

/* `columns` of a model: the class of each frame; base and table of each row; the roots of tables,
   and those of maps; the low bits of bins; the values of numbers. */
int static_open(const struct static_opening *opening, const uint8_t *columns, size_t size);

/* counting.c */
int static_sum(const void *numbers, size_t itemsize, size_t frames, size_t stride, size_t pixels,
               uint32_t *sums, uint64_t *squares);
/* Of `rows`, (classes, levels): base | group << 16, where symbols are counted. Returns how many low
   bits the numbers have. */
int64_t static_count(const void *numbers, size_t itemsize, size_t frames, size_t stride,
                     size_t pixels, const uint32_t *bin_of, size_t bin_count,
                     const uint8_t *frame_class, const uint16_t *level, const uint32_t *rows,
                     size_t classes, size_t levels, uint32_t *counts, size_t groups);

/* noise.c */
/* Of pixels of which `sums` are known, in segments of `width`, spread over the frame: the mean and
   the variance of as many groups as `knots` has room for, (3, room), where the means grow, and the
   standard deviations from the first mean to each; what all segments of each frame add up to; and
   the mean square of what frames are brighter or darker, in standard deviations of a pixel. Returns
   how many knots there are. */
int64_t static_noise(const void *numbers, size_t itemsize, size_t frames, size_t stride,
                     size_t pixels, const uint32_t *sums, size_t segments, size_t width,
                     double *knots, size_t room, uint64_t *totals, double *unsteady);

/* joining.c */
enum { LOGARITHMS = 4096 };

/* Joins neighbouring rows of `counts` (rows, 256), which hold sums afterwards, and writes the table
   of each; returns how many tables there are. Prices are in 2^-16 bit. */
int64_t static_join(uint32_t *counts, size_t rows, const uint32_t *logarithms, int64_t symbol,
                    int64_t table, size_t most, uint8_t *of_row);

/* tables.c */
/* Writes the roots and the frequencies of tables, (tables, 256), in which symbols of less than one
   part in `rare` are escapes unless that is 0. Returns 2^16 times the bits that the counts take. */
int64_t static_fit(const uint32_t *counts, size_t tables, const uint32_t *logarithms,
                   uint64_t rare, uint8_t *roots, uint16_t *frequencies);

/* lookup.c */
/* Writes the entries, of 4 or 8 bytes, of numbers of 1 or 2 bytes; returns how many they are, or 0
   if one is beyond the table. */
int64_t table_look_up(const void *table, size_t entries, size_t itemsize, const uint8_t *numbers,
                      size_t size, size_t count, void *values);

/* adaptive_fit.c, adaptive_weights.c, adaptive_encode.c, adaptive_decode.c and adaptive_bits.c */
enum {
    ADAPTIVE_LANES = 16,
    ADAPTIVE_FEATURES = 45,
    ADAPTIVE_PRODUCTS = 48, /* of a feature: with all features and the value, and two that are 0 */
    ADAPTIVE_EPOCHS = 6,
    ADAPTIVE_WIDTH = 16, ADAPTIVE_WIDEST = 1 << 16, /* that frames have at least, and at most */
    ADAPTIVE_ALONE = 16, /* frames at the beginning, each sampled alone */
};

/* Of which there are so many, if as many bits are dropped of those between .5f and 2^17. */
#define ADAPTIVE_KEYS(dropped) ((size_t)0x09000000 >> (dropped))

/* Frames of bins of numbers, and what is expected of them. */
struct adaptive_model {
    size_t frames, height, width; /* a width from ADAPTIVE_WIDTH to ADAPTIVE_WIDEST */
    const float *value;           /* of each bin: the number it is predicted as, plus 1 */
    size_t bins;
    float start, gate[3];         /* mean of the first frame; offset, slope, least of the noise */
    const int32_t *weights;       /* (ADAPTIVE_EPOCHS, ADAPTIVE_FEATURES), in units of 2^-10 */
    uint32_t dropped;             /* bits that a key is without: 12 to 14 */
};

/* Samples of the first frames each, then of equally many consecutive ones: `products` (samples,
   features and value, 48), those on and above the diagonal; and in `sampled` their rows. `scales`
   are one over the standard deviation of the noise at each key. */
int adaptive_products(const struct adaptive_model *model, const void *bins, size_t itemsize,
                      const float *scales, const uint32_t *every, double *products,
                      uint32_t *sampled, size_t samples);
/* The weights of features, given `products` and the pixels of samples; 0 of those that save less
   than `saved` mean squares, and without which what is left grows by no more than `grows` each. */
int adaptive_weights(const double *products, const double *sampled, size_t samples, float saved,
                     float grows, double *weights);
/* Of the frames after the first, every `every`-th row is counted. */
int adaptive_keys(const struct adaptive_model *model, const void *bins, size_t itemsize,
                  uint16_t *keys, float scale, size_t every, uint32_t *counts, double *squares);
/* `entries` of the keys of the first frame, then of the others: base | level << 16. Of these, every
   `every`-th of some pixels are counted. */
int adaptive_count(const void *bins, size_t itemsize, const uint16_t *keys, size_t frames,
                   size_t pixels, const uint32_t *entries, size_t all, size_t levels, size_t every,
                   uint32_t *counts);
/* `entries` alike: base | table << 16. Words are written over keys. */
int adaptive_encode(const struct adaptive_model *model, const uint32_t *entries,
                    const uint16_t *frequencies, size_t tables, const void *bins, size_t itemsize,
                    uint16_t *keys, uint32_t *states, uint16_t *escapes, uint32_t *left);
/* Low bits of the numbers of each bin, whose entry is its first number | how many they are << 16;
   without entries, numbers are bins. */
struct low_bits {
    const uint32_t *of_bin;
    const uint8_t *payload;
    size_t size;
    uint32_t most; /* of a bin; found by what it is given to */
};
/* Writes the numbers of frames from `start` to before `stop`. Words are of 2 bytes, anywhere. */
int adaptive_decode(const struct adaptive_model *model, const uint32_t *entries,
                    const uint16_t *frequencies, size_t tables, const uint32_t *states,
                    const uint8_t *words, size_t size, const uint16_t *escapes,
                    size_t escape_count, struct low_bits low, size_t start, size_t stop,
                    void *numbers, size_t itemsize);
/* Returns how many bytes of low bits there are. */
int64_t adaptive_split(const void *numbers, size_t itemsize, size_t count, const uint32_t *bins,
                       size_t all, void *found, size_t found_itemsize, uint8_t *payload,
                       size_t size);

#endif
