/* SPDX-License-Identifier: MIT */
/* Python's door to the kernel: the only file that knows Python.

   Each function takes arrays and whole numbers in the order of `reference.py`, checks their sizes,
   releases the lock, and calls its pure function. */
#define PY_SSIZE_T_CLEAN
#ifndef Py_GIL_DISABLED
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include "rans.h"

#include <string.h>

/* ------------------------------------------------------------------------------ arguments */

enum { MOST_ARGUMENTS = 24 };

/* The arguments of a call: `number` of whole ones, `real` of floats, `view` of arrays. */
struct arguments {
    Py_ssize_t count;
    int64_t number[MOST_ARGUMENTS];
    float real[MOST_ARGUMENTS];
    Py_buffer view[MOST_ARGUMENTS];
};

static void give_back(struct arguments *given)
{
    for (Py_ssize_t i = 0; i < given->count; i++)
        if (given->view[i].obj)
            PyBuffer_Release(&given->view[i]);
}

static const char *format_of(const Py_buffer *view) { return view->format ? view->format : "B"; }

/* Whether items are what `formats` has, in the byte order of this machine. */
static int is_one_of(const Py_buffer *view, const char *formats)
{
    const char *format = format_of(view);
    return format[0] && !format[1] && strchr(formats, format[0]);
}

/* Kinds of arguments that are written. */
static int is_written(char kind) { return strchr("wdSBCEI", kind) != NULL; }

#define WHOLE "?bBhHiIlLqQ"

static int take_array(PyObject *object, Py_buffer *view, Py_ssize_t itemsize, int written,
                      const char *formats, Py_ssize_t i)
{
    int flags = PyBUF_FORMAT | (written ? PyBUF_CONTIG : PyBUF_CONTIG_RO);
    if (PyObject_GetBuffer(object, view, flags) < 0)
        return -1;
    Py_ssize_t size = view->itemsize;
    if (!is_one_of(view, formats))
        PyErr_Format(PyExc_ValueError,
                     "argument %zd has items of format %s; it must have one of %s", i,
                     format_of(view), formats);
    else if (itemsize ? size != itemsize : size != 1 && size != 2 && size != 4 && size != 8)
        PyErr_Format(PyExc_ValueError, "argument %zd has items of %zd bytes; it must have %s%zd", i,
                     size, itemsize ? "" : "1, 2, 4 or ", itemsize ? itemsize : 8);
    else if ((uintptr_t)view->buf % (uintptr_t)size)
        PyErr_Format(PyExc_ValueError, "argument %zd is not aligned to its items; copy it", i);
    return PyErr_Occurred() ? -1 : 0;
}

/* Takes frames of 8-bit or 16-bit numbers, (frames, pixels), which may be apart in memory. */
static int take_frames(PyObject *object, Py_buffer *view, int written, Py_ssize_t i)
{
    int flags = PyBUF_FORMAT | (written ? PyBUF_STRIDED : PyBUF_STRIDED_RO);
    if (PyObject_GetBuffer(object, view, flags) < 0)
        return -1;
    Py_ssize_t size = view->itemsize;
    if (view->ndim == 2 && is_one_of(view, "bBhH") &&
        (uintptr_t)view->buf % (uintptr_t)size == 0 &&
        (view->shape[1] < 2 || view->strides[1] == size) &&
        (view->shape[0] < 2 ||
         (view->strides[0] >= size * view->shape[1] && view->strides[0] % size == 0)))
        return 0;
    PyErr_Format(PyExc_ValueError,
                 "argument %zd must be frames of 8-bit or 16-bit numbers, whose pixels are "
                 "neighbours",
                 i);
    return -1;
}

static int take_one(struct arguments *given, PyObject *object, char kind, Py_ssize_t i)
{
    int written = is_written(kind);
    switch (kind) {
    case 'n':
        given->number[i] = PyLong_AsLongLong(object);
        if (!PyErr_Occurred() && given->number[i] < 0)
            PyErr_Format(PyExc_ValueError, "argument %zd is negative; it must not be", i);
        break;
    case 'f':
        given->real[i] = (float)PyFloat_AsDouble(object);
        break;
    case 's':
    case 'S':
        return take_frames(object, &given->view[i], written, i);
    case 'r':
    case 'w':
        return take_array(object, &given->view[i], 0, written, WHOLE "fd", i);
    case 'v':
        return take_array(object, &given->view[i], 4, written, "f", i);
    case 'd':
        return take_array(object, &given->view[i], 8, written, "d", i);
    default: /* a digit: bytes of an item; 'A' plus these where it is written */
        return take_array(object, &given->view[i], kind - (written ? 'A' : '0'), written, WHOLE, i);
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* From the first byte of an array to its last, between which rows of frames may be apart. */
static size_t span_of(const Py_buffer *view)
{
    if (!view->len || view->ndim != 2 || !view->strides)
        return (size_t)view->len;
    return (size_t)((view->shape[0] - 1) * view->strides[0] + view->shape[1] * view->itemsize);
}

static int share_memory(const Py_buffer *one, const Py_buffer *other)
{
    uintptr_t first = (uintptr_t)one->buf, second = (uintptr_t)other->buf;
    size_t length = span_of(one), other_length = span_of(other);
    return length && other_length && first < second + other_length && second < first + length;
}

/* Refuses an array that is written and shares memory with another one, which was checked before. */
static int check_apart(const struct arguments *given, const char *kinds)
{
    for (Py_ssize_t i = 0; i < given->count; i++)
        for (Py_ssize_t k = 0; k < given->count && is_written(kinds[i]); k++)
            if (k != i && share_memory(&given->view[i], &given->view[k])) {
                PyErr_Format(PyExc_ValueError,
                             "argument %zd is written, and shares memory with argument %zd; copy "
                             "one of them",
                             i, k);
                return -1;
            }
    return 0;
}

/* Takes arguments of the given kinds: n a whole number that is not negative, f a float; 1, 2, 4, 8
   an array of whole numbers of so many bytes to read, and B, C, E, I one to write; v float32 to
   read, d float64 to write; r and w an array to read, or write, with items of any size up to 8; s
   frames of whole numbers of 8 or 16 bits to read, S to write. */
static int take(struct arguments *given, PyObject *const *arguments, Py_ssize_t count,
                const char *kinds)
{
    Py_ssize_t expected = (Py_ssize_t)strlen(kinds);
    memset(given, 0, sizeof *given);
    if (count != expected) {
        PyErr_Format(PyExc_TypeError, "%zd arguments were given; it takes %zd", count, expected);
        return -1;
    }
    int error = 0;
    while (!error && given->count < count) {
        Py_ssize_t i = given->count++;
        error = take_one(given, arguments[i], kinds[i], i);
    }
    if (error || check_apart(given, kinds)) {
        give_back(given);
        return -1;
    }
    return 0;
}

/* The items of an array, and how many there are. */
#define ITEMS(i) (given.view[i].buf)
#define LENGTH(i) ((size_t)(given.view[i].len / given.view[i].itemsize))
#define ITEMSIZE(i) ((size_t)given.view[i].itemsize)
#define NUMBER(i) ((size_t)given.number[i])
#define FRAMES(i) ((size_t)given.view[i].shape[0])
#define PIXELS(i) ((size_t)given.view[i].shape[1])
#define STRIDE(i) ((size_t)given.view[i].strides[0] / ITEMSIZE(i))

/* Whether the product of two sizes is the length of an array, without overflow. */
static int fits(size_t rows, size_t columns, size_t length)
{
    return columns ? length % columns == 0 && length / columns == rows : length == 0;
}

/* Raises `DamagedChunk`, which is found here, where it is needed, since a kernel keeps nothing. */
static void raise_damaged(void)
{
    PyObject *layout = PyImport_ImportModule("dj_photon_codecs.layouts.layout");
    PyObject *damaged = layout ? PyObject_GetAttrString(layout, "DamagedChunk") : NULL;
    if (damaged)
        PyErr_SetString(damaged, "damaged chunk: its bytes are not what an encoder writes");
    Py_XDECREF(damaged);
    Py_XDECREF(layout);
}

/* Ends a call: gives the arrays back, and returns a result that is not negative, or raises. */
static PyObject *finish(struct arguments *given, int64_t result)
{
    give_back(given);
    if (result >= 0)
        return PyLong_FromLongLong(result);
    if (result == KERNEL_DAMAGED)
        raise_damaged();
    else if (result == KERNEL_MEMORY)
        PyErr_NoMemory();
    else
        PyErr_SetString(PyExc_ValueError,
                        "the sizes of the arrays do not fit each other, or a movie changed while "
                        "it was encoded: let nothing write to it");
    return NULL;
}

/* Calls a pure function without the lock. */
#define UNLOCKED(call) \
    do { \
        Py_BEGIN_ALLOW_THREADS \
        result = (call); \
        Py_END_ALLOW_THREADS \
    } while (0)

/* A function of the module: `kinds` as `take` reads them, `sizes` whether these fit each other. */
#define FUNCTION(name, kinds, sizes, call) \
    static PyObject *name(PyObject *Py_UNUSED(module), PyObject *const *arguments, \
                          Py_ssize_t count) \
    { \
        struct arguments given; \
        int64_t result = KERNEL_MISFIT; \
        if (take(&given, arguments, count, kinds) < 0) \
            return NULL; \
        if (sizes) \
            UNLOCKED(call); \
        return finish(&given, result); \
    }

/* ------------------------------------------------------------------------------ functions */

/* 0-2 frames, height, width; 3 top; 4 start; 5 weights; 6-8 first slot, base, low of each key;
   9 slots; 10 coders; 11 words; 12 escapes; 13 numbers */
FUNCTION(decode_dense, "nnnnf44414E24w",
         fits(NUMBER(1), NUMBER(2), NUMBER(1) * NUMBER(2)) &&
             fits(NUMBER(0), NUMBER(1) * NUMBER(2), LENGTH(13)) &&
             fits(NUMBER(0), DENSE_FEATURES, LENGTH(5)) && LENGTH(6) == DENSE_KEYS &&
             LENGTH(7) == DENSE_KEYS && LENGTH(8) == DENSE_KEYS && NUMBER(3) < UINT32_MAX,
         dense_decode(&(struct dense_chunk){NUMBER(0), NUMBER(1), NUMBER(2), (uint32_t)NUMBER(3),
                                            given.real[4], ITEMS(5), ITEMS(6), ITEMS(7), ITEMS(8),
                                            ITEMS(9), LENGTH(9), ITEMS(10), LENGTH(10), ITEMS(11),
                                            LENGTH(11), ITEMS(12), LENGTH(12)},
                      ITEMS(13), ITEMSIZE(13)))

/* 0-1 start, stop; 2 frames; 3 stored; 4 planes; 5 base; 6 place; 7 event ends; 8 events; 9 excess;
   10 values; 11 codes */
FUNCTION(unpack_frames, "nnn18r488rrw",
         fits(LENGTH(4) / 5, 5, LENGTH(4)) && NUMBER(0) <= NUMBER(1) &&
             fits(NUMBER(1) - NUMBER(0), LENGTH(5), LENGTH(11)) &&
             LENGTH(7) % (NUMBER(2) + 1) == 0 && LENGTH(8) == LENGTH(9) &&
             ITEMSIZE(5) == ITEMSIZE(9) && ITEMSIZE(5) == ITEMSIZE(10) &&
             ITEMSIZE(5) == ITEMSIZE(11),
         grouped_unpack(&(struct grouped_chunk){NUMBER(2), LENGTH(5), ITEMSIZE(5), ITEMS(3),
                                                LENGTH(3), ITEMS(4), LENGTH(4) / 5, ITEMS(5),
                                                ITEMS(6), LENGTH(6), ITEMS(7),
                                                LENGTH(7) / (NUMBER(2) + 1), ITEMS(8), ITEMS(9),
                                                LENGTH(8), ITEMS(10), LENGTH(10)},
                        NUMBER(0), NUMBER(1), ITEMS(11)))

/* 0 numbers; 1 sums; 2 their squares */
FUNCTION(sum_pixels, "sEI", LENGTH(1) == PIXELS(0) && LENGTH(2) == PIXELS(0),
         static_sum(ITEMS(0), ITEMSIZE(0), FRAMES(0), STRIDE(0), PIXELS(0), ITEMS(1), ITEMS(2)))

/* 0 numbers; 1 sums of pixels; 2, 3 segments and their pixels; 4 knots; 5 totals of frames; 6 how
   unsteady they are */
FUNCTION(measure_noise, "s4nndId",
         LENGTH(1) == PIXELS(0) && LENGTH(4) % 3 == 0 && LENGTH(5) == FRAMES(0) && LENGTH(6) == 1,
         static_noise(ITEMS(0), ITEMSIZE(0), FRAMES(0), STRIDE(0), PIXELS(0), ITEMS(1), NUMBER(2),
                      NUMBER(3), ITEMS(4), LENGTH(4) / 3, ITEMS(5), ITEMS(6)))

/* 0 numbers; 1 bins; 2 class of each frame; 3 level of each pixel; 4 rows;
   5 counts (groups, 256) */
FUNCTION(count_symbols, "s4124E",
         LENGTH(2) == FRAMES(0) && LENGTH(3) == PIXELS(0) && given.view[4].ndim == 2 &&
             LENGTH(1) <= UINT32_MAX && LENGTH(5) % RANS_SYMBOLS == 0,
         static_count(ITEMS(0), ITEMSIZE(0), FRAMES(0), STRIDE(0), PIXELS(0), ITEMS(1), LENGTH(1),
                      ITEMS(2), ITEMS(3), ITEMS(4), FRAMES(4), PIXELS(4), ITEMS(5),
                      LENGTH(5) / RANS_SYMBOLS))

/* 0 level of each pixel; 1 rows; 2 cells */
FUNCTION(fill_cells, "24E",
         given.view[1].ndim == 2 && fits(FRAMES(1), LENGTH(0), LENGTH(2)) && PIXELS(1),
         static_fill_cells(ITEMS(0), LENGTH(0), ITEMS(1), FRAMES(1), PIXELS(1), ITEMS(2)))

/* 0 frequencies; 1 slots */
FUNCTION(decoding_slots, "2E",
         fits(LENGTH(0) / RANS_SYMBOLS, RANS_SYMBOLS, LENGTH(0)) &&
             fits(LENGTH(0) / RANS_SYMBOLS, RANS_SLOTS, LENGTH(1)),
         static_fill_slots(ITEMS(0), LENGTH(0) / RANS_SYMBOLS, ITEMS(1)))

/* The model in arguments, whose cells are (classes, pixels). */
#define MODEL(classes, cells, bins, frames, pixels) \
    &(struct static_model){LENGTH(classes), PIXELS(cells), FRAMES(cells), NUMBER(frames), \
                           NUMBER(pixels), ITEMS(classes), ITEMS(cells), ITEMS(bins), \
                           LENGTH(bins)}

/* 0 numbers; 1 class of each frame; 2 cells; 3 frequencies; 4 bins; 5, 6 frames and pixels of a
   stream; 7 lengths; 8 payload */
FUNCTION(encode_streams, "s1424nnEB",
         given.view[2].ndim == 2 && LENGTH(1) == FRAMES(0) && PIXELS(2) == PIXELS(0) &&
             LENGTH(3) % RANS_SYMBOLS == 0,
         static_encode(MODEL(1, 2, 4, 5, 6), ITEMS(3), LENGTH(3) / RANS_SYMBOLS, ITEMS(0),
                       STRIDE(0), ITEMSIZE(0), ITEMS(7), LENGTH(7), ITEMS(8), LENGTH(8)))

/* 0 columns; 1 frames; 2 brightnesses; 3 families; 4 width; 5, 6 maps; 7 cells; 8 slots; 9 bins;
   10 values */
FUNCTION(open_streams, "1nnnn11EEEC", given.view[7].ndim == 2 && LENGTH(8) % RANS_SLOTS == 0,
         static_open(&(struct static_opening){NUMBER(1), FRAMES(7), NUMBER(2), NUMBER(3), PIXELS(7),
                                              NUMBER(4), LENGTH(8) / RANS_SLOTS, LENGTH(9),
                                              LENGTH(10),
                                              {{ITEMS(5), LENGTH(5)}, {ITEMS(6), LENGTH(6)}},
                                              ITEMS(7), ITEMS(8), ITEMS(9), ITEMS(10)},
                     ITEMS(0), LENGTH(0)))

/* 0 payload; 1 lengths; 2 class of each frame; 3 cells; 4 slots; 5 bins; 6, 7 frames and pixels of
   a stream; 8 first frame; 9 pixels, none for all; 10 numbers */
FUNCTION(decode_streams, "141444nnn4S",
         given.view[3].ndim == 2 && LENGTH(4) % RANS_SLOTS == 0 &&
             PIXELS(10) == (LENGTH(9) ? LENGTH(9) : PIXELS(3)),
         static_decode(MODEL(2, 3, 5, 6, 7), ITEMS(4), LENGTH(4) / RANS_SLOTS, ITEMS(0), LENGTH(0),
                       ITEMS(1), LENGTH(1),
                       &(struct static_part){NUMBER(8), FRAMES(10), STRIDE(10), ITEMSIZE(10),
                                             LENGTH(9) ? ITEMS(9) : NULL, PIXELS(10)},
                       ITEMS(10)))

/* The rows of a map, level i, whose width is number w. */
#define HEIGHT(i, w) (LENGTH(i) / NUMBER(w))
#define IS_MAP(i, w) (NUMBER(w) && LENGTH(i) && LENGTH(i) % NUMBER(w) == 0)

/* 0 level; 1 width; 2 counts */
FUNCTION(count_map, "2nE", IS_MAP(0, 1) && LENGTH(2) == MAP_CONTEXTS * RANS_SYMBOLS,
         static_count_map(ITEMS(0), HEIGHT(0, 1), NUMBER(1), ITEMS(2)))

/* 0 level; 1 width; 2 frequencies; 3 payload */
FUNCTION(encode_map, "2n2B", IS_MAP(0, 1) && LENGTH(2) == MAP_CONTEXTS * RANS_SYMBOLS,
         static_encode_map(ITEMS(0), HEIGHT(0, 1), NUMBER(1), ITEMS(2), ITEMS(3), LENGTH(3)))

/* 0 payload; 1 width; 2 slots; 3 level */
FUNCTION(decode_map, "1n4C", IS_MAP(3, 1) && LENGTH(2) == MAP_CONTEXTS * RANS_SLOTS,
         static_decode_map(ITEMS(0), LENGTH(0), HEIGHT(3, 1), NUMBER(1), ITEMS(2), ITEMS(3)))

/* 0 counts of rows; those of a table are put into its first row; 1 logarithms; 2, 3 prices; 4 most
   tables; 5 table of each */
FUNCTION(join_tables, "E4nnnB",
         fits(LENGTH(5), RANS_SYMBOLS, LENGTH(0)) && LENGTH(1) == LOGARITHMS,
         static_join(ITEMS(0), LENGTH(5), ITEMS(1), given.number[2], given.number[3], NUMBER(4),
                     ITEMS(5)))

/* 0 counts; 1 logarithms; 2 rare; 3 roots; 4 frequencies */
FUNCTION(fit_tables, "44nBC",
         LENGTH(0) % RANS_SYMBOLS == 0 && LENGTH(1) == LOGARITHMS && LENGTH(3) == LENGTH(0) &&
             LENGTH(4) == LENGTH(0),
         static_fit(ITEMS(0), LENGTH(0) / RANS_SYMBOLS, ITEMS(1), NUMBER(2), ITEMS(3), ITEMS(4)))

/* 0 table; 1 numbers; 2 values */
FUNCTION(look_up, "rrw", LENGTH(1) == LENGTH(2) && ITEMSIZE(0) == ITEMSIZE(2),
         table_look_up(ITEMS(0), LENGTH(0), ITEMSIZE(0), ITEMS(1), ITEMSIZE(1), LENGTH(1),
                       ITEMS(2)))

/* The model in arguments: 0-2 frames, height, width; 3 value; 4 start; 5-7 gate; 8 weights; 9 bits
   that keys are without; and whether it fits so many frames of so many pixels in all. */
#define ADAPTIVE "nnnvffff4n"
#define ADAPTIVE_MODEL \
    &(struct adaptive_model){NUMBER(0), NUMBER(1), NUMBER(2), ITEMS(3), LENGTH(3), given.real[4], \
                             {given.real[5], given.real[6], given.real[7]}, ITEMS(8), \
                             (uint32_t)NUMBER(9)}
#define IS_ADAPTIVE(frames, pixels) \
    (fits(NUMBER(1), NUMBER(2), NUMBER(1) * NUMBER(2)) && \
     fits(frames, NUMBER(1) * NUMBER(2), pixels) && NUMBER(9) < 23 && \
     LENGTH(8) == ADAPTIVE_EPOCHS * ADAPTIVE_FEATURES)
#define PRODUCTS ((size_t)(ADAPTIVE_FEATURES + 1) * ADAPTIVE_PRODUCTS)

/* 10 bins; 11 scale of each key; 12 blocks for one that is sampled, of each epoch; 13 products;
   14 sampled rows of each sample */
FUNCTION(sample_products, ADAPTIVE "rv4dE",
         ITEMSIZE(10) <= 2 && IS_ADAPTIVE(NUMBER(0), LENGTH(10)) &&
             LENGTH(11) == ADAPTIVE_KEYS(NUMBER(9)) && LENGTH(12) == ADAPTIVE_EPOCHS &&
             fits(LENGTH(14), PRODUCTS, LENGTH(13)),
         adaptive_products(ADAPTIVE_MODEL, ITEMS(10), ITEMSIZE(10), ITEMS(11), ITEMS(12), ITEMS(13),
                           ITEMS(14), LENGTH(14)))

/* 0 products and 1 pixels of samples; 2 mean squares that a weight must save; 3 by how much squares
   may grow without it; 4 weights */
FUNCTION(fit_weights, "ddffd",
         fits(LENGTH(1), PRODUCTS, LENGTH(0)) && LENGTH(4) == ADAPTIVE_FEATURES,
         adaptive_weights(ITEMS(0), ITEMS(1), LENGTH(1), given.real[2], given.real[3], ITEMS(4)))

/* 10 bins; 11 keys; 12 scale; 13 rows for one that is counted; 14, 15 how often keys occur in
   these, and the squares of what is off, of the first frame and the others */
FUNCTION(predict_keys, ADAPTIVE "rCfnEd",
         ITEMSIZE(10) <= 2 && IS_ADAPTIVE(NUMBER(0), LENGTH(10)) && LENGTH(11) == LENGTH(10) &&
             LENGTH(14) == 2 * ADAPTIVE_KEYS(NUMBER(9)) && LENGTH(15) == LENGTH(14),
         adaptive_keys(ADAPTIVE_MODEL, ITEMS(10), ITEMSIZE(10), ITEMS(11), given.real[12],
                       NUMBER(13), ITEMS(14), ITEMS(15)))

/* 0 bins (frames, pixels); 1 keys; 2 entries; 3 pixels for one that is counted; 4 counts of symbols
   of each level */
FUNCTION(count_levels, "s24nE",
         STRIDE(0) == PIXELS(0) && fits(FRAMES(0), PIXELS(0), LENGTH(1)) && LENGTH(2) % 2 == 0 &&
             LENGTH(4) % RANS_SYMBOLS == 0,
         adaptive_count(ITEMS(0), ITEMSIZE(0), ITEMS(1), FRAMES(0), PIXELS(0), ITEMS(2),
                        LENGTH(2) / 2, LENGTH(4) / RANS_SYMBOLS, NUMBER(3), ITEMS(4)))

/* 10 entries; 11 frequencies; 12 bins; 13 keys, and one more, over which words are written, and 14
   escapes, both from the end; 15 states; 16 how many of keys and of escapes are left */
FUNCTION(encode_predicted, ADAPTIVE "42rCCEE",
         ITEMSIZE(12) <= 2 && IS_ADAPTIVE(NUMBER(0), LENGTH(12)) &&
             LENGTH(10) == 2 * ADAPTIVE_KEYS(NUMBER(9)) && LENGTH(11) % RANS_SYMBOLS == 0 &&
             LENGTH(13) == LENGTH(12) + 1 && LENGTH(14) == LENGTH(12) &&
             LENGTH(15) == ADAPTIVE_LANES && LENGTH(16) == 2,
         adaptive_encode(ADAPTIVE_MODEL, ITEMS(10), ITEMS(11), LENGTH(11) / RANS_SYMBOLS,
                         ITEMS(12), ITEMSIZE(12), ITEMS(13), ITEMS(15), ITEMS(14), ITEMS(16)))

/* 10 entries; 11 frequencies; 12 states; 13 words, anywhere; 14 escapes; 15 first number of each
   bin, if bins are not numbers; 16 payload of low bits; 17-18 start, stop; 19 their numbers */
FUNCTION(decode_predicted, ADAPTIVE "4241241nnw",
         NUMBER(17) <= NUMBER(18) && NUMBER(18) <= NUMBER(0) &&
             IS_ADAPTIVE(NUMBER(18) - NUMBER(17), LENGTH(19)) && LENGTH(11) % RANS_SYMBOLS == 0 &&
             LENGTH(10) == 2 * ADAPTIVE_KEYS(NUMBER(9)) && LENGTH(12) == ADAPTIVE_LANES &&
             LENGTH(13) % 2 == 0 && (!LENGTH(15) || LENGTH(15) == LENGTH(3)) &&
             (ITEMSIZE(19) == 2 ||
              (ITEMSIZE(19) == 1 && LENGTH(3) <= 1 << 8 && !LENGTH(15))),
         adaptive_decode(ADAPTIVE_MODEL, ITEMS(10), ITEMS(11), LENGTH(11) / RANS_SYMBOLS, ITEMS(12),
                         ITEMS(13), LENGTH(13), ITEMS(14), LENGTH(14),
                         (struct low_bits){LENGTH(15) ? ITEMS(15) : NULL, ITEMS(16), LENGTH(16), 0},
                         NUMBER(17), NUMBER(18), ITEMS(19), ITEMSIZE(19)))

/* 0 numbers; 1 bin of each number; 2 bins; 3 payload of low bits */
FUNCTION(split_numbers, "r4wB",
         LENGTH(2) == LENGTH(0) && ITEMSIZE(0) <= 2 && ITEMSIZE(2) <= 2,
         adaptive_split(ITEMS(0), ITEMSIZE(0), LENGTH(0), ITEMS(1), LENGTH(1), ITEMS(2),
                        ITEMSIZE(2), ITEMS(3), LENGTH(3)))

/* ------------------------------------------------------------------------------ module */

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, NULL}

static PyMethodDef methods[] = {
    METHOD(decode_dense), METHOD(unpack_frames), METHOD(sum_pixels), METHOD(measure_noise),
    METHOD(count_symbols), METHOD(fill_cells), METHOD(decoding_slots), METHOD(encode_streams),
    METHOD(open_streams), METHOD(decode_streams), METHOD(count_map), METHOD(encode_map),
    METHOD(decode_map), METHOD(join_tables), METHOD(fit_tables), METHOD(look_up),
    METHOD(sample_products), METHOD(fit_weights), METHOD(predict_keys), METHOD(count_levels),
    METHOD(encode_predicted), METHOD(decode_predicted), METHOD(split_numbers),
    {NULL, NULL, 0, NULL},
};

static int add_constants(PyObject *module)
{
    return PyModule_AddIntConstant(module, "SOURCES", KERNEL_SOURCES);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)add_constants},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_kernel", NULL, 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    return PyModuleDef_Init(&definition);
}
