/* The next hop of the benchmark: it takes every message and knows each by its X-Bench-Id. One epoll loop.
 *
 * A second port takes one line a connection and answers with the counts as JSON:
 *   GET, RESET (count anew), DUMP FILE (write the ids that came)
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conversation.h"
#include "util.h"

enum kind { SMTP_LISTENER, CONTROL_LISTENER, SMTP, CONTROL };
enum { READ = 262144, EVENTS = 256 };

struct peer {
    enum kind kind;
    int fd, is_blocked; /* what is to be said waits until the socket can take it */
    struct conversation talk;
};

static struct counts counts;
static int epoll;
static volatile sig_atomic_t over;

static void stop(int number)
{
    (void)number;
    over = 1;
}

static void drop(struct peer *p)
{
    close(p->fd);
    conversation_end(&p->talk);
    free(p);
}

static void wait_for(struct peer *p, int is_blocked)
{
    struct epoll_event event = {.events = is_blocked ? EPOLLOUT : EPOLLIN, .data.ptr = p};
    if (p->is_blocked == is_blocked)
        return;
    p->is_blocked = is_blocked;
    epoll_ctl(epoll, EPOLL_CTL_MOD, p->fd, &event);
}

/* Whether the peer is still there. A peer that does not read is not read from. */
static int flush(struct peer *p)
{
    struct buffer *out = &p->talk.out;
    while (buffer_length(out)) {
        ssize_t sent = send(p->fd, buffer_head(out), buffer_length(out), MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN)
                return 0;
            wait_for(p, 1);
            return 1;
        }
        buffer_took(out, (size_t)sent);
    }
    wait_for(p, 0);
    return !p->talk.over;
}

static int report(char *into, size_t room)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return snprintf(into, room,
                    "{\"messages\":%llu,\"unique\":%llu,\"duplicates\":%llu,\"no_id\":%llu,\"rcpts\":%llu,"
                    "\"bytes\":%llu,\"connections\":%llu,\"first\":%.6f,\"last\":%.6f,\"now\":%.6f,"
                    "\"cpu_user_s\":%.4f,\"cpu_sys_s\":%.4f}\n",
                    (unsigned long long)counts.messages, (unsigned long long)counts.unique,
                    (unsigned long long)counts.duplicates, (unsigned long long)counts.without_id,
                    (unsigned long long)counts.recipients, (unsigned long long)counts.octets,
                    (unsigned long long)counts.connections, counts.first, counts.last, now(),
                    seconds(use.ru_utime), seconds(use.ru_stime));
}

static void reset(void)
{
    struct ids ids = counts.ids;
    ids_clear(&ids);
    memset(&counts, 0, sizeof counts);
    counts.ids = ids;
}

static void control(struct peer *p, char *line)
{
    char answer[1024];
    line[strcspn(line, "\r\n")] = 0;
    if (!strcmp(line, "RESET"))
        reset();
    else if (!strncmp(line, "DUMP ", 5))
        ids_write(&counts.ids, line + 5);
    int length = report(answer, sizeof answer);
    if (send(p->fd, answer, (size_t)length, MSG_NOSIGNAL) < 0)
        perror("control");
}

static void welcome(struct peer *listener)
{
    int fd;
    while ((fd = accept_quick(listener->fd)) >= 0) {
        struct peer *p = must(calloc(1, sizeof *p));
        p->fd = fd;
        p->kind = listener->kind == SMTP_LISTENER ? SMTP : CONTROL;
        watch(epoll, fd, EPOLLIN, p);
        if (p->kind != SMTP)
            continue;
        counts.connections++;
        conversation_greet(&p->talk);
        if (!flush(p))
            drop(p);
    }
}

static void hear(struct peer *p)
{
    static char bytes[READ + 1];
    ssize_t got = recv(p->fd, bytes, READ, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0 && p->kind == SMTP) {
        conversation_take(&p->talk, &counts, bytes, (size_t)got);
        if (flush(p))
            return;
    } else if (got > 0) {
        bytes[got] = 0;
        control(p, bytes);
    }
    drop(p);
}

static void serve(struct peer *p)
{
    if (p->kind == SMTP_LISTENER || p->kind == CONTROL_LISTENER)
        welcome(p);
    else if (!p->is_blocked)
        hear(p);
    else if (!flush(p))
        drop(p);
}

static void open_port(struct peer *listener, enum kind kind, int port)
{
    listener->kind = kind;
    listener->fd = listen_on_loopback(port);
    watch(epoll, listener->fd, EPOLLIN, listener);
}

static void usage(void)
{
    fputs("sink --port PORT --ctl PORT\n", stderr);
    exit(2);
}

static void read_ports(int argc, char **argv, int *port, int *control_port)
{
    static const struct option LONG[] = {{"port", 1, 0, 'p'}, {"ctl", 1, 0, 'c'}, {0, 0, 0, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", LONG, NULL)) != -1) {
        if (option == '?')
            usage();
        *(option == 'p' ? port : control_port) = atoi(optarg);
    }
    if (!*port || !*control_port)
        usage();
}

int main(int argc, char **argv)
{
    static struct peer listeners[2];
    struct epoll_event events[EVENTS];
    int port = 0, control_port = 0;
    read_ports(argc, argv, &port, &control_port);
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    raise_file_limit();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    open_port(&listeners[0], SMTP_LISTENER, port);
    open_port(&listeners[1], CONTROL_LISTENER, control_port);
    while (!over) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++)
            serve(events[i].data.ptr);
    }
    return 0;
}
