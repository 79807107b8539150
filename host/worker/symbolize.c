/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mighost-symbolize: looks addresses up in debug information, in a process of
 * its own, because that information is as little trusted as the module it
 * belongs to, and because the worker starts faster without the library. Each
 * argument is OFFSET:FILE, in hex; the answer is one line each, "function TAB
 * file:line", either empty where it is not known. The module's file is the
 * descriptor that the worker would have; "" is the worker itself.
 */
#include "worker_wire.h"

#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define MODULE_OBJECT "/proc/self/fd/"

static const Dwfl_Callbacks CALLBACKS = {
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = dwfl_offline_section_address,
};

static int open_object(const char *object)
{
    char self[PATH_MAX];
    ssize_t len;

    if (strncmp(object, MODULE_OBJECT, sizeof MODULE_OBJECT - 1) == 0)
        return fcntl(WIRE_FD_MODULE, F_DUPFD_CLOEXEC, WIRE_FD_END);
    if (*object)
        return open(object, O_RDONLY | O_CLOEXEC);
    len = readlink("/proc/self/exe", self, sizeof self - sizeof "mighost-worker");
    if (len <= 0)
        return -1;
    self[len] = '\0';
    snprintf(strrchr(self, '/') + 1, sizeof "mighost-worker", "mighost-worker");
    return open(self, O_RDONLY | O_CLOEXEC);
}

static void print_line(Dwfl_Module *module, Dwarf_Addr address)
{
    Dwfl_Line *found = dwfl_module_getsrc(module, address);
    int line = 0;
    const char *file = found ? dwfl_lineinfo(found, NULL, &line, NULL, NULL, NULL) : NULL;

    if (file && line > 0)
        printf("\t%s:%d", file, line);
}

/* `offset` counts from the object's first address, as it would be loaded. */
static void look_up(Dwfl *dwfl, int fd, const char *name, Dwarf_Addr offset)
{
    Dwfl_Module *module = dwfl_report_elf(dwfl, name, name, fd, 0, false);
    const char *function;
    GElf_Off within;
    GElf_Sym symbol;

    dwfl_report_end(dwfl, NULL, NULL);
    if (!module)
        return;
    function = dwfl_module_addrinfo(module, offset, &within, &symbol, NULL, NULL, NULL);
    if (function && (symbol.st_size == 0 || within < symbol.st_size))
        fputs(function, stdout);
    print_line(module, offset);
}

static void answer(const char *argument)
{
    char *object;
    Dwarf_Addr offset = strtoull(argument, &object, 16);
    Dwfl *dwfl;
    int fd;

    if (*object != ':')
        return;
    fd = open_object(object + 1);
    if (fd < 0)
        return;
    dwfl = dwfl_begin(&CALLBACKS);
    if (!dwfl) {
        close(fd);
        return;
    }
    look_up(dwfl, fd, "object", offset); /* takes the descriptor over */
    dwfl_end(dwfl);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        answer(argv[i]);
        putchar('\n');
        fflush(stdout);
    }
    return 0;
}
