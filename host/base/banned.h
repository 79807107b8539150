/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that do not compile in this project: each has a bounded or safer form
 * that says the same. Included before every source file by the build, after
 * the system headers that declare the functions.
 */
#ifndef MIGHOST_BANNED_H
#define MIGHOST_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The C library has macros of some of these names: those cannot be poisoned. */
#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef alloca
#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets system popen alloca

#endif
