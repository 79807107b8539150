/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of shared objects. All bytes come through elf_read(), the one
 * place where bounds are checked, and are copied out, so that alignment and
 * windows do not matter. Where a file offset and an address could tell the
 * reader and the loader different stories, the object is refused.
 */
#include "elf_file.h"

#include "fs.h"

#include <errno.h>

/* Far more than linkers write; a hostile file gets no further. */
#define ELF_SEGMENTS_MAX 64
#define ELF_NOTES_MAX 1024
#define ELF_DYNAMIC_MAX 4096

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ELF_DATA_HERE ELFDATA2LSB
#else
#define ELF_DATA_HERE ELFDATA2MSB
#endif
#define ELF_CLASS_HERE (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

#if defined(__x86_64__)
#define ELF_MACHINE_HERE EM_X86_64
#elif defined(__aarch64__)
#define ELF_MACHINE_HERE EM_AARCH64
#elif defined(__i386__)
#define ELF_MACHINE_HERE EM_386
#elif defined(__arm__)
#define ELF_MACHINE_HERE EM_ARM
#elif defined(__riscv)
#define ELF_MACHINE_HERE EM_RISCV
#elif defined(__powerpc64__)
#define ELF_MACHINE_HERE EM_PPC64
#elif defined(__s390x__)
#define ELF_MACHINE_HERE EM_S390
#else
#error "this machine is not known to the reader of shared objects"
#endif

static mig_status cut_short(const struct elf *elf, struct mig_err *err)
{
    return err_set(err, MIG_E_BUNDLE, "%s is damaged or cut short; build or copy it again",
                   elf->name);
}

static mig_status malformed(const struct elf *elf, const char *what, struct mig_err *err)
{
    return err_set(err, MIG_E_BUNDLE, "%s is not a usable shared object: %s", elf->name, what);
}

static mig_status window_load(struct elf *elf, int64_t offset, struct mig_err *err)
{
    mig_status status = fs_pread(elf->fd, elf->name, elf->window, sizeof elf->window, offset,
                                 &elf->window_len, err);

    elf->window_at = offset;
    return status;
}

mig_status elf_read(struct elf *elf, int64_t offset, void *out, size_t size, struct mig_err *err)
{
    mig_status status;
    size_t skip;

    if (offset < 0 || offset > elf->size || (uint64_t)size > (uint64_t)(elf->size - offset))
        return cut_short(elf, err);
    if (elf->bytes) {
        memcpy(out, elf->bytes + offset, size);
        return MIG_OK;
    }
    if (size > sizeof elf->window)
        return cut_short(elf, err);
    if (offset < elf->window_at ||
        offset + (int64_t)size > elf->window_at + (int64_t)elf->window_len) {
        status = window_load(elf, offset, err);
        if (status != MIG_OK)
            return status;
    }
    skip = (size_t)(offset - elf->window_at);
    if (elf->window_len < size || skip > elf->window_len - size)
        return cut_short(elf, err); /* it shrank meanwhile */
    memcpy(out, elf->window + skip, size);
    return MIG_OK;
}

static const char *machine_name(unsigned machine)
{
    static const struct {
        unsigned machine;
        const char *name;
    } names[] = {
        {EM_X86_64, "x86_64"},   {EM_AARCH64, "aarch64"},
        {EM_386, "i386"},        {EM_ARM, "arm"},
        {EM_RISCV, "riscv"},     {EM_PPC64, "ppc64"},
        {EM_PPC, "ppc"},         {EM_S390, "s390"},
        {EM_MIPS, "mips"},       {EM_LOONGARCH, "loongarch"},
        {EM_SPARCV9, "sparc64"},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].machine == machine)
            return names[i].name;
    }
    return "an unknown machine";
}

/* The class, the byte order and the machine stand at the same place in every
 * ELF file; `ident` is at least that long. */
static mig_status check_machine(const struct elf *elf, const unsigned char *ident,
                                struct mig_err *err)
{
    size_t at = offsetof(ElfW(Ehdr), e_machine);
    bool big = ident[EI_DATA] == ELFDATA2MSB;
    unsigned machine = big ? (unsigned)(ident[at] << 8 | ident[at + 1])
                           : (unsigned)(ident[at + 1] << 8 | ident[at]);

    if (ident[EI_CLASS] == ELF_CLASS_HERE && ident[EI_DATA] == ELF_DATA_HERE &&
        machine == ELF_MACHINE_HERE)
        return MIG_OK;
    return err_set(err, MIG_E_REFUSED,
                   "%s was built for %s (%s-bit, %s-endian); this host runs on %s (%d-bit, "
                   "%s-endian)",
                   elf->name, machine_name(machine), ident[EI_CLASS] == ELFCLASS64 ? "64" : "32",
                   big ? "big" : "little", machine_name(ELF_MACHINE_HERE),
                   (int)(8 * sizeof(void *)), ELF_DATA_HERE == ELFDATA2MSB ? "big" : "little");
}

static mig_status header_read(struct elf *elf, struct mig_err *err)
{
    unsigned char ident[EI_NIDENT + 4];
    mig_status status;

    if (elf->size == 0)
        return err_set(err, MIG_E_BUNDLE, "%s is empty; build or copy it again", elf->name);
    if (elf->size < (int64_t)sizeof ident) {
        return err_set(err, MIG_E_BUNDLE, "%s is not a shared object, or is cut short", elf->name);
    }
    status = elf_read(elf, 0, ident, sizeof ident, err);
    if (status != MIG_OK)
        return status;
    if (memcmp(ident, ELFMAG, SELFMAG) != 0)
        return err_set(err, MIG_E_BUNDLE, "%s is not a shared object", elf->name);
    status = check_machine(elf, ident, err);
    if (status == MIG_OK)
        status = elf_read(elf, 0, &elf->header, sizeof elf->header, err);
    if (status != MIG_OK)
        return status;
    if (ident[EI_VERSION] != EV_CURRENT || elf->header.e_phentsize != sizeof(ElfW(Phdr)))
        return malformed(elf, "its header has an unknown form", err);
    if (elf->header.e_phnum == 0 || elf->header.e_phnum > ELF_SEGMENTS_MAX)
        return malformed(elf, "it has no segments, or too many", err);
    /* Linkers put the sections' table last: it shows nearly every cut. */
    if (elf->header.e_shoff > (uint64_t)elf->size ||
        (uint64_t)elf->header.e_shnum * elf->header.e_shentsize >
            (uint64_t)elf->size - elf->header.e_shoff)
        return cut_short(elf, err);
    return MIG_OK;
}

mig_status elf_open_fd(struct elf *elf, int fd, const char *name, struct mig_err *err)
{
    struct stat info;

    if (fstat(fd, &info) != 0)
        return err_errno(err, MIG_E_IO, errno, "reading the size of %s", name);
    elf->name = name;
    elf->bytes = NULL;
    elf->fd = fd;
    elf->size = info.st_size;
    elf->window_at = 0;
    elf->window_len = 0;
    return header_read(elf, err);
}

mig_status elf_open_bytes(struct elf *elf, const void *bytes, size_t size, const char *name,
                          struct mig_err *err)
{
    elf->name = name;
    elf->bytes = bytes;
    elf->fd = -1;
    elf->size = (int64_t)size;
    elf->window_at = 0;
    elf->window_len = 0;
    return header_read(elf, err);
}

static mig_status segment_read(struct elf *elf, size_t index, ElfW(Phdr) *out, struct mig_err *err)
{
    uint64_t offset = elf->header.e_phoff;

    if (offset > (uint64_t)elf->size)
        return cut_short(elf, err);
    return elf_read(elf, (int64_t)(offset + index * sizeof *out), out, sizeof *out, err);
}

/* Whether the segment's bytes lie within the file. */
static bool segment_inside(const struct elf *elf, const ElfW(Phdr) *segment)
{
    return segment->p_offset <= (uint64_t)elf->size &&
           segment->p_filesz <= (uint64_t)elf->size - segment->p_offset;
}

static uint64_t align_up(uint64_t value, uint64_t align)
{
    return (value + align - 1) & ~(align - 1);
}

/* Reads the note at `at`, relative to the segment's start; `*next` is the one
 * behind it. A zero word where a note should begin is filling, as sanitizers
 * put it behind every variable: a note without an owner. */
static mig_status note_at(struct elf *elf, const ElfW(Phdr) *segment, uint64_t at,
                          struct elf_note *note, uint64_t *next, struct mig_err *err)
{
    uint64_t align = segment->p_align == 8 ? 8 : 4;
    uint64_t left = segment->p_filesz - at;
    ElfW(Nhdr) header = {0};
    uint64_t desc, end;
    mig_status status;

    status = elf_read(elf, (int64_t)(segment->p_offset + at), &header,
                      left < sizeof header ? (size_t)left : sizeof header, err);
    if (status != MIG_OK)
        return status;
    if (header.n_namesz == 0) {
        *note = (struct elf_note){0};
        *next = at + sizeof header.n_namesz;
        return MIG_OK;
    }
    if (left < sizeof header)
        return malformed(elf, "a note is cut short", err);
    desc = align_up(at + sizeof header + header.n_namesz, align);
    end = desc + header.n_descsz;
    if (end > segment->p_filesz)
        return malformed(elf, "a note is longer than its segment", err);
    *note = (struct elf_note){.type = header.n_type,
                              .desc_offset = (int64_t)(segment->p_offset + desc),
                              .desc_size = header.n_descsz};
    *next = align_up(end, align);
    if (header.n_namesz > sizeof note->owner)
        return MIG_OK;
    status = elf_read(elf, (int64_t)(segment->p_offset + at + sizeof header), note->owner,
                      header.n_namesz, err);
    if (note->owner[header.n_namesz - 1] != '\0')
        note->owner[0] = '\0';
    return status;
}

static mig_status segment_notes(struct elf *elf, const ElfW(Phdr) *segment, size_t *count,
                                elf_note_visit visit, void *arg, struct mig_err *err)
{
    uint64_t at = 0;

    if (!segment_inside(elf, segment))
        return cut_short(elf, err);
    while (at < segment->p_filesz) {
        struct elf_note note;
        mig_status status = note_at(elf, segment, at, &note, &at, err);

        if (status == MIG_OK && ++*count > ELF_NOTES_MAX)
            status = malformed(elf, "it has too many notes", err);
        if (status == MIG_OK)
            status = visit(elf, &note, arg, err);
        if (status < 0)
            return status;
    }
    return MIG_OK;
}

mig_status elf_notes(struct elf *elf, elf_note_visit visit, void *arg, struct mig_err *err)
{
    size_t count = 0;

    for (size_t i = 0; i < elf->header.e_phnum; i++) {
        ElfW(Phdr) segment;
        mig_status status = segment_read(elf, i, &segment, err);

        if (status == MIG_OK && segment.p_type == PT_LOAD && !segment_inside(elf, &segment))
            status = cut_short(elf, err);
        if (status == MIG_OK && segment.p_type == PT_NOTE)
            status = segment_notes(elf, &segment, &count, visit, arg, err);
        if (status != MIG_OK)
            return status;
    }
    return MIG_OK;
}

/* The segments that matter to the facts. */
struct layout {
    size_t load_count;
    ElfW(Phdr) loads[ELF_SEGMENTS_MAX];
    ElfW(Phdr) dynamic; /* p_type 0 where there is none */
    bool interpreter;
    bool stack_told;
    bool stack_exec;
};

static mig_status layout_add(const struct elf *elf, const ElfW(Phdr) *segment,
                             struct layout *layout, struct mig_err *err)
{
    const ElfW(Phdr) *last;

    switch (segment->p_type) {
    case PT_LOAD:
        last = layout->load_count ? &layout->loads[layout->load_count - 1] : NULL;
        if (!segment_inside(elf, segment))
            return cut_short(elf, err);
        if (segment->p_memsz < segment->p_filesz ||
            segment->p_memsz > UINTPTR_MAX - segment->p_vaddr ||
            (last && segment->p_vaddr < last->p_vaddr + last->p_memsz))
            return malformed(elf, "its segments overlap", err);
        layout->loads[layout->load_count++] = *segment;
        return MIG_OK;
    case PT_DYNAMIC:
        if (layout->dynamic.p_type == PT_DYNAMIC || !segment_inside(elf, segment))
            return malformed(elf, "its dynamic segment is wrong", err);
        layout->dynamic = *segment;
        return MIG_OK;
    case PT_INTERP: layout->interpreter = true; return MIG_OK;
    case PT_GNU_STACK:
        layout->stack_told = true;
        layout->stack_exec |= (segment->p_flags & PF_X) != 0;
        return MIG_OK;
    default: return MIG_OK;
    }
}

static mig_status layout_read(struct elf *elf, struct layout *layout, struct mig_err *err)
{
    layout->load_count = 0;
    layout->dynamic.p_type = PT_NULL;
    layout->interpreter = false;
    layout->stack_told = false;
    layout->stack_exec = false;
    for (size_t i = 0; i < elf->header.e_phnum; i++) {
        ElfW(Phdr) segment;
        mig_status status = segment_read(elf, i, &segment, err);

        if (status == MIG_OK)
            status = layout_add(elf, &segment, layout, err);
        if (status != MIG_OK)
            return status;
    }
    return MIG_OK;
}

/* The file offset behind `size` bytes at an address; -1 where none is. */
static int64_t offset_of(const struct layout *layout, uint64_t address, uint64_t size)
{
    for (size_t i = 0; i < layout->load_count; i++) {
        const ElfW(Phdr) *load = &layout->loads[i];

        if (address >= load->p_vaddr && address - load->p_vaddr <= load->p_filesz &&
            size <= load->p_filesz - (address - load->p_vaddr))
            return (int64_t)(load->p_offset + (address - load->p_vaddr));
    }
    return -1;
}

struct dynamic {
    uint64_t strings; /* address of the names */
    uint64_t strings_size;
    size_t needed_count;
    uint64_t needed[ELF_NEEDED_MAX]; /* offsets among the names */
    bool ended;
};

static mig_status dynamic_entry(const struct elf *elf, const ElfW(Dyn) *entry,
                                struct dynamic *dynamic, struct elf_facts *facts,
                                struct mig_err *err)
{
    switch (entry->d_tag) {
    case DT_NULL: dynamic->ended = true; break;
    case DT_STRTAB: dynamic->strings = entry->d_un.d_ptr; break;
    case DT_STRSZ: dynamic->strings_size = entry->d_un.d_val; break;
    case DT_RPATH:
    case DT_RUNPATH: facts->rpath = true; break;
    case DT_AUDIT:
    case DT_DEPAUDIT: facts->audit = true; break;
    case DT_FILTER:
    case DT_AUXILIARY: facts->filter = true; break;
    case DT_TEXTREL: facts->textrel = true; break;
    case DT_BIND_NOW: facts->bind_now = true; break;
    case DT_FLAGS:
        facts->textrel |= (entry->d_un.d_val & DF_TEXTREL) != 0;
        facts->bind_now |= (entry->d_un.d_val & DF_BIND_NOW) != 0;
        break;
    case DT_FLAGS_1:
        if (entry->d_un.d_val & DF_1_PIE)
            facts->shared = false;
        facts->bind_now |= (entry->d_un.d_val & DF_1_NOW) != 0;
        break;
    case DT_NEEDED:
        if (dynamic->needed_count == ELF_NEEDED_MAX)
            return malformed(elf, "it needs too many libraries", err);
        dynamic->needed[dynamic->needed_count++] = entry->d_un.d_val;
        break;
    default: break;
    }
    return MIG_OK;
}

static mig_status dynamic_read(struct elf *elf, const ElfW(Phdr) *segment, struct dynamic *dynamic,
                               struct elf_facts *facts, struct mig_err *err)
{
    uint64_t count = segment->p_filesz / sizeof(ElfW(Dyn));

    if (count > ELF_DYNAMIC_MAX)
        return malformed(elf, "its dynamic segment is too long", err);
    for (uint64_t i = 0; i < count && !dynamic->ended; i++) {
        ElfW(Dyn) entry;
        mig_status status = elf_read(elf, (int64_t)(segment->p_offset + i * sizeof entry), &entry,
                                     sizeof entry, err);

        if (status == MIG_OK)
            status = dynamic_entry(elf, &entry, dynamic, facts, err);
        if (status != MIG_OK)
            return status;
    }
    if (!dynamic->ended)
        return malformed(elf, "its dynamic segment has no end", err);
    return MIG_OK;
}

static mig_status needed_name(struct elf *elf, int64_t strings, uint64_t strings_size, uint64_t at,
                              char out[ELF_NAME_SIZE], struct mig_err *err)
{
    size_t size = ELF_NAME_SIZE;
    mig_status status;

    if (at >= strings_size)
        return malformed(elf, "the name of a library lies outside its names", err);
    if (strings_size - at < size)
        size = (size_t)(strings_size - at);
    status = elf_read(elf, strings + (int64_t)at, out, size, err);
    if (status == MIG_OK && !memchr(out, '\0', size))
        return malformed(elf, "the name of a library it needs is too long", err);
    return status;
}

static mig_status needed_read(struct elf *elf, const struct layout *layout,
                              const struct dynamic *dynamic, struct elf_facts *facts,
                              struct mig_err *err)
{
    int64_t strings = offset_of(layout, dynamic->strings, dynamic->strings_size);

    facts->needed_count = 0;
    if (dynamic->needed_count && strings < 0)
        return malformed(elf, "its names lie outside its segments", err);
    for (size_t i = 0; i < dynamic->needed_count; i++) {
        mig_status status = needed_name(elf, strings, dynamic->strings_size, dynamic->needed[i],
                                        facts->needed[i], err);

        if (status != MIG_OK)
            return status;
        facts->needed_count++;
    }
    return MIG_OK;
}

mig_status elf_facts_read(struct elf *elf, struct elf_facts *out, struct mig_err *err)
{
    struct dynamic dynamic = {0};
    struct layout layout;
    mig_status status = layout_read(elf, &layout, err);

    if (status != MIG_OK)
        return status;
    memset(out, 0, sizeof *out);
    out->shared = elf->header.e_type == ET_DYN && !layout.interpreter;
    out->execstack = !layout.stack_told || layout.stack_exec;
    if (layout.dynamic.p_type != PT_DYNAMIC)
        return malformed(elf, "it has no dynamic segment", err);
    if (offset_of(&layout, layout.dynamic.p_vaddr, layout.dynamic.p_filesz) !=
        (int64_t)layout.dynamic.p_offset)
        return malformed(elf, "its dynamic segment is not where the loader would look", err);
    status = dynamic_read(elf, &layout.dynamic, &dynamic, out, err);
    if (status == MIG_OK)
        status = needed_read(elf, &layout, &dynamic, out, err);
    return status;
}

const char *elf_facts_refusal(const struct elf_facts *facts)
{
    const struct {
        bool broken;
        const char *text;
    } rules[] = {
        {!facts->shared, "is a program or an object file, not a shared object; link it with "
                         "-shared"},
        {facts->rpath, "has an RPATH or RUNPATH, which would search libraries in folders of "
                       "its own; link it without -rpath"},
        {facts->audit, "asks for an audit library (DT_AUDIT); link it without --audit"},
        {facts->filter, "stands in for another library (DT_FILTER or DT_AUXILIARY); link it "
                        "without -f and -F"},
        {facts->textrel, "writes into its code while loading (TEXTREL); compile it with -fPIC"},
        {facts->execstack, "asks for an executable stack; link it with -z noexecstack"},
    };

    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].broken)
            return rules[i].text;
    }
    return NULL;
}
