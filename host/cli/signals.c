/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers, and the one piece of global state that the command has: a
 * handler gets no argument, so the host to interrupt stands here. Handlers
 * call async-signal-safe functions only.
 */
#include "signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#define EXIT_BY_SIGNAL 128 /* what a shell adds to the number of the signal */

static _Atomic(struct mighost *) watched;
static volatile sig_atomic_t interrupts;

static void handle(int number)
{
    struct mighost *host = atomic_load(&watched);

    if (!host || (number == SIGINT && interrupts++))
        _exit(EXIT_BY_SIGNAL + (number == SIGINT ? SIGINT : SIGTERM));
    mighost_interrupt(host, number);
}

static void install(int number)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void signals_install(void)
{
    struct sigaction old;

    signal(SIGPIPE, SIG_IGN);
    install(SIGINT);
    install(SIGTERM);
    if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        install(SIGHUP);
}

void signals_watch(struct mighost *host)
{
    atomic_store(&watched, host);
}
