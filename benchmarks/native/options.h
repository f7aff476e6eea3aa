/* What the load generator was asked to do. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

enum mode { FRESH, PERSIST, IDLE, ECHO };
enum security { CLEAR, STARTTLS, IMPLICIT };

struct user {
    char *address;
    char *auth; /* the whole AUTH command */
};

struct options {
    const char *host, *id_log;
    int port, concurrency, recipients, pipelining, threads, per_connection, idle;
    enum mode mode;
    enum security security;
    long total;                      /* messages; 0: as many as fit into `duration` */
    double duration, hold, timeout;  /* seconds */
    size_t size;                     /* octets of a message, about */
    uint32_t run_id;                 /* the upper half of each message's id */
    struct user *users;
    size_t user_count;
};

extern struct options options;

void read_options(int argc, char **argv); /* ends the program where they make no sense */
const char *mode_name(enum mode mode);
const char *security_name(enum security security);

#endif
