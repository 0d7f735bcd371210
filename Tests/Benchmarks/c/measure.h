// Clocks, and how long calls took.
#pragma once
#include <math.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

static inline uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline double cpu_seconds(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) + 1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

// Logarithmic buckets, 128 to an octave: a value above 128 ns is known to 1 %.
enum { BUCKETS = 64 * 128 };
typedef struct {
    uint64_t count, buckets[BUCKETS];
} Histogram;

static inline void record(Histogram *histogram, uint64_t ns) {
    int octave = 63 - __builtin_clzll(ns | 128);
    histogram->buckets[(octave - 6) * 128 + (int)((ns >> (octave - 7)) & 127)]++;
    histogram->count++;
}

// The value, in microseconds, that `share` of the calls do not exceed: the middle of its bucket.
static inline double percentile_us(const Histogram *histogram, double share) {
    uint64_t left = (uint64_t)(share * (double)histogram->count);
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
        if (histogram->buckets[bucket] > left) return ldexp(128.5 + bucket % 128, bucket / 128 - 1) / 1e3;
        left -= histogram->buckets[bucket];
    }
    return 0;
}
