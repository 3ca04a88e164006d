/* SPDX-License-Identifier: MIT */
/* Reads the pixels of a frame, a step at a time, with a set of vectors, SET, in functions with the
   attributes TARGET: included once for each set. */
#define NAME(function) JOIN(function, SET)

/* An image of a step, weighted 1 2 1 with those of the rows `by` above and below. */
#define COLUMN(at, by) \
    NAME(add)(NAME(add)(NAME(moved_down)(NAME(load)((at) - (by) * DELAY * LANES), \
                                         NAME(load)((at) - (by) * DELAY * LANES - turn), by), \
                        NAME(moved_up)(NAME(load)((at) + (by) * DELAY * LANES), \
                                       NAME(load)((at) + (by) * DELAY * LANES + turn), by)), \
              NAME(add)(NAME(load)(at), NAME(load)(at)))

TARGET ALWAYS_INLINE NAME(floats) NAME(weighted)(NAME(floats) left, NAME(floats) here,
                                                 NAME(floats) right)
{
    here = NAME(add)(NAME(add)(left, right), NAME(add)(here, here));
    return NAME(mul)(here, NAME(splat)(0.0625f));
}

/* Takes the last frame into the means. */
TARGET static void NAME(learn)(struct reader *reader, ptrdiff_t step, ptrdiff_t end)
{
    const float *last = reader->last;
    float *restrict lasting = reader->mean[0], *restrict brief = reader->mean[1];
    NAME(floats) rate = NAME(splat)(reader->rate[0]), half = NAME(splat)(reader->rate[1]);
    for (ptrdiff_t at = step * LANES; at < end * LANES; at += LANES) {
        NAME(floats) value = NAME(load)(last + at), is = NAME(load)(lasting + at);
        NAME(store)(lasting + at, NAME(add)(is, NAME(mul)(NAME(sub)(value, is), rate)));
        is = NAME(load)(brief + at);
        NAME(store)(brief + at, NAME(add)(is, NAME(mul)(NAME(sub)(value, is), half)));
    }
}

TARGET static void NAME(blur)(struct reader *reader, ptrdiff_t step, ptrdiff_t end)
{
    ptrdiff_t turn = reader->turn;
    for (int i = 0; i < 2; i++) {
        const float *mean = reader->mean[i] + step * LANES;
        float *near = reader->near[i] + step * LANES, *last = reader->near[i] + end * LANES;
        NAME(floats) left = COLUMN(mean - LANES, 1), here = COLUMN(mean, 1), right;
        for (; near < last; near += LANES, mean += LANES, left = here, here = right) {
            right = COLUMN(mean + LANES, 1);
            NAME(store)(near, NAME(weighted)(left, here, right));
        }
    }
}

/* Writes the features of a step that are not in images. */
TARGET ALWAYS_INLINE void NAME(write_features)(struct reader *reader, ptrdiff_t step,
                                               ptrdiff_t in_window)
{
    ptrdiff_t at = step * LANES, to = in_window * LANES, turn = reader->turn;
    NAME(floats) far[2], near = NAME(load)(reader->near[0] + at);
    for (int i = 0; i < 2; i++) {
        const float *image = (i ? reader->mean[0] : reader->last) + at + LANES;
        float *above = row_of(reader, i ? LONG_ABOVE : LAST_ABOVE) + to + LANES;
        float *below = row_of(reader, i ? LONG_BELOW : LAST_BELOW) + to + LANES;
        NAME(store)(above, NAME(moved_down)(NAME(load)(image - DELAY * LANES),
                                            NAME(load)(image - DELAY * LANES - turn), 1));
        NAME(store)(below, NAME(moved_up)(NAME(load)(image + DELAY * LANES),
                                          NAME(load)(image + DELAY * LANES + turn), 1));
    }
    for (int i = 0; i < 2; i++) {
        const float *image = reader->near[i] + at + 2 * LANES;
        float *column = row_of(reader, i ? SHORT_COLUMN : LONG_COLUMN) + to;
        NAME(floats) right = COLUMN(image, 2);
        NAME(store)(column + 2 * LANES, right);
        far[i] = NAME(weighted)(NAME(load)(column - 2 * LANES), NAME(load)(column), right);
        NAME(store)(row_of(reader, i ? FAR_SHORT : FAR_LONG) + to, far[i]);
    }
    NAME(floats) reference = NAME(mul)(NAME(splat)(0.5f), NAME(add)(near, far[1]));
    NAME(store)(row_of(reader, REFERENCE) + to, reference);
    if (!reader->gated)
        return;
    const float *gate = reader->model->gate;
    NAME(floats) change = NAME(sub)(far[1], far[0]), square = NAME(mul)(change, change);
    NAME(floats) noise = NAME(add)(NAME(splat)(gate[0]), NAME(mul)(NAME(splat)(gate[1]), near));
    noise = NAME(larger)(noise, NAME(splat)(gate[2]));
    NAME(floats) open = NAME(divide)(square, NAME(add)(square, noise));
    NAME(floats) of[] = {NAME(load)(reader->mean[0] + at), far[0],
                         NAME(load)(reader->mean[1] + at), far[1]};
    for (int i = 0; i < 4; i++)
        NAME(store)(row_of(reader, GATE + i) + to, NAME(mul)(open, NAME(sub)(of[i], reference)));
    NAME(store)(row_of(reader, GATE + 4) + to, open);
}

/* What is expected of SUMS steps before their frame: together, as each sum waits for its terms. */
TARGET ALWAYS_INLINE void NAME(expect)(struct reader *reader, ptrdiff_t in_window)
{
    NAME(floats) sum[SUMS];
    float *to = row_of(reader, EXPECTED) + in_window * LANES;
    for (int k = 0; k < SUMS; k++)
        sum[k] = NAME(splat)(reader->constant);
    for (const struct term *term = reader->term; term < reader->first_within; term++) {
        NAME(floats) weight = NAME(splat)(term->weight);
        const float *row = term->row + in_window * LANES;
        for (int k = 0; k < SUMS; k++)
            sum[k] = NAME(add)(sum[k], NAME(mul)(weight, NAME(load)(row + k * LANES)));
    }
    for (int k = 0; k < SUMS; k++)
        NAME(store)(to + k * LANES, sum[k]);
}

/* `last` is the innovation of the step before. */
TARGET ALWAYS_INLINE void NAME(read_step)(struct reader *reader, ptrdiff_t step,
                                          ptrdiff_t in_window, unsigned active, uint16_t *bins,
                                          NAME(states) *states, NAME(floats) *last)
{
    ptrdiff_t to = in_window * LANES;
    NAME(floats) reference = NAME(load)(row_of(reader, REFERENCE) + to);
    NAME(floats) expected = NAME(load)(row_of(reader, EXPECTED) + to);
    for (const struct term *term = reader->first_within; term < reader->last_term; term++)
        expected = NAME(add)(expected, NAME(mul)(NAME(splat)(term->weight),
                                                 NAME(load)(term->row + to)));
    if (reader->nearest != 0)
        expected = NAME(add)(expected, NAME(mul)(NAME(splat)(reader->nearest), *last));
    NAME(symbols) found = NAME(look_up)(reader, states, expected);
    ptrdiff_t soon = (step + 3 * reader->period) * LANES; /* what the next round learns */
    for (int i = 0; i < 2; i++)
        __builtin_prefetch(reader->mean[i] + soon);
    __builtin_prefetch(reader->last + soon);
    NAME(write_features)(reader, step + EARLY, in_window + EARLY); /* while these are waited for */
    if (in_window % SUMS == 0)
        NAME(expect)(reader, in_window + SUMS);
    NAME(floats) innovation = NAME(take)(reader, states, found, reference, active,
                                         reader->next + step * LANES, bins);
    *last = innovation;
    float *passed = reader->passed + reader->passing;
    NAME(floats) before = reader->turn ? NAME(load)(passed) : innovation;
    NAME(store)(passed, innovation);
    reader->passing = reader->passing + LANES < reader->turn ? reader->passing + LANES : 0;
    NAME(store)(row_of(reader, HERE) + to, innovation);
    NAME(store)(row_of(reader, UP_1) + to + DELAY * LANES, NAME(moved_down)(innovation, before, 1));
    NAME(store)(row_of(reader, UP_2) + to + 2 * DELAY * LANES,
                NAME(moved_down)(innovation, before, 2));
    NAME(store)(row_of(reader, UP_3) + to + 3 * DELAY * LANES,
                NAME(moved_down)(innovation, before, 3));
}

/* Makes the images that a round needs: those of the next one too, whose means need one more. */
TARGET static void NAME(prepare_round)(struct reader *reader, ptrdiff_t round)
{
    ptrdiff_t period = reader->period, steps = reader->steps;
    NAME(learn)(reader, (round ? round + 2 : -1) * period,
                least((round + 3) * period, steps + period));
    for (ptrdiff_t k = round ? round + 1 : 0; k <= round + 1; k++) {
        NAME(blur)(reader, least(k * period, steps), least((k + 1) * period, steps));
        for (int i = 0; i < 2; i++)
            extend(reader, reader->near[i], 2, k);
    }
}

TARGET static int NAME(read_frame)(struct reader *reader, int is_first)
{
    ptrdiff_t rounds = 0, count;
    NAME(states) states = NAME(load_states)(reader->state);
    NAME(floats) last = NAME(splat)(0);
    for (ptrdiff_t step = 0; step < reader->steps; step += count) {
        count = least(reader->steps - step, WINDOW);
        for (; !is_first && rounds * reader->period < step + count + EARLY &&
               rounds <= reader->rounds; rounds++)
            NAME(prepare_round)(reader, rounds);
        for (ptrdiff_t i = step ? EARLY : -DELAY; i < EARLY; i++)
            NAME(write_features)(reader, i, i);
        if (!step)
            NAME(expect)(reader, 0);
        uint16_t *bins = reader->bins + (step - reader->put * reader->period) * LANES;
        for (ptrdiff_t i = 0; i < count; i++, bins += LANES) {
            if (!has_words(reader))
                return KERNEL_DAMAGED;
            NAME(read_step)(reader, step + i, i, reader->active[step + i], bins, &states, &last);
        }
        if (reader->damaged)
            return KERNEL_DAMAGED;
        put_rounds(reader, step + count);
        if (count == WINDOW)
            next_window(reader);
    }
    NAME(store_states)(reader->state, states);
    return 0;
}

#undef NAME
#undef COLUMN
#undef SET
#undef TARGET
