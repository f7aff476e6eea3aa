/* The client's part of SMTP: each reply leads to the next commands. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "message.h"
#include "options.h"

static void say(struct client *c, enum step then, const char *text)
{
    buffer_text(&c->link.out, text);
    c->step = then;
}

static const char *sender(const struct client *c) { return options.users[c->user].address; }

static void say_recipient(struct client *c, int which)
{
    char command[64];
    snprintf(command, sizeof command, "RCPT TO:<r%d.%x@dest.test>\r\n", which, (unsigned)c->id & 0xfff);
    buffer_text(&c->link.out, command);
}

static void say_envelope(struct client *c)
{
    char command[512];
    c->replies = c->refusal = 0;
    snprintf(command, sizeof command, "MAIL FROM:<%s> SIZE=%zu\r\n", sender(c), options.size);
    say(c, ENVELOPE, command);
    if (!c->may_pipeline)
        return;
    for (int i = 0; i < options.recipients; i++)
        say_recipient(c, i);
    buffer_text(&c->link.out, "DATA\r\n");
}

static void refused(struct client *c, int code)
{
    c->crowd->results.refusals[code]++;
    c->pending = 0;
    say(c, QUIT, "QUIT\r\n");
}

void dialogue_hello(struct client *c)
{
    c->may_pipeline = 0;
    say(c, HELLO, "EHLO client.bench.test\r\n");
}

static void on_hello(struct client *c)
{
    if (options.security == STARTTLS && !c->link.secured)
        say(c, TLS_OFFER, "STARTTLS\r\n");
    else
        say(c, SIGN_IN, options.users[c->user].auth);
}

static void on_sign_in(struct client *c)
{
    struct results *r = &c->crowd->results;
    r->sign_ins++;
    if (options.mode == IDLE) {
        c->step = IDLING;
        r->idle++;
        r->last_idle = now();
        return;
    }
    if (options.mode == PERSIST)
        c->began = now();
    say_envelope(c);
}

/* The replies to MAIL (number 0), each RCPT and DATA, whether they were asked for at once or one by one. */
static void on_envelope(struct client *c, int code)
{
    int which = c->replies++, data = options.recipients + 1;
    int good = which == data ? code == 354 : code / 10 == 25;
    if (!good && which > 0 && which < data)
        c->crowd->results.faults[REFUSED_RECIPIENT]++;
    if (!good && !c->refusal)
        c->refusal = code;
    if (which == data && good) {
        message_queue(&c->link, c->id, sender(c));
        c->step = CONTENT;
    } else if (which == data || (c->refusal && !c->may_pipeline))
        refused(c, c->refusal);
    else if (!c->may_pipeline && which < options.recipients)
        say_recipient(c, which);
    else if (!c->may_pipeline)
        buffer_text(&c->link.out, "DATA\r\n");
}

static void note_accepted(struct client *c, double at)
{
    struct results *r = &c->crowd->results;
    results_accepted(r, (struct accepted){c->id, at - c->began, at - c->dot});
    r->last = at;
}

static void on_dot(struct client *c, int code)
{
    double at = now();
    c->pending = 0;
    if (code == 250)
        note_accepted(c, at);
    else
        c->crowd->results.refusals[code]++;
    c->messages++;
    if (options.mode == PERSIST && c->messages < options.per_connection && run_goes_on() &&
        run_next_message(&c->id)) {
        c->crowd->results.attempts++;
        c->pending = 1;
        c->began = at;
        say_envelope(c);
    } else
        say(c, QUIT, "QUIT\r\n");
}

static void on_last_line(struct client *c, int code)
{
    static const int EXPECTED[] = {[GREETING] = 220, [HELLO] = 250, [TLS_OFFER] = 220, [SIGN_IN] = 235};
    if (c->step >= GREETING && c->step <= SIGN_IN && code != EXPECTED[c->step]) {
        refused(c, code);
        return;
    }
    switch (c->step) {
    case GREETING:
        c->greeted = 1;
        dialogue_hello(c);
        break;
    case HELLO: on_hello(c); break;
    case TLS_OFFER:
        link_begin_tls(&c->link, c->crowd->context);
        c->step = HANDSHAKE;
        break;
    case SIGN_IN: on_sign_in(c); break;
    case ENVELOPE: on_envelope(c, code); break;
    case DOT: on_dot(c, code); break;
    case QUIT: c->step = CLOSING; break;
    case IDLING: c->crowd->results.refusals[code]++; break; /* nobody asked: 421 */
    default: break;
    }
}

void dialogue_reply(struct client *c, const char *line)
{
    int code = atoi(line), last = strlen(line) < 4 || line[3] != '-';
    if (c->step == HELLO && strlen(line) > 4 && !strncasecmp(line + 4, "PIPELINING", 10))
        c->may_pipeline = options.pipelining;
    if (last)
        on_last_line(c, code < 0 || code > 999 ? 0 : code);
}
