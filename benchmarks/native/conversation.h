/* The sink's side of SMTP: it takes everything, and counts it. */
#ifndef BENCH_CONVERSATION_H
#define BENCH_CONVERSATION_H

#include <stdint.h>

#include "ids.h"
#include "util.h"

/* What came. unique: messages by their X-Bench-Id. first, last: when (CLOCK_MONOTONIC). */
struct counts {
    uint64_t messages, unique, duplicates, without_id, recipients, octets, connections;
    double first, last;
    struct ids ids;
};

enum phase { COMMANDS, DATA, BDAT };
enum { HEADER = 4096 };

struct conversation {
    enum phase phase;
    int matched, last_chunk, over; /* octets of CRLF.CRLF so far; BDAT … LAST; QUIT */
    uint64_t chunk_left, octets;
    unsigned recipients;
    size_t header_length;
    char header[HEADER]; /* the message's first octets, where its id is */
    struct buffer line, out;
};

void conversation_greet(struct conversation *c);
void conversation_take(struct conversation *c, struct counts *counts, const char *bytes, size_t count);
void conversation_end(struct conversation *c);

#endif
