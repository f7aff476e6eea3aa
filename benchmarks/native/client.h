/* A client: one slot of the generator, which makes one connection after another. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "link.h"
#include "results.h"

enum step {
    FREE, /* nothing, and nothing will come */
    RESTING, /* a moment, as the server did not even greet */
    CONNECTING,
    HANDSHAKE,
    GREETING,
    HELLO,
    TLS_OFFER,
    SIGN_IN,
    ENVELOPE,
    CONTENT, /* the message is on its way out */
    DOT,     /* the reply to it is awaited */
    QUIT,
    CLOSING, /* the server's close is awaited */
    IDLING,
    ECHOING,
};

struct crowd;

struct client {
    struct crowd *crowd;
    struct link link;
    enum step step;
    int number, user, greeted, may_pipeline, messages, replies, refusal, pending;
    size_t echoed;
    uint64_t id;
    double began, dot, active; /* the transaction, its last octet, the last event */
    struct buffer in;
};

/* The clients of one thread. */
struct crowd {
    struct client *clients;
    int count, number, epoll, live, next_idle, finished;
    unsigned long begun;
    SSL_CTX *context;
    struct results results;
};

/* What the run as a whole says (loadgen.c). */
int run_goes_on(void);
int run_next_message(uint64_t *id);

void client_begin(struct client *c);
void client_drive(struct client *c); /* as far as its socket lets it */
void client_fail(struct client *c, enum fault fault);
void client_next(struct client *c); /* the connection is over: the next one, if there is to be one */

/* dialogue.c: what a reply leads to. The line has no CRLF. */
void dialogue_reply(struct client *c, const char *line);
void dialogue_hello(struct client *c);

#endif
