#define _GNU_SOURCE
#include "conversation.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST_LINE = 4096 };
static const char END[] = "\r\n.\r\n";
static const char OK[] = "250 2.0.0 Ok\r\n";

void conversation_greet(struct conversation *c) { buffer_text(&c->out, "220 sink.bench.test ESMTP\r\n"); }

void conversation_end(struct conversation *c)
{
    buffer_free(&c->line);
    buffer_free(&c->out);
}

static uint64_t message_id(const struct conversation *c)
{
    static const char NAME[] = "X-Bench-Id: ";
    const size_t name = sizeof NAME - 1, digits = 16;
    char number[17] = {0};
    const char *found = memmem(c->header, c->header_length, NAME, name);
    if (!found || found + name + digits > c->header + c->header_length)
        return 0;
    memcpy(number, found + name, digits);
    return strtoull(number, NULL, 16);
}

static void count_message(const struct conversation *c, struct counts *counts)
{
    uint64_t id = message_id(c);
    counts->last = now();
    if (!counts->messages++)
        counts->first = counts->last;
    counts->recipients += c->recipients;
    counts->octets += c->octets;
    if (!id)
        counts->without_id++;
    else if (ids_add(&counts->ids, id))
        counts->unique++;
    else
        counts->duplicates++;
}

static void begin_transaction(struct conversation *c)
{
    c->recipients = 0;
    c->header_length = 0;
    c->octets = 0;
}

static void end_message(struct conversation *c, struct counts *counts)
{
    count_message(c, counts);
    begin_transaction(c);
    c->phase = COMMANDS;
    buffer_text(&c->out, OK);
}

static void end_chunk(struct conversation *c, struct counts *counts)
{
    if (c->last_chunk) {
        end_message(c, counts);
        return;
    }
    c->phase = COMMANDS;
    buffer_text(&c->out, OK);
}

static void on_mail(struct conversation *c)
{
    begin_transaction(c);
    buffer_text(&c->out, OK);
}

static void on_rcpt(struct conversation *c)
{
    c->recipients++;
    buffer_text(&c->out, OK);
}

static void on_data(struct conversation *c)
{
    if (!c->recipients) {
        buffer_text(&c->out, "503 5.5.1 RCPT first\r\n");
        return;
    }
    c->phase = DATA;
    c->matched = 2; /* a dot right away ends an empty message */
    buffer_text(&c->out, "354 go on\r\n");
}

static void on_chunk(struct conversation *c, struct counts *counts, const char *line)
{
    c->chunk_left = strtoull(line + 5, NULL, 10);
    c->last_chunk = strcasestr(line, " LAST") != NULL;
    c->phase = BDAT;
    if (!c->chunk_left)
        end_chunk(c, counts);
}

static int is(const char *line, const char *verb) { return !strncasecmp(line, verb, strlen(verb)); }

static void command(struct conversation *c, struct counts *counts, const char *line)
{
    if (is(line, "MAIL "))
        on_mail(c);
    else if (is(line, "RCPT "))
        on_rcpt(c);
    else if (is(line, "DATA"))
        on_data(c);
    else if (is(line, "BDAT "))
        on_chunk(c, counts, line);
    else if (is(line, "EHLO"))
        buffer_text(&c->out, "250-sink.bench.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n"
                             "250-SMTPUTF8\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250 CHUNKING\r\n");
    else if (is(line, "QUIT")) {
        buffer_text(&c->out, "221 2.0.0 Bye\r\n");
        c->over = 1;
    } else
        buffer_text(&c->out, is(line, "HELO") || is(line, "NOOP") || is(line, "RSET") ? OK : "502 5.5.2 ?\r\n");
}

/* Each of these takes what is its own from the front of the bytes, and says how much that was. */

static size_t take_line(struct conversation *c, struct counts *counts, const char *bytes, size_t count)
{
    const char *end = memchr(bytes, '\n', count);
    size_t taken = end ? (size_t)(end - bytes) + 1 : count;
    if (buffer_length(&c->line) + taken < LONGEST_LINE)
        buffer_add(&c->line, bytes, taken);
    if (end) {
        buffer_add(&c->line, "", 1);
        command(c, counts, buffer_head(&c->line));
        buffer_took(&c->line, buffer_length(&c->line));
    }
    return taken;
}

static void keep_header(struct conversation *c, const char *bytes, size_t count)
{
    size_t room = HEADER - c->header_length, kept = count < room ? count : room;
    memcpy(c->header + c->header_length, bytes, kept);
    c->header_length += kept;
    c->octets += count;
}

static size_t take_chunk(struct conversation *c, struct counts *counts, const char *bytes, size_t count)
{
    size_t taken = count < c->chunk_left ? count : (size_t)c->chunk_left;
    keep_header(c, bytes, taken);
    c->chunk_left -= taken;
    if (!c->chunk_left)
        end_chunk(c, counts);
    return taken;
}

/* Octets up to and with CRLF.CRLF; `matched` of them were seen before. Only a CR can begin the end. */
static size_t find_end(const char *bytes, size_t count, int *matched)
{
    size_t i = 0;
    while (i < count && *matched < (int)sizeof END - 1) {
        if (!*matched) {
            const char *found = memchr(bytes + i, '\r', count - i);
            if (!found)
                return count;
            i = (size_t)(found - bytes);
        }
        char octet = bytes[i++];
        *matched = octet == END[*matched] ? *matched + 1 : octet == '\r';
    }
    return i;
}

static size_t take_data(struct conversation *c, struct counts *counts, const char *bytes, size_t count)
{
    size_t taken = find_end(bytes, count, &c->matched);
    keep_header(c, bytes, taken);
    if (c->matched == (int)sizeof END - 1)
        end_message(c, counts);
    return taken;
}

void conversation_take(struct conversation *c, struct counts *counts, const char *bytes, size_t count)
{
    static size_t (*const TAKE[])(struct conversation *, struct counts *, const char *, size_t) = {
        [COMMANDS] = take_line, [DATA] = take_data, [BDAT] = take_chunk};
    while (count && !c->over) {
        size_t taken = TAKE[c->phase](c, counts, bytes, count);
        bytes += taken;
        count -= taken;
    }
}
