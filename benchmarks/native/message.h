/* The messages that are sent: a header of their own, and the end of one body that all of them share. */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include <stdint.h>

#include "link.h"

void message_make_body(void); /* once, when the options are known */
void message_queue(struct link *l, uint64_t id, const char *sender);

#endif
