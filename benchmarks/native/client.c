#include "client.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "options.h"

enum { READ = 16384 };

static const double REST = 0.05; /* seconds after a connection that came to nothing */

static void free_slot(struct client *c)
{
    c->step = FREE;
    c->crowd->live--;
}

static void rest(struct client *c)
{
    c->step = RESTING;
    c->active = now() + REST;
}

/* Neighbouring clients, and the same client's next connections, are different users. */
static int choose_user(struct client *c)
{
    unsigned long turn = (unsigned long)c->number + (unsigned long)c->crowd->number * 7919 + c->crowd->begun++;
    return options.user_count ? (int)(turn % options.user_count) : 0;
}

static int take_message(struct client *c)
{
    if (options.mode == IDLE)
        return 1;
    if (!run_next_message(&c->id))
        return 0;
    c->crowd->results.attempts++;
    c->pending = 1;
    return 1;
}

void client_begin(struct client *c)
{
    if (!run_goes_on() || !take_message(c)) {
        free_slot(c);
        return;
    }
    c->messages = c->greeted = 0;
    c->echoed = 0;
    c->user = choose_user(c);
    c->began = c->active = now();
    c->crowd->results.connections++;
    c->step = CONNECTING;
    if (link_open(&c->link, c->crowd->epoll, c) != IO_DONE)
        client_fail(c, NO_CONNECTION);
}

static void close_connection(struct client *c)
{
    link_close(&c->link);
    buffer_took(&c->in, buffer_length(&c->in));
}

void client_next(struct client *c)
{
    close_connection(c);
    if (options.mode == IDLE)
        free_slot(c);
    else
        client_begin(c);
}

void client_fail(struct client *c, enum fault fault)
{
    if (c->pending || options.mode == IDLE)
        c->crowd->results.faults[fault]++;
    c->pending = 0;
    if (options.mode == IDLE)
        c->crowd->finished = 1; /* the server's limit: no more are opened, what stands is reported */
    else if (!c->greeted) {
        close_connection(c);
        rest(c);
        return;
    }
    client_next(c);
}

static void ended(struct client *c)
{
    if (c->step == QUIT || c->step == CLOSING)
        client_next(c);
    else {
        c->crowd->results.idle -= c->step == IDLING;
        client_fail(c, CUT);
    }
}

static void note_handshake(struct client *c)
{
    struct results *r = &c->crowd->results;
    if (!r->handshakes++)
        snprintf(r->tls, sizeof r->tls, "%s %s", SSL_get_version(c->link.tls), SSL_get_cipher_name(c->link.tls));
}

static void begin_echo(struct client *c)
{
    char *bytes = buffer_room(&c->link.out, options.size);
    memset(bytes, 'e', options.size);
    buffer_grew(&c->link.out, options.size);
    c->greeted = 1;
    c->step = ECHOING;
}

static void secured(struct client *c)
{
    note_handshake(c);
    buffer_took(&c->in, buffer_length(&c->in)); /* nothing from before the handshake is heard after it */
    if (options.mode == ECHO)
        begin_echo(c);
    else if (options.security == IMPLICIT)
        c->step = GREETING;
    else
        dialogue_hello(c);
}

/* Whether the client may go on; otherwise its socket has to become ready, or it has failed. */
static int connect_and_secure(struct client *c)
{
    if (c->step == CONNECTING) {
        if (link_opened(&c->link) != IO_DONE) {
            client_fail(c, NO_CONNECTION);
            return 0;
        }
        c->step = GREETING;
        if (options.security == IMPLICIT) {
            link_begin_tls(&c->link, c->crowd->context);
            c->step = HANDSHAKE;
        }
    }
    if (c->step != HANDSHAKE)
        return 1;
    enum io outcome = link_shake_hands(&c->link);
    if (outcome == IO_DONE)
        secured(c);
    else if (outcome != IO_WAIT)
        client_fail(c, NO_TLS);
    return outcome == IO_DONE;
}

static int flush(struct client *c)
{
    enum io outcome = link_flush(&c->link);
    if (outcome == IO_DONE && c->step == CONTENT) {
        c->step = DOT;
        c->dot = now();
    }
    if (outcome == IO_BROKEN || outcome == IO_END)
        ended(c);
    return outcome == IO_DONE || outcome == IO_WAIT;
}

static void take_echo(struct client *c, size_t count)
{
    c->echoed += count;
    if (c->echoed < options.size || c->step != ECHOING)
        return;
    double at = now();
    results_accepted(&c->crowd->results, (struct accepted){c->id, at - c->began, at - c->began});
    c->crowd->results.last = at;
    c->pending = 0;
    c->step = CLOSING;
    link_say_goodbye(&c->link);
}

static void take_lines(struct client *c)
{
    while (buffer_length(&c->in) && c->step != HANDSHAKE) {
        char *line = buffer_head(&c->in), *end = memchr(line, '\n', buffer_length(&c->in));
        if (!end)
            return;
        *end = 0;
        if (end > line && end[-1] == '\r')
            end[-1] = 0;
        dialogue_reply(c, line);
        buffer_took(&c->in, (size_t)(end - line) + 1);
    }
}

static int read_some(struct client *c)
{
    size_t got = 0;
    enum io outcome = link_read(&c->link, buffer_room(&c->in, READ), READ, &got);
    if (outcome == IO_BROKEN || outcome == IO_END)
        ended(c);
    if (outcome != IO_DONE)
        return 0;
    if (options.mode == ECHO)
        take_echo(c, got);
    else {
        buffer_grew(&c->in, got);
        take_lines(c);
    }
    return 1;
}

/* The socket is watched by edges: it is read until it has no more. */
void client_drive(struct client *c)
{
    c->active = now();
    while (c->link.fd >= 0 && connect_and_secure(c) && flush(c) && read_some(c))
        ;
}
