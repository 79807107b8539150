/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two clocks: a steady one to measure durations and deadlines with, which
 * never jumps, and the wall's, for what a person reads; and pauses. None of it
 * fails on a system that mighost runs on. Wall times are UTC.
 */
#ifndef MIGHOST_CLOCK_H
#define MIGHOST_CLOCK_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static inline int64_t clock_read_ns(clockid_t id)
{
    struct timespec now = {0};

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Nanoseconds of the steady clock. */
static inline int64_t clock_mono_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

/* Milliseconds of the steady clock. */
static inline int64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* Milliseconds since 1970-01-01T00:00:00Z. */
static inline int64_t clock_wall_ms(void)
{
    return clock_read_ns(CLOCK_REALTIME) / 1000000;
}

/* Sleeps so long; a signal may end it sooner. */
static inline void clock_sleep_ms(int64_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

/* From half of `ms` to half as much again, by chance: two who collided and pause so
 * long do not collide once more. */
static inline int64_t clock_about_ms(int64_t ms)
{
    unsigned seed = (unsigned)getpid() ^ (unsigned)clock_mono_ns();

    return ms / 2 + rand_r(&seed) % ms;
}

#endif
