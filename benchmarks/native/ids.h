/* A set of message ids, which are not 0. */
#ifndef BENCH_IDS_H
#define BENCH_IDS_H

#include <stddef.h>
#include <stdint.h>

struct ids {
    uint64_t *table; /* open addressing; a power of two of places, half of them empty */
    size_t places, count;
};

int ids_add(struct ids *set, uint64_t id); /* whether it is new */
void ids_clear(struct ids *set);
void ids_write(const struct ids *set, const char *path);

#endif
