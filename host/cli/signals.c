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

static void hold_up(int number)
{
    struct mighost *host = atomic_load(&watched);

    if (host && number == SIGUSR1)
        mighost_pause(host);
    else if (host)
        mighost_resume(host);
}

static void install(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void signals_install(void)
{
    struct sigaction old;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    install(SIGINT, handle);
    install(SIGTERM, handle);
    install(SIGUSR1, hold_up);
    install(SIGUSR2, hold_up);
    if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        install(SIGHUP, handle);
}

void signals_watch(struct mighost *host)
{
    atomic_store(&watched, host);
}
