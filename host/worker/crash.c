/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signal handlers can be given no argument, so this file alone keeps its state
 * at file scope; the process has one worker. The walk uses the C++ unwinder,
 * which finds its tables without locks (_dl_find_object) and is warmed up
 * beforehand. Nothing here allocates or prints, and after a fatal signal the
 * process dies of that very signal.
 */
#include "crash.h"

#include "worker_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h> /* _dl_find_object(), which signal handlers may call */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unwind.h>

#define HANDLER_STACK (128u << 10)
#define DRIVERS 4
#define SPOTS 64 /* lanes whose rows can be named */
#define DRIVER_NAME 32

static const int FATAL[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGSYS, SIGXCPU};

static struct {
    pid_t own; /* a child of the module has these handlers too, and is not heard */
    int control;
    struct frame_token token;
    struct wire_stack stack;
    char drivers[DRIVERS][DRIVER_NAME]; /* loaded through descriptors, not the module */
    size_t driver_count;
    uintptr_t skip_until; /* the interrupted instruction */
    bool skipping;
    atomic_int asked; /* the status to end with; 0: not yet */
    atomic_int dying; /* the thread that is */
    volatile sig_atomic_t done;
} watch;

static struct spot spots[SPOTS];
static struct spot_row row; /* too large for a handler's stack */

static unsigned char handler_stack[HANDLER_STACK] __attribute__((aligned(64)));

/* What the machine's registers say of the interrupted place. */
struct place {
    uintptr_t instruction;
    uintptr_t stack;
    uintptr_t caller; /* where a call through a bad address came from, or 0 */
};

static struct place place_of(const ucontext_t *context)
{
    struct place place = {0};
#if defined(__x86_64__)
    place.instruction = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    place.stack = (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    place.instruction = (uintptr_t)context->uc_mcontext.pc;
    place.stack = (uintptr_t)context->uc_mcontext.sp;
    place.caller = (uintptr_t)context->uc_mcontext.regs[30];
#else
    (void)context;
#endif
    return place;
}

/* The object's index in the message, added where it is new. */
static uint32_t object_index(struct wire_stack *stack, const char *name)
{
    uint32_t i;

    for (i = 0; i < stack->object_count; i++)
        if (strncmp(stack->objects[i], name, WIRE_OBJECT_NAME - 1) == 0)
            return i;
    if (i == WIRE_OBJECTS)
        return WIRE_NO_OBJECT;
    strncpy(stack->objects[i], name, WIRE_OBJECT_NAME - 1);
    stack->object_count++;
    return i;
}

/* The name that the host knows the object by. */
static const char *name_object(const char *name)
{
    if (strncmp(name, WIRE_DESCRIPTOR, sizeof WIRE_DESCRIPTOR - 1) != 0)
        return name;
    for (size_t i = 0; i < watch.driver_count; i++)
        if (strcmp(name, watch.drivers[i]) == 0)
            return WIRE_DRIVER_OBJECT;
    return WIRE_MODULE_OBJECT;
}

static void add_frame(struct wire_stack *stack, uintptr_t address)
{
    struct dl_find_object found;
    uint32_t n = stack->frame_count;

    if (n == WIRE_FRAMES) {
        stack->cut = 1;
        return;
    }
    stack->frames[n].offset = address;
    stack->frames[n].object = WIRE_NO_OBJECT;
    if (_dl_find_object((void *)address, &found) == 0) {
        stack->frames[n].offset = address - found.dlfo_link_map->l_addr;
        stack->frames[n].object = object_index(stack, name_object(found.dlfo_link_map->l_name));
    }
    stack->frame_count++;
}

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *context, void *arg)
{
    struct wire_stack *stack = arg;
    int before = 0;
    uintptr_t address = _Unwind_GetIPInfo(context, &before);

    if (watch.skipping && address != watch.skip_until)
        return _URC_NO_REASON;
    watch.skipping = false;
    if (!address)
        return _URC_END_OF_STACK;
    add_frame(stack, before ? address : address - 1);
    return stack->cut ? _URC_END_OF_STACK : _URC_NO_REASON;
}

/* Private memory of the process, in bytes: the sixth number of statm. */
static uint64_t data_bytes(void)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text);
    uint64_t pages = 0;
    int column = 1;

    if (fd >= 0)
        close(fd);
    for (ssize_t i = 0; i < got && column <= 6; i++) {
        if (text[i] == ' ')
            column++;
        else if (column == 6 && text[i] >= '0' && text[i] <= '9')
            pages = pages * 10 + (uint64_t)(text[i] - '0');
    }
    return pages * 4096;
}

static void send_all(const void *data, size_t len)
{
    const char *at = data;

    while (len) {
        ssize_t sent = send(watch.control, at, len, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return;
        at += sent;
        len -= (size_t)sent;
    }
}

static void send_stack(const struct wire_stack *stack)
{
    unsigned char header[FRAME_HEADER_SIZE];

    frame_header(header, &watch.token, FRAME_STACK, sizeof *stack);
    send_all(header, sizeof header);
    send_all(stack, sizeof *stack);
}

static void send_row(void)
{
    unsigned char header[FRAME_HEADER_SIZE];

    frame_header(header, &watch.token, FRAME_ROW, sizeof row);
    send_all(header, sizeof header);
    send_all(&row, sizeof row);
}

static void walk(struct wire_stack *stack, const struct place *place)
{
    watch.skipping = place != NULL;
    watch.skip_until = place ? place->instruction : 0;
    _Unwind_Backtrace(take_frame, stack);
    if (stack->frame_count || !place)
        return;
    /* The unwinder could not get past the handler: a jump to nowhere. */
    add_frame(stack, place->instruction);
    if (place->caller)
        add_frame(stack, place->caller - 1);
#if defined(__x86_64__)
    else if (place->stack) /* a call has just put its return address there */
        add_frame(stack, *(const uintptr_t *)place->stack - 1);
#endif
}

static void tell(enum wire_stack_cause cause, int number, const siginfo_t *info, void *context)
{
    struct wire_stack *stack = &watch.stack;
    struct place place = {0};

    memset(stack, 0, sizeof *stack);
    stack->cause = (uint32_t)cause;
    stack->number = number;
    stack->data_bytes = data_bytes();
    if (context) {
        place = place_of(context);
        stack->address = (uint64_t)(uintptr_t)info->si_addr;
        stack->stack_at = place.stack;
    }
    walk(stack, context ? &place : NULL);
    send_stack(stack);
    /* Where the process hangs or takes too long, the row may be another thread's. */
    if (spot_read(spots, SPOTS, cause == WIRE_CAUSE_ASKED || number == SIGXCPU, &row))
        send_row();
}

static bool in_child(void)
{
    return getpid() != watch.own;
}

/* Of several threads that fault, the first tells; the others wait for the end.
 * A second fault in here is of the same thread, and ends the process at once. */
static void on_fatal(int number, siginfo_t *info, void *context)
{
    int own = gettid();
    int nobody = 0;

    if (!in_child() && atomic_compare_exchange_strong(&watch.dying, &nobody, own))
        tell(WIRE_CAUSE_SIGNAL, number, info, context);
    else
        while (!in_child() && nobody != own)
            pause();
    signal(number, SIG_DFL);
    raise(number);
}

/* The host says with it what it was itself told; others say nothing. */
static int asked_status(const siginfo_t *info)
{
    return info->si_code == SI_QUEUE && info->si_value.sival_int == MIG_E_INTERRUPTED
               ? MIG_E_INTERRUPTED
               : MIG_E_TERMINATED;
}

/* It comes twice, perhaps to two threads: the group is told as well. */
static void on_term(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    int not_yet = 0;

    if (in_child()) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    if (atomic_compare_exchange_strong(&watch.asked, &not_yet, asked_status(info)) && !watch.done)
        tell(WIRE_CAUSE_ASKED, number, info, context);
    errno = saved;
}

static void on_leaving(int status, void *unused)
{
    (void)unused;
    if (!watch.done && !watch.dying && !in_child())
        tell(WIRE_CAUSE_EXIT, status, NULL, NULL);
}

mig_status crash_watch(int control, const struct frame_token *token, struct mig_err *err)
{
    const stack_t own = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
    struct sigaction fatal = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction term = {.sa_flags = SA_SIGINFO | SA_ONSTACK};

    watch.own = getpid();
    watch.control = control;
    watch.token = *token;
    walk(&watch.stack, NULL); /* warms the unwinder up */
    fatal.sa_sigaction = on_fatal;
    term.sa_sigaction = on_term;
    sigfillset(&term.sa_mask);
    if (sigaltstack(&own, NULL) < 0 || sigaction(SIGTERM, &term, NULL) < 0)
        return err_errno(err, MIG_E_INTERNAL, errno, "signal handlers cannot be set");
    for (size_t i = 0; i < sizeof FATAL / sizeof *FATAL; i++)
        if (sigaction(FATAL[i], &fatal, NULL) < 0)
            return err_errno(err, MIG_E_INTERNAL, errno, "signal handlers cannot be set");
    if (on_exit(on_leaving, NULL) != 0)
        return err_nomem(err);
    return MIG_OK;
}

/* Without a stack of its own, a handler could not run when the thread's is full. */
void crash_thread(bool begins)
{
    static _Thread_local void *own;
    const stack_t none = {.ss_flags = SS_DISABLE};
    stack_t stack = {.ss_size = HANDLER_STACK};

    if (begins)
        own = stack.ss_sp = malloc(HANDLER_STACK);
    sigaltstack(own && begins ? &stack : &none, NULL);
    if (!begins) {
        free(own);
        own = NULL;
    }
}

static int note_driver(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    if (strncmp(info->dlpi_name, WIRE_DESCRIPTOR, sizeof WIRE_DESCRIPTOR - 1) == 0 &&
        watch.driver_count < DRIVERS)
        snprintf(watch.drivers[watch.driver_count++], DRIVER_NAME, "%s", info->dlpi_name);
    return 0;
}

void crash_expect_module(void)
{
    dl_iterate_phdr(note_driver, NULL);
}

struct spot *crash_spots(size_t *count)
{
    *count = SPOTS;
    return spots;
}

mig_status crash_asked(void *unused)
{
    (void)unused;
    return watch.asked;
}

void crash_done(void)
{
    watch.done = 1;
}
