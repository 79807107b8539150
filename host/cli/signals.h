/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGINT, SIGTERM and SIGHUP ask the running call to stop; the call ends
 * cleanly and main exits with 130 or 143. A second SIGINT ends the process at
 * once: the database rolls back by itself, and workers die with their parent.
 * SIGUSR1 holds a data migration up after its batch, SIGUSR2 lets it go on.
 */
#ifndef MIGHOST_CLI_SIGNALS_H
#define MIGHOST_CLI_SIGNALS_H

#include <mighost.h>

/* Installs the handlers. Ignores SIGPIPE and SIGXFSZ, so that
 * what cannot be written is an error of writing; an ignored SIGHUP stays ignored. */
void signals_install(void);
/* The host to interrupt; NULL: there is none, and a signal ends the process. */
void signals_watch(struct mighost *host);

#endif
