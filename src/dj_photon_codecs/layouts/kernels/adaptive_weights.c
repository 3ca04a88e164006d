/* SPDX-License-Identifier: MIT */
/* Weights of features by least squares, without those features that are needless. */
#include "adaptive.h"

enum { TERMS = FEATURES + 1, STRIDE = ADAPTIVE_PRODUCTS, TURNS = 3 };

static const double RIDGE = 1e-5, RIDGE_OF_MEAN = 4e-8; /* relative to the squares of a feature */
static const double LEAST_RIDGE = 1e-9, LEAST_LEFT = 1e-30, LEAST_SHARE_LEFT = 1e-9;
static const double LEAST_SHARE = 1e-6, ADDED = 0.01; /* of the squares of a sample, when weighed */

/* Products of features, the last of which is the value. When features are swept, these have weights
   in the last column, less the inverse of their products in theirs, and the squares that are left
   in the corner: J. H. Goodnight, The American Statistician 33, 149 (1979),
   doi:10.1080/00031305.1979.10482685. */
struct fit {
    double of[TERMS][STRIDE], ridge[FEATURES], least, left;
    uint8_t is_used[FEATURES];
    size_t used;
};

/* Sweeps a feature, or with `sign` -1 one that was swept, so that the others do without it. */
ALWAYS_INLINE void sweep(struct fit *fit, size_t feature, double sign)
{
    double row[STRIDE], pivot = fit->of[feature][feature];
    memcpy(row, fit->of[feature], sizeof row);
    for (size_t i = 0; i < TERMS; i++) {
        double share = row[i] / pivot;
        for (size_t j = 0; j < STRIDE; j++)
            fit->of[i][j] -= share * row[j];
    }
    for (size_t i = 0; i < TERMS; i++)
        fit->of[i][feature] = fit->of[feature][i] = sign * row[i] / pivot;
    fit->of[feature][feature] = -1 / pivot;
}

/* Squares that are left, without what the ridge adds. */
static void measure_left(struct fit *fit)
{
    fit->left = fit->of[FEATURES][FEATURES];
    for (size_t i = 0; i < FEATURES; i++)
        if (fit->is_used[i])
            fit->left -= fit->ridge[i] * fit->of[i][FEATURES] * fit->of[i][FEATURES];
    fit->left = fit->left > fit->least ? fit->left : fit->least;
}

/* Solves the equations of features that occur. */
ALWAYS_INLINE void solve(struct fit *fit)
{
    double least = LEAST_SHARE_LEFT * fit->of[FEATURES][FEATURES], sum = 0;
    fit->least = least > LEAST_LEFT ? least : LEAST_LEFT;
    fit->used = 0;
    for (size_t i = 0; i < FEATURES; i++) {
        fit->is_used[i] = fit->of[i][i] != 0;
        fit->used += fit->is_used[i];
        sum += fit->of[i][i];
    }
    double mean = RIDGE_OF_MEAN * sum / (double)fit->used; /* used if there are any */
    for (size_t i = 0; i < FEATURES; i++)
        if (fit->is_used[i]) {
            fit->ridge[i] = RIDGE * fit->of[i][i] + mean + LEAST_RIDGE;
            fit->of[i][i] += fit->ridge[i];
            sweep(fit, i, 1);
        }
    measure_left(fit);
}

/* The products of all samples, each as often as its precision says. */
ALWAYS_INLINE void add_up(const double *products, const double *precision, size_t samples,
                          struct fit *fit)
{
    memset(fit->of, 0, sizeof fit->of);
    for (size_t s = 0; s < samples; s++)
        for (size_t i = 0; i < TERMS; i++, products += STRIDE)
            for (size_t j = 0; j < STRIDE; j++)
                fit->of[i][j] += precision[s] * products[j];
    for (size_t i = 0; i < TERMS; i++)
        for (size_t j = 0; j < i; j++)
            fit->of[i][j] = fit->of[j][i];
}

/* What is left of the squares of a sample with these weights, that of the value being -1. */
ALWAYS_INLINE double square_of(const double *products, const double *weights)
{
    double sums[STRIDE] = {0}, square = 0;
    for (size_t i = 0; i < TERMS; i++, products += STRIDE) {
        sums[i] += weights[i] * products[i];
        for (size_t j = i + 1; j < STRIDE; j++)
            sums[j] += 2 * weights[i] * products[j];
    }
    for (size_t i = 0; i < TERMS; i++)
        square += weights[i] * sums[i];
    return square;
}

/* Fits weights to samples, each of which counts the less the worse it fits. */
ALWAYS_INLINE void fit_samples(const double *products, const double *sampled, size_t samples,
                               double *precision, struct fit *fit)
{
    size_t several = 0;
    for (size_t s = 0; s < samples; s++) {
        precision[s] = 1;
        several += sampled[s] != 0;
    }
    for (size_t turn = several > 1 ? TURNS : 1; turn-- > 0;) {
        double weights[TERMS];
        add_up(products, precision, samples, fit);
        solve(fit);
        for (size_t i = 0; i < FEATURES; i++)
            weights[i] = fit->is_used[i] ? fit->of[i][FEATURES] : 0;
        weights[FEATURES] = -1;
        for (size_t s = 0; s < samples && turn; s++) {
            const double *own = products + s * TERMS * STRIDE;
            double square = square_of(own, weights);
            double least = LEAST_SHARE * own[FEATURES * STRIDE + FEATURES];
            square = square > least ? square : least;
            precision[s] = 1 / (square / (sampled[s] > 1 ? sampled[s] : 1) + ADDED);
        }
    }
}

/* Lists features that save less than `least`, but for the first two, those first that save least. */
static size_t list_needless(const struct fit *fit, double least, uint8_t *listed)
{
    double saves[FEATURES];
    size_t count = 0;
    for (uint8_t i = LONG + 1; i < FEATURES; i++) {
        double weight = fit->of[i][FEATURES], saved = -weight * weight / fit->of[i][i];
        if (!fit->is_used[i] || !(saved < least * fit->left))
            continue;
        size_t at = count++;
        for (; at && saves[at - 1] > saved; at--) {
            saves[at] = saves[at - 1];
            listed[at] = listed[at - 1];
        }
        saves[at] = saved;
        listed[at] = i;
    }
    return count;
}

/* Does without so many features if for each no more than a factor is left; returns whether. */
ALWAYS_INLINE int do_without(struct fit *fit, const uint8_t *listed, size_t count, double factor)
{
    struct fit tried = *fit;
    double most = fit->left;
    for (size_t i = 0; i < count; i++, most *= factor) {
        sweep(&tried, listed[i], -1);
        tried.is_used[listed[i]] = 0;
    }
    measure_left(&tried);
    if (!(tried.left <= most))
        return 0;
    *fit = tried;
    return 1;
}

ALWAYS_INLINE void fit_weights(const double *products, const double *sampled, size_t samples,
                               double least, double factor, double *precision, double *weights)
{
    struct fit fit;
    uint8_t listed[FEATURES];
    fit_samples(products, sampled, samples, precision, &fit);
    for (size_t most = fit.used; most;) {
        most = smaller(most, (list_needless(&fit, least, listed) + 1) / 2);
        while (most && !do_without(&fit, listed, most, factor))
            most /= 2;
        most = most ? fit.used : 0;
    }
    for (size_t i = 0; i < FEATURES; i++)
        weights[i] = fit.is_used[i] ? fit.of[i][FEATURES] : 0;
}

#ifdef AVX2
AVX2 static void fit_weights_avx2(const double *products, const double *sampled, size_t samples,
                                  double least, double factor, double *precision, double *weights)
{
    fit_weights(products, sampled, samples, least, factor, precision, weights);
}
#endif

int adaptive_weights(const double *products, const double *sampled, size_t samples, float saved,
                     float grows, double *weights)
{
    double *precision = malloc((samples + 1) * sizeof *precision), all = 0;
    for (size_t s = 0; s < samples; s++)
        all += sampled[s];
    if (!precision)
        return KERNEL_MEMORY;
    WITH_AVX2(fit_weights, products, sampled, samples, (double)saved / all, 1 + (double)grows,
              precision, weights);
    free(precision);
    return 0;
}
