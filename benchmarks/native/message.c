#include "message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

enum { LINE = 78 };
static const char END[] = ".\r\n";
static char *body;
static size_t lines;

static void fill_line(char *line, uint32_t *random)
{
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < LINE - 2; i++) {
        *random = *random * 1103515245u + 12345u;
        line[i] = LETTERS[*random >> 16 & 63];
    }
    memcpy(line + LINE - 2, "\r\n", 2);
}

void message_make_body(void)
{
    uint32_t random = 12345;
    lines = options.size / LINE + 1;
    body = must(malloc(lines * LINE + sizeof END));
    for (size_t i = 0; i < lines; i++)
        fill_line(body + i * LINE, &random);
    memcpy(body + lines * LINE, END, sizeof END);
}

/* As many of the last lines as bring the message to its size, but one at least. */
static size_t lines_beside(size_t header)
{
    size_t wanted = options.size > header ? (options.size - header) / LINE : 0;
    return wanted < 1 ? 1 : wanted < lines ? wanted : lines;
}

void message_queue(struct link *l, uint64_t id, const char *sender)
{
    char header[1024];
    unsigned long long number = id;
    int length = snprintf(header, sizeof header,
                          "X-Bench-Id: %016llx\r\nFrom: <%s>\r\nTo: <r0.%x@dest.test>\r\n"
                          "Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <%016llx@client.bench.test>\r\n"
                          "Subject: bench message\r\nMIME-Version: 1.0\r\n"
                          "Content-Type: text/plain; charset=us-ascii\r\n\r\n",
                          number, sender, (unsigned)id & 0xfff, number);
    size_t used = lines_beside((size_t)length);
    buffer_add(&l->out, header, (size_t)length);
    l->rest = body + (lines - used) * LINE;
    l->rest_length = used * LINE + sizeof END - 1;
}
