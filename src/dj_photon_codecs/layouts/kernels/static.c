/* SPDX-License-Identifier: MIT */
/* Codes chunks whose pixels keep their models: docs/reference/format.md, "The static layout".

   A stream holds consecutive frames of consecutive pixels: 32 states, then words. */
#include "lanes.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_CLASSES = 256, MOST_TABLES = 256 };

/* Refuses frames without a class, cells without a table, and sizes that could overflow. */
static int check_model(const struct static_model *model, size_t tables, size_t streams)
{
    size_t length = model->frames_per_stream, width = model->pixels_per_stream;
    uint32_t highest = 0;
    if (!length || !width || length > INT32_MAX || width > INT32_MAX ||
        model->frames > INT32_MAX || model->pixels > INT32_MAX ||
        model->classes > MOST_CLASSES || tables > MOST_TABLES ||
        parts(model->frames, length) * parts(model->pixels, width) != streams)
        return KERNEL_MISFIT;
    for (size_t t = 0; t < model->frames; t++)
        if (model->frame_class[t] >= model->classes)
            return KERNEL_DAMAGED;
    for (size_t i = 0; i < model->classes * model->pixels; i++)
        highest = model->cells[i] > highest ? model->cells[i] : highest;
    return model->pixels && cell_table(highest) >= tables ? KERNEL_DAMAGED : 0;
}

int static_fill_cells(const uint16_t *level, size_t pixels, const uint32_t *rows, size_t classes,
                      size_t levels, uint32_t *cells)
{
    uint16_t highest = 0;
    for (size_t i = 0; i < pixels; i++)
        highest = level[i] > highest ? level[i] : highest;
    if (highest >= levels)
        return KERNEL_DAMAGED;
    for (size_t class = 0; class < classes; class++, rows += levels, cells += pixels)
        for (size_t i = 0; i < pixels; i++)
            cells[i] = rows[level[i]];
    return 0;
}

static const uint32_t *cells_of(const struct static_model *model, size_t frame, size_t pixel)
{
    return model->cells + model->frame_class[frame] * model->pixels + pixel;
}

/* The frames and pixels of a stream up to the last wanted ones: before `stop`, and before `reach`
   pixels. Of the wanted pixels of a frame, those from `first` on are here. */
struct window {
    size_t frame, stop, pixel, pixels, reach, first, wanted;
    int whole; /* nothing is left after them */
};

/* How many of the wanted pixels come before one. */
static size_t wanted_before(const struct static_part *part, size_t pixel)
{
    size_t before = 0, most = part->wanted;
    while (part->pixels && before < most) {
        size_t middle = (before + most) / 2;
        if (part->pixels[middle] < pixel)
            before = middle + 1;
        else
            most = middle;
    }
    return part->pixels ? before : pixel;
}

static struct window window_of(const struct static_model *model, const struct static_part *part,
                               size_t stream)
{
    size_t across = parts(model->pixels, model->pixels_per_stream);
    size_t frame = stream / across * model->frames_per_stream;
    size_t pixel = stream % across * model->pixels_per_stream;
    size_t last = smaller(frame + model->frames_per_stream, model->frames);
    size_t end = smaller(pixel + model->pixels_per_stream, model->pixels);
    size_t last_wanted = part->start_frame + part->frames;
    size_t first = wanted_before(part, pixel), stop = wanted_before(part, end);
    int wanted = frame < last_wanted && part->start_frame < last && first < stop;
    size_t reach = part->pixels && wanted ? part->pixels[stop - 1] + 1 - pixel : end - pixel;
    return (struct window){frame, smaller(last, last_wanted), pixel, end - pixel, reach, first,
                           wanted ? stop - first : 0,
                           last <= last_wanted && reach == end - pixel};
}

/* ------------------------------------------------------------------------------ decoding */

int static_fill_slots(const uint16_t *frequencies, size_t tables, uint32_t *slots)
{
    int error = 0;
    for (size_t i = 0; i < tables && !error; i++)
        error = rans_fill_slots(frequencies + i * RANS_SYMBOLS, slots + i * RANS_SLOTS);
    return error;
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
    const struct static_part *part;
    uint8_t *numbers;
};

/* Where the wanted pixels of a frame go to; NULL if the frame is not wanted. */
static uint8_t *place_of(const struct decoding *decoding, const struct window *window,
                         size_t frame)
{
    const struct static_part *part = decoding->part;
    if (frame < part->start_frame || frame >= window->stop)
        return NULL;
    return decoding->numbers +
           part->itemsize * ((frame - part->start_frame) * part->stride + window->first);
}

static int is_direct(const struct static_part *part)
{
    return part->itemsize == 2 && !part->pixels;
}

/* The row of a frame; of the last one, up to the step of the last wanted pixel. */
static struct row row_of(const struct decoding *decoding, struct stream *stream, size_t frame)
{
    const struct window *window = &stream->window;
    void *place = place_of(decoding, window, frame);
    size_t pixels = window->pixels;
    if (frame + 1 == window->stop)
        pixels = smaller(pixels, parts(window->reach, LANES) * LANES);
    return (struct row){&stream->reader, cells_of(decoding->model, frame, window->pixel), pixels,
                        place && is_direct(decoding->part) ? place : stream->room};
}

/* Copies the wanted pixels of a row out of its room. */
static void leave_room(const struct static_part *part, const struct stream *stream,
                       uint8_t *restrict place)
{
    const struct window *window = &stream->window;
    const uint16_t *restrict found = stream->room;
    const uint32_t *restrict pixels = part->pixels ? part->pixels + window->first : NULL;
    uint16_t *restrict numbers = (void *)place;
    for (size_t i = 0; i < window->wanted && !pixels; i++)
        place[i] = (uint8_t)found[i];
    for (size_t i = 0; i < window->wanted && pixels && part->itemsize == 1; i++)
        place[i] = (uint8_t)found[pixels[i] - window->pixel];
    for (size_t i = 0; i < window->wanted && pixels && part->itemsize == 2; i++)
        numbers[i] = found[pixels[i] - window->pixel];
}

/* Decodes one or two streams, a row of each at a time. */
static int decode_rows(const struct decoding *decoding, struct stream *streams, size_t count)
{
    for (size_t t = 0;; t++) {
        struct row rows[2];
        size_t used = 0;
        for (size_t k = 0; k < count; k++)
            if (streams[k].window.frame + t < streams[k].window.stop)
                rows[used++] = row_of(decoding, streams + k, streams[k].window.frame + t);
        if (!used)
            break;
        if (lanes_read(rows, used))
            return KERNEL_DAMAGED;
        for (size_t k = 0; k < count; k++) {
            const struct window *window = &streams[k].window;
            uint8_t *place = place_of(decoding, window, window->frame + t);
            if (place && !is_direct(decoding->part))
                leave_room(decoding->part, streams + k, place);
        }
    }
    for (size_t k = 0; k < count; k++)
        if (streams[k].window.whole && !lanes_finished(&streams[k].reader, LANES))
            return KERNEL_DAMAGED;
    return 0;
}

static int open_stream(struct stream *stream, const uint8_t *bytes, size_t length)
{
    memcpy(stream->state, bytes, STATE_BYTES);
    stream->reader.state = stream->state;
    stream->reader.word = bytes + STATE_BYTES;
    stream->reader.end = bytes + length;
    stream->reader.copied = 0;
    return lanes_begun(stream->state, LANES) ? 0 : KERNEL_DAMAGED;
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
        if (pair[open].window.wanted && open_stream(pair + open, payload, length))
            return KERNEL_DAMAGED;
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
                  const struct static_part *part, void *numbers)
{
    int error = check_model(model, tables, streams);
    if (error)
        return error;
    if (part->start_frame > model->frames || part->frames > model->frames - part->start_frame)
        return KERNEL_MISFIT;
    for (size_t i = 0; i < part->wanted && part->pixels; i++)
        if (part->pixels[i] >= model->pixels || (i && part->pixels[i] <= part->pixels[i - 1]))
            return KERNEL_MISFIT;
    size_t width = smaller(model->pixels_per_stream, model->pixels);
    struct stream *pair = malloc(2 * sizeof *pair + 4 * width);
    if (!pair)
        return KERNEL_MEMORY;
    for (size_t k = 0; k < 2; k++) {
        pair[k].reader.slots = slots;
        pair[k].reader.bins = model->bins;
        pair[k].reader.bin_count = model->bin_count;
        pair[k].room = (uint16_t *)(void *)(pair + 2) + k * width;
    }
    struct decoding decoding = {model, part, numbers};
    error = decode_streams(&decoding, pair, payload, size, lengths, streams);
    free(pair);
    return error;
}

/* ------------------------------------------------------------------------------ encoding */

/* Frames to encode, `stride` numbers of `itemsize` bytes apart; 8 bits are widened in `row`. */
struct source {
    const uint8_t *numbers;
    size_t stride, itemsize;
    uint16_t *row;
};

static const uint16_t *widened(const uint8_t *restrict bytes, size_t count,
                               uint16_t *restrict numbers)
{
    for (size_t i = 0; i < count; i++)
        numbers[i] = bytes[i];
    return numbers;
}

static const uint16_t *row_from(const struct source *source, size_t frame, size_t pixel,
                                size_t pixels)
{
    const void *from = source->numbers + source->itemsize * (frame * source->stride + pixel);
    return source->itemsize == 1 ? widened(from, pixels, source->row) : from;
}

/* Writes each stream to the end of a room first. */
static int64_t encode_streams(struct writer *writer, const struct static_model *model,
                              const struct source *source, uint32_t *lengths, size_t streams,
                              uint8_t *payload, size_t size, uint8_t *end)
{
    struct static_part whole = {.frames = model->frames, .wanted = model->pixels};
    size_t used = 0;
    for (size_t i = 0; i < streams; i++) {
        struct window window = window_of(model, &whole, i);
        lanes_begin(writer, LANES, end);
        for (size_t t = window.stop; t-- > window.frame;)
            lanes_write(writer, cells_of(model, t, window.pixel), window.pixels,
                        row_from(source, t, window.pixel, window.pixels));
        if (writer->marks & CODE_IMPOSSIBLE)
            return KERNEL_MISFIT;
        size_t stored = lanes_store(writer, LANES, end, payload + used, size - used);
        if (!stored)
            return 0;
        lengths[i] = (uint32_t)((stored - STATE_BYTES) / 2);
        used += stored;
    }
    return (int64_t)used;
}

int64_t static_encode(const struct static_model *model, const uint16_t *frequencies, size_t tables,
                      const void *numbers, size_t stride, size_t itemsize, uint32_t *lengths,
                      size_t streams, uint8_t *payload, size_t size)
{
    uint32_t state[LANES];
    int64_t result = check_model(model, tables, streams);
    if (result)
        return result;
    size_t width = smaller(model->pixels_per_stream, model->pixels);
    size_t room = lanes_room(smaller(model->frames_per_stream, model->frames) * width);
    if (room > UINT32_MAX)
        return KERNEL_MISFIT;
    uint32_t *codes = malloc(4 * RANS_SYMBOLS * tables + room + 2 * width);
    if (!codes)
        return KERNEL_MEMORY;
    struct writer writer = {codes, model->bins, model->bin_count, state, 0, NULL};
    uint8_t *end = (uint8_t *)(codes + RANS_SYMBOLS * tables) + room;
    struct source source = {numbers, stride, itemsize, (uint16_t *)(void *)end};
    result = lanes_fill_codes(frequencies, tables, codes);
    if (!result)
        result = encode_streams(&writer, model, &source, lengths, streams, payload, size, end);
    free(codes);
    return result;
}
