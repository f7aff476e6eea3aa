#define _GNU_SOURCE
#include "util.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum { FILES = 1 << 16, BACKLOG = 4096 };

void die(const char *what)
{
    perror(what);
    exit(2);
}

void *must(void *memory)
{
    if (!memory)
        die("memory");
    return memory;
}

double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec * 1e-6; }

/* What is waiting moves to the front before anything is allocated. */
char *buffer_room(struct buffer *b, size_t wanted)
{
    if (b->start && (b->start == b->end || b->end + wanted > b->capacity)) {
        memmove(b->bytes, buffer_head(b), buffer_length(b));
        b->end -= b->start;
        b->start = 0;
    }
    if (b->end + wanted > b->capacity) {
        b->capacity = (b->end + wanted) * 2;
        b->bytes = must(realloc(b->bytes, b->capacity));
    }
    return b->bytes + b->end;
}

void buffer_grew(struct buffer *b, size_t by) { b->end += by; }

void buffer_add(struct buffer *b, const void *bytes, size_t count)
{
    memcpy(buffer_room(b, count), bytes, count);
    b->end += count;
}

void buffer_text(struct buffer *b, const char *text) { buffer_add(b, text, strlen(text)); }

void buffer_took(struct buffer *b, size_t count)
{
    b->start += count;
    if (b->start == b->end)
        b->start = b->end = 0;
}

void buffer_free(struct buffer *b)
{
    free(b->bytes);
    memset(b, 0, sizeof *b);
}

void raise_file_limit(void)
{
    struct rlimit limit = {FILES, FILES};
    if (!setrlimit(RLIMIT_NOFILE, &limit))
        return;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int listen_on_loopback(int port)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, BACKLOG))
        die("listen");
    return fd;
}

int accept_quick(int listener)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

void watch(int epoll, int fd, unsigned events, void *whose)
{
    struct epoll_event event = {.events = events, .data.ptr = whose};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        die("epoll_ctl");
}
