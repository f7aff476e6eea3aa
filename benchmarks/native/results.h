/* What a run brought, and its report. */
#ifndef BENCH_RESULTS_H
#define BENCH_RESULTS_H

#include <stddef.h>
#include <stdint.h>

enum fault { NO_CONNECTION, NO_TLS, CUT, TIMED_OUT, REFUSED_RECIPIENT, FAULTS };

struct accepted {
    uint64_t id;
    double whole; /* seconds from the beginning to the 250 */
    double dot;   /* seconds from the last octet to the 250 */
};

struct results {
    struct accepted *messages;
    size_t count, capacity;
    long attempts, connections, handshakes, sign_ins, faults[FAULTS], refusals[1000];
    double last, last_idle; /* when the last message was accepted, the last connection was idle */
    int idle;
    char tls[64]; /* version and cipher of the first handshake */
};

void results_accepted(struct results *r, struct accepted message);
void results_add(struct results *whole, const struct results *part);
void results_report(struct results *r, double began); /* one JSON object on standard output */
void results_write_ids(const struct results *r, const char *path);

#endif
