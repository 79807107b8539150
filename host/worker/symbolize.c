/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mighost-symbolize: looks addresses up in debug information, in a process of
 * its own, because that information is as little trusted as the module it
 * belongs to, and because the worker starts faster without the library. Each
 * argument is OFFSET:FILE, in hex; the answer is one line each, "function TAB
 * file:line", either empty where it is not known, followed by TAB and the same
 * for each function that the compiler has inlined it into. The module's file
 * is the descriptor that the worker has, and "" the worker itself.
 */
#include "worker_wire.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const Dwfl_Callbacks CALLBACKS = {
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = dwfl_offline_section_address,
};

static int open_object(const char *object)
{
    char self[PATH_MAX];
    ssize_t len;

    if (strcmp(object, WIRE_MODULE_OBJECT) == 0)
        return fcntl(WIRE_FD_MODULE, F_DUPFD_CLOEXEC, WIRE_FD_END);
    if (*object)
        return *object == '/' ? open(object, O_RDONLY | O_CLOEXEC) : -1;
    len = readlink("/proc/self/exe", self, sizeof self - sizeof "mighost-worker");
    if (len <= 0)
        return -1;
    self[len] = '\0';
    snprintf(strrchr(self, '/') + 1, sizeof "mighost-worker", "mighost-worker");
    return open(self, O_RDONLY | O_CLOEXEC);
}

static void print_place(const char *file, int line)
{
    putchar('\t');
    if (file && line > 0)
        printf("%s:%d", file, line);
}

static void print_source(Dwfl_Module *module, Dwarf_Addr address)
{
    Dwfl_Line *found = dwfl_module_getsrc(module, address);
    int line = 0;
    const char *file = found ? dwfl_lineinfo(found, NULL, &line, NULL, NULL, NULL) : NULL;

    print_place(file, line);
}

/* Where an inlined function was called. */
static void print_call(Dwarf_Die *unit, Dwarf_Die *inlined)
{
    Dwarf_Attribute attribute;
    Dwarf_Word file = 0, line = 0;
    Dwarf_Files *files = NULL;
    size_t count = 0;

    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) ||
        dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &line) ||
        dwarf_getsrcfiles(unit, &files, &count) || file >= count)
        print_place(NULL, 0);
    else
        print_place(dwarf_filesrc(files, file, NULL, NULL), (int)line);
}

/* The scopes around the address, innermost first, across inlined calls. */
static int find_scopes(Dwfl_Module *module, Dwarf_Die *unit, Dwarf_Addr address, Dwarf_Die **scopes)
{
    Dwarf_Addr bias;
    Dwarf_Die *around = NULL;
    Dwarf_Die innermost;
    int count = dwarf_getscopes(unit, address, &around);

    if (count <= 0)
        return 0;
    if (!dwarf_offdie(dwfl_module_getdwarf(module, &bias), dwarf_dieoffset(&around[0]), &innermost))
        count = 0;
    free(around);
    return count <= 0 ? 0 : dwarf_getscopes_die(&innermost, scopes);
}

/* Whether there was debug information to print. */
static bool print_inlined(Dwfl_Module *module, Dwarf_Addr address)
{
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = dwfl_module_addrdie(module, address, &bias);
    Dwarf_Die *scopes = NULL;
    Dwarf_Die *inlined = NULL;
    int count = unit ? find_scopes(module, unit, address - bias, &scopes) : 0;
    bool printed = false;

    for (int i = 0; i < count; i++) {
        int tag = dwarf_tag(&scopes[i]);
        const char *name = dwarf_diename(&scopes[i]);

        if (tag != DW_TAG_subprogram && tag != DW_TAG_inlined_subroutine)
            continue;
        printf("%s%s", printed ? "\t" : "", name ? name : "");
        if (inlined)
            print_call(unit, inlined);
        else
            print_source(module, address);
        printed = true;
        if (tag == DW_TAG_subprogram)
            break;
        inlined = &scopes[i];
    }
    free(scopes);
    return printed;
}

/* `offset` counts from the object's first address, as it would be loaded. */
static void look_up(Dwfl *dwfl, int fd, const char *name, Dwarf_Addr offset)
{
    Dwfl_Module *module = dwfl_report_elf(dwfl, name, name, fd, 0, false);
    const char *function;
    GElf_Off within;
    GElf_Sym symbol;

    dwfl_report_end(dwfl, NULL, NULL);
    if (!module || print_inlined(module, offset))
        return;
    function = dwfl_module_addrinfo(module, offset, &within, &symbol, NULL, NULL, NULL);
    if (function && (symbol.st_size == 0 || within < symbol.st_size))
        fputs(function, stdout);
    print_place(NULL, 0);
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
