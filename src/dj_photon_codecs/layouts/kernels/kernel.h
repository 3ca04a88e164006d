/* The compiled kernel: the inner loops of the layouts, without Python.

   Every function takes pointers with lengths, checks what it is given before it reads or writes,
   and returns 0 (or a length), or one of the errors below. None keeps anything between calls, and
   none trusts a chunk: whatever bytes it is given, it stays within the lengths. */
#ifndef DJ_PHOTON_KERNEL_H
#define DJ_PHOTON_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the kernel is for little-endian machines: install with DJ_PHOTON_KERNEL=numpy"
#endif

enum kernel_error {
    KERNEL_DAMAGED = -1, /* the bytes are not what an encoder writes */
    KERNEL_MISFIT = -2,  /* arrays whose sizes do not fit each other: a fault of the caller */
    KERNEL_MEMORY = -3,
};

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

#endif
