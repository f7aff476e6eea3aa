/* One connection's bytes: TCP, and TLS when it has begun. Nothing here knows SMTP. */
#ifndef BENCH_LINK_H
#define BENCH_LINK_H

#include <openssl/ssl.h>

#include "util.h"

enum io { IO_DONE, IO_WAIT, IO_BROKEN, IO_END };

struct link {
    int fd; /* -1: closed */
    SSL *tls;
    int secured; /* the handshake is done */
    struct buffer out;
    const char *rest; /* what is to be sent behind `out`; it is not ours */
    size_t rest_length;
};

SSL_CTX *link_context(void);
enum io link_open(struct link *l, int epoll, void *whose);
enum io link_opened(struct link *l); /* whether the connection came about */
void link_begin_tls(struct link *l, SSL_CTX *context);
enum io link_shake_hands(struct link *l);
enum io link_flush(struct link *l); /* IO_DONE: all is with the kernel */
enum io link_read(struct link *l, char *into, size_t room, size_t *got);
void link_say_goodbye(struct link *l); /* close_notify */
void link_close(struct link *l);

#endif
