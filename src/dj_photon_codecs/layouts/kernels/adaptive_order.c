/* The order in which the pixels of a frame are coded. */
#include "adaptive.h"

int order_open(struct order *order, size_t height, size_t width)
{
    size_t rounds = (height + LANES - 1) / LANES, lane_delay = (LANES - 1) * DELAY;
    order->period = order_period(width);
    order->steps = (rounds - 1) * order->period + lane_delay + width;
    order->place = malloc(order->steps * LANES * sizeof *order->place);
    if (!order->place)
        return KERNEL_MEMORY;
    memset(order->place, 0xff, order->steps * LANES * sizeof *order->place);
    for (size_t y = 0; y < height; y++) {
        size_t first = y / LANES * order->period + y % LANES * DELAY;
        for (size_t x = 0; x < width; x++)
            order->place[(first + x) * LANES + y % LANES] = (int32_t)(y * width + x);
    }
    return 0;
}
