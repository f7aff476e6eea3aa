/* What all programs of the benchmark share: time, buffers that grow, sockets on loopback. */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <stddef.h>
#include <sys/resource.h>

/* Bytes from `start` to `end` of `bytes` are waiting. */
struct buffer {
    char *bytes;
    size_t start, end, capacity;
};

static inline size_t buffer_length(const struct buffer *b) { return b->end - b->start; }
static inline char *buffer_head(const struct buffer *b) { return b->bytes + b->start; }
char *buffer_room(struct buffer *b, size_t wanted); /* where `wanted` bytes may be written; then buffer_grew */
void buffer_grew(struct buffer *b, size_t by);
void buffer_add(struct buffer *b, const void *bytes, size_t count);
void buffer_text(struct buffer *b, const char *text);
void buffer_took(struct buffer *b, size_t count);
void buffer_free(struct buffer *b);

double now(void);
double seconds(struct timeval t);
void die(const char *what); /* with the text of errno */
void *must(void *memory);   /* an allocation that failed ends the program */
void raise_file_limit(void);
int listen_on_loopback(int port);
int accept_quick(int listener); /* without blocking and without Nagle's delay; -1: none waits */
void watch(int epoll, int fd, unsigned events, void *whose);

#endif
