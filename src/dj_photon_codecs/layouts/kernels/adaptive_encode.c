/* Writes frames whose keys are known. */
#include "adaptive.h"

struct writer {
    const struct rans_code *codes;
    uint32_t state[LANES];
    uint16_t *word, *escape; /* both are written from the end */
};

static int write_pixel(struct writer *writer, uint32_t *state, uint16_t bin, uint32_t entry)
{
    const struct rans_code *codes = writer->codes + (size_t)(entry >> 16) * RANS_SYMBOLS;
    uint32_t symbol = (uint32_t)bin - (entry & 0xffff);
    if (symbol >= RANS_ESCAPE || !codes[symbol].limit) {
        *--writer->escape = bin;
        symbol = RANS_ESCAPE;
        if (!codes[symbol].limit)
            return KERNEL_MISFIT;
    }
    *state = rans_put(*state, codes + symbol, &writer->word);
    return 0;
}

static int write_frame(struct writer *writer, const struct order *order, const uint16_t *bins,
                       const uint16_t *keys, const uint32_t *entries)
{
    for (size_t step = order->steps; step-- > 0;) {
        const int32_t *place = order->place + step * LANES;
        for (size_t lane = LANES; lane-- > 0;)
            if (place[lane] >= 0 &&
                write_pixel(writer, writer->state + lane, bins[place[lane]],
                            entries[keys[place[lane]]]) < 0)
                return KERNEL_MISFIT;
    }
    return 0;
}

/* `words` and `escapes` have room for a pixel each, and `words` for one more; both are filled from
   their ends. */
int adaptive_encode(const struct adaptive_model *model, const uint32_t *entries,
                    const uint16_t *frequencies, size_t tables, const uint16_t *bins,
                    const uint16_t *keys, uint32_t *states, uint16_t *words, uint16_t *escapes,
                    uint32_t *left)
{
    size_t pixels = model->height * model->width, numbers = pixels * model->frames;
    size_t all = keys_of(model);
    struct order order;
    struct rans_code *codes = malloc((tables + 1) * RANS_SYMBOLS * sizeof *codes);
    struct writer writer = {.codes = codes, .word = words + numbers + 1,
                            .escape = escapes + numbers};
    int error = past_check(model) < 0 || check_entries(entries, tables, all) < 0 ? KERNEL_MISFIT : 0;
    error = !error && !codes ? KERNEL_MEMORY : error;
    for (size_t i = 0; i < tables && !error; i++)
        error = rans_fill_codes(frequencies + i * RANS_SYMBOLS, codes + i * RANS_SYMBOLS);
    size_t highest = 0;
    for (size_t i = 0; i < numbers; i++)
        highest = keys[i] > highest ? keys[i] : highest;
    error = !error && highest >= all ? KERNEL_MISFIT : error;
    for (size_t lane = 0; lane < LANES; lane++)
        writer.state[lane] = RANS_LEAST;
    if (!error && !(error = order_open(&order, model->height, model->width))) {
        for (size_t t = model->frames; t-- > 0 && !error;)
            error = write_frame(&writer, &order, bins + t * pixels, keys + t * pixels,
                                entries + (t ? all : 0));
        free(order.place);
    }
    free(codes);
    memcpy(states, writer.state, sizeof writer.state);
    left[0] = (uint32_t)(writer.word - words);
    left[1] = (uint32_t)(writer.escape - escapes);
    return error;
}
