/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proxy in front of PostgreSQL that breaks one connection at one message, and
 * passes everything before and after it. It counts what the clients wait for an
 * answer to (startup, Query, Sync, over all connections): the messages of a run
 * have numbers. Writes its port as the first line, and a line when it breaks.
 * It must not know what the messages are about.
 *
 *   cut_proxy PORT NUMBER|TEXT HOW     PORT: of the server; TEXT: of a query,
 *                                      the first that has it; HOW:
 *     before    the message never reaches the server
 *     after     the server does it; nothing of its answer comes back
 *     torn      as after, and half of the answer comes back
 *     stall     as after, and the client's connection stays open, silent
 *     mute      as stall, and the server never hears that the client went away
 *     left      the server has it, and never hears that the client's connection
 *               broke at once
 *     gone      as after, and nobody can connect any more
 *     moved     nothing breaks: from then on, as soon as no transaction is open,
 *               another process of the server answers, as behind a pooler; the
 *               first one stays, idle
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINKS_MAX 64
#define CHUNK 65536
#define HEAD 5 /* of a message: type, length */
#define CODE_SSL 80877103
#define CODE_GSS 80877104
#define CODE_CANCEL 80877102

enum how { BEFORE, AFTER, TORN, STALL, MUTE, LEFT, GONE, MOVED, HOWS };

static const char *const how_names[HOWS] = {"before", "after", "torn", "stall",
                                            "mute",   "left",  "gone", "moved"};

struct bytes {
    unsigned char *data;
    size_t len;
};

/* A client, and its own connection to the server; -1: closed. */
struct link {
    int client;
    int server;
    int left;  /* the server process before the one at hand */
    bool idle; /* no transaction is open */
    struct bytes startup;
    bool started;          /* the startup message has been passed on */
    bool plain;            /* a cancel request: no messages behind it */
    bool cut;              /* this one is broken: the server's answer is awaited */
    size_t asked;          /* messages that the server has to answer */
    size_t answered;       /* ReadyForQuery, each */
    struct bytes incoming; /* of the client, less than a message */
    struct bytes answers;  /* of the server, less than a message */
    struct bytes held;     /* of the answer to the message of the cut */
};

static struct link links[LINKS_MAX];
static size_t link_count;
static long asked_of_all;
static long cut_at;
static const char *cut_text; /* NULL: by the number */
static enum how how;
static int server_port;

static void die(const char *what)
{
    fprintf(stderr, "cut_proxy: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void bytes_add(struct bytes *bytes, const void *data, size_t len)
{
    bytes->data = realloc(bytes->data, bytes->len + len + 1);
    if (!bytes->data)
        die("memory");
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
}

static void bytes_drop(struct bytes *bytes, size_t len)
{
    bytes->len -= len;
    memmove(bytes->data, bytes->data + len, bytes->len);
}

static uint32_t number_at(const unsigned char *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void link_close(struct link *link)
{
    close_fd(&link->client);
    close_fd(&link->server);
    close_fd(&link->left);
    free(link->startup.data);
    link->startup = (struct bytes){0};
    free(link->incoming.data);
    free(link->answers.data);
    free(link->held.data);
    link->incoming = link->answers = link->held = (struct bytes){0};
}

/* A peer that has gone is seen when it is read from. */
static void send_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0 && fd >= 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

        if (sent < 0 && errno != EINTR)
            return;
        at += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
    }
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* --- the cut ------------------------------------------------------------------ */

/* Nothing of the connection is left but what the way of cutting wants. */
static void cut_end(struct link *link)
{
    const struct linger hard = {.l_onoff = 1};

    if (how == TORN)
        send_all(link->client, link->held.data, link->held.len / 2);
    if (how == BEFORE)
        setsockopt(link->client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    printf("cut %s message %ld\n", how_names[how], asked_of_all);
    fflush(stdout);
    cut_at = asked_of_all;
    if (how == GONE)
        exit(0);
    if (how == LEFT)
        close_fd(&link->client);
    if (how == LEFT || how == MUTE)
        return;
    close_fd(&link->server);
    if (how != STALL)
        link_close(link);
}

/* --- from the client ------------------------------------------------------------ */

/* The length of the first message; 0: not all of it is there. */
static size_t message_len(const struct link *link, bool has_type)
{
    const struct bytes *in = &link->incoming;
    size_t head = has_type ? HEAD : HEAD - 1;
    size_t len;

    if (in->len < head)
        return 0;
    len = number_at(in->data + head - 4) + (has_type ? 1u : 0u);
    return in->len < len ? 0 : len;
}

/* No encryption here: the answer that the server would give. */
static bool answer_encryption(struct link *link, size_t len)
{
    uint32_t code = number_at(link->incoming.data + 4);

    if (len != 8 || (code != CODE_SSL && code != CODE_GSS))
        return false;
    send_all(link->client, "N", 1);
    bytes_drop(&link->incoming, len);
    return true;
}

static bool wants_answer(const struct link *link)
{
    unsigned char type = link->incoming.data[0];

    return !link->started || type == 'Q' || type == 'S';
}

static bool is_chosen(const struct link *link, size_t len)
{
    if (!cut_text || cut_at)
        return asked_of_all == cut_at;
    return memmem(link->incoming.data, len, cut_text, strlen(cut_text));
}

static void note_message(struct link *link, size_t len)
{
    if (!link->started)
        bytes_add(&link->startup, link->incoming.data, len);
    if (link->plain || !wants_answer(link))
        return;
    link->asked++;
    asked_of_all++;
    link->cut = how != MOVED && is_chosen(link, len);
}

/* Passes one message on; false when there is none, or the connection is cut. */
static bool pass_message(struct link *link)
{
    size_t len = message_len(link, link->started);

    if (len == 0 || link->cut)
        return false;
    if (!link->started && answer_encryption(link, len))
        return true;
    link->plain = !link->started && number_at(link->incoming.data + 4) == CODE_CANCEL;
    note_message(link, len);
    link->started = true;
    if (link->cut && how == BEFORE) {
        cut_end(link);
        return false;
    }
    send_all(link->server, link->incoming.data, len);
    bytes_drop(&link->incoming, len);
    if (link->cut && how == LEFT)
        cut_end(link);
    return true;
}

/* The server does not hear of the client, nor the client of the server. */
static bool is_apart(const struct link *link)
{
    return link->cut && (how == MUTE || how == LEFT);
}

/* --- from the server --------------------------------------------------------------- */

static void count_answers(struct link *link)
{
    struct bytes *in = &link->answers;

    while (in->len >= HEAD && in->len >= number_at(in->data + 1) + 1) {
        link->answered += in->data[0] == 'Z';
        link->idle = in->data[0] == 'Z' && in->data[HEAD] == 'I';
        bytes_drop(in, number_at(in->data + 1) + 1);
    }
}

static int connect_server(void)
{
    const struct sockaddr_in address = loopback(server_port);
    const int at_once = 1; /* small messages wait for nothing */
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        close_fd(&fd);
    else
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    return fd;
}

/* Another process of the server, whose greeting the client does not see. */
static void move(struct link *link)
{
    size_t before = link->answered;

    link->left = link->server;
    link->server = connect_server();
    send_all(link->server, link->startup.data, link->startup.len);
    while (link->answered == before) {
        unsigned char data[CHUNK];
        ssize_t got = recv(link->server, data, sizeof data, 0);

        if (got <= 0)
            die("greeting");
        bytes_add(&link->answers, data, (size_t)got);
        count_answers(link);
    }
    link->answered = before;
    printf("moved behind message %ld\n", asked_of_all);
    fflush(stdout);
    how = HOWS; /* once */
}

/* What answers earlier messages of a cut connection is kept back as well. */
static void take_answer(struct link *link, const unsigned char *data, size_t len)
{
    bytes_add(&link->answers, data, len);
    count_answers(link);
    if (!link->cut) {
        send_all(link->client, data, len);
        if (how == MOVED && asked_of_all >= cut_at && link->answered == link->asked && link->idle)
            move(link);
        return;
    }
    bytes_add(&link->held, data, len);
    if (how != LEFT && link->answered >= link->asked && link->server >= 0)
        cut_end(link);
}

/* --- the loop ------------------------------------------------------------------------- */

static void read_client(struct link *link)
{
    unsigned char data[CHUNK];
    ssize_t got = recv(link->client, data, sizeof data, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        if (is_apart(link))
            close_fd(&link->client);
        else
            link_close(link);
        return;
    }
    bytes_add(&link->incoming, data, (size_t)got);
    while (link->client >= 0 && pass_message(link))
        ;
}

static void read_server(struct link *link)
{
    unsigned char data[CHUNK];
    ssize_t got = recv(link->server, data, sizeof data, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0)
        take_answer(link, data, (size_t)got);
    else if (is_apart(link))
        close_fd(&link->server);
    else if (link->cut)
        cut_end(link);
    else
        link_close(link);
}

static void accept_client(int listener)
{
    const int at_once = 1;
    struct link *link = links;

    while (link < links + link_count && (link->client >= 0 || link->server >= 0))
        link++;
    if (link == links + LINKS_MAX)
        die("too many connections");
    link_count += link == links + link_count;
    *link = (struct link){
        .client = accept(listener, NULL, NULL), .server = connect_server(), .left = -1};
    if (link->server < 0)
        link_close(link);
    setsockopt(link->client, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
}

static void serve(int listener)
{
    struct pollfd fds[2 * LINKS_MAX + 1];
    size_t count = link_count;

    fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (size_t i = 0; i < count; i++) {
        fds[2 * i + 1] = (struct pollfd){.fd = links[i].client, .events = POLLIN};
        fds[2 * i + 2] = (struct pollfd){.fd = links[i].server, .events = POLLIN};
    }
    if (poll(fds, 2 * count + 1, -1) < 0 && errno != EINTR)
        die("poll");
    for (size_t i = 0; i < count; i++) {
        if (fds[2 * i + 2].revents && links[i].server >= 0)
            read_server(&links[i]);
        if (fds[2 * i + 1].revents && links[i].client >= 0)
            read_client(&links[i]);
    }
    if (fds[0].revents)
        accept_client(listener);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    while (argc == 4 && how < HOWS && strcmp(argv[3], how_names[how]) != 0)
        how++;
    if (argc != 4 || how == HOWS) {
        fputs("usage: cut_proxy PORT NUMBER before|after|torn|stall|mute|left|gone|moved\n",
              stderr);
        return 2;
    }
    server_port = atoi(argv[1]);
    cut_at = atol(argv[2]);
    cut_text = cut_at ? NULL : argv[2];
    if (bind(listener, (const struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, LINKS_MAX) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) < 0)
        die("listening");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;)
        serve(listener);
}
