#include "results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "util.h"

void results_accepted(struct results *r, struct accepted message)
{
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 4096;
        r->messages = must(realloc(r->messages, r->capacity * sizeof *r->messages));
    }
    r->messages[r->count++] = message;
}

static double later(double a, double b) { return a > b ? a : b; }

void results_add(struct results *whole, const struct results *part)
{
    for (size_t i = 0; i < part->count; i++)
        results_accepted(whole, part->messages[i]);
    for (int i = 0; i < FAULTS; i++)
        whole->faults[i] += part->faults[i];
    for (int i = 0; i < 1000; i++)
        whole->refusals[i] += part->refusals[i];
    whole->attempts += part->attempts;
    whole->connections += part->connections;
    whole->handshakes += part->handshakes;
    whole->sign_ins += part->sign_ins;
    whole->idle += part->idle;
    whole->last = later(whole->last, part->last);
    whole->last_idle = later(whole->last_idle, part->last_idle);
    if (!whole->tls[0])
        memcpy(whole->tls, part->tls, sizeof whole->tls);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report_latency(const char *name, double *values, size_t count)
{
    static const struct {
        const char *name;
        double part;
    } QUANTILES[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}, {"max", 1}};
    qsort(values, count, sizeof *values, ascending);
    printf(",\"%s_ms\":{", name);
    for (size_t i = 0; i < sizeof QUANTILES / sizeof *QUANTILES; i++) {
        double value = count ? values[(size_t)((double)(count - 1) * QUANTILES[i].part)] : 0;
        printf("%s\"%s\":%.3f", i ? "," : "", QUANTILES[i].name, value * 1e3);
    }
    printf("}");
}

static void report_latencies(const struct results *r)
{
    double *values = must(malloc((r->count + 1) * sizeof *values));
    for (size_t i = 0; i < r->count; i++)
        values[i] = r->messages[i].whole;
    report_latency("txn", values, r->count);
    for (size_t i = 0; i < r->count; i++)
        values[i] = r->messages[i].dot;
    report_latency("dot", values, r->count);
    free(values);
}

static void report_failures(const struct results *r)
{
    static const char *const NAMES[] = {"connect", "tls", "eof", "timeout", "rcpt_rejected"};
    const char *comma = "";
    printf(",\"failures\":{");
    for (int code = 0; code < 1000; code++)
        if (r->refusals[code]) {
            printf("%s\"%03d\":%ld", comma, code, r->refusals[code]);
            comma = ",";
        }
    for (int i = 0; i < FAULTS; i++)
        if (r->faults[i]) {
            printf("%s\"%s\":%ld", comma, NAMES[i], r->faults[i]);
            comma = ",";
        }
    printf("}");
}

static void report_what_was_asked(void)
{
    printf("{\"mode\":\"%s\",\"tls_mode\":\"%s\",\"port\":%d,\"concurrency\":%d,\"size\":%zu,\"rcpts\":%d",
           mode_name(options.mode), security_name(options.security), options.port, options.concurrency,
           options.size, options.recipients);
    printf(",\"pipelining\":%d,\"per_conn\":%d", options.pipelining,
           options.mode == PERSIST ? options.per_connection : 1);
}

void results_report(struct results *r, double began)
{
    struct rusage use;
    double wall = later(r->last ? r->last - began : now() - began, 1e-9);
    getrusage(RUSAGE_SELF, &use);
    report_what_was_asked();
    printf(",\"accepted\":%zu,\"attempts\":%ld,\"wall_s\":%.4f,\"msg_per_s\":%.2f", r->count, r->attempts, wall,
           (double)r->count / wall);
    printf(",\"connections\":%ld,\"handshakes\":%ld,\"auth_ok\":%ld,\"tls\":\"%s\"", r->connections, r->handshakes,
           r->sign_ins, r->tls);
    report_failures(r);
    report_latencies(r);
    if (options.mode == IDLE)
        printf(",\"idle_wanted\":%d,\"idle_alive_at_end\":%d,\"idle_setup_s\":%.3f", options.idle, r->idle,
               later(r->last_idle - began, 0));
    printf(",\"client_cpu_user_s\":%.3f,\"client_cpu_sys_s\":%.3f}\n", seconds(use.ru_utime),
           seconds(use.ru_stime));
}

void results_write_ids(const struct results *r, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        die(path);
    for (size_t i = 0; i < r->count; i++)
        fprintf(file, "%016llx\n", (unsigned long long)r->messages[i].id);
    if (fclose(file))
        die(path);
}
