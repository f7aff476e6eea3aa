/* A load generator for submission servers: epoll and OpenSSL, one loop a thread.
 *
 * fresh    each message has a connection: connect, full TLS handshake, EHLO, AUTH, the message, QUIT, the server's
 *          close
 * persist  a connection has many messages
 * idle     connections that are signed in and say nothing: READY on standard error when all are there
 * echo     against floor.c: connect, full TLS handshake, some octets there and back, close
 *
 * txn_ms is from before connect() (fresh, echo) or MAIL (persist) to the 250, dot_ms from the last octet of the
 * message to the 250. A handshake is never a resumed one. The report is one JSON object on standard output.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "client.h"
#include "message.h"
#include "options.h"

enum { EVENTS = 256 };

static const double SWEEP = 0.02; /* seconds between two looks at who waits for too long */
static const double GRACE = 2;    /* seconds for the server's close after QUIT */

static double began;
static atomic_long messages_begun;
static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

int run_goes_on(void)
{
    return !interrupted && (options.mode == IDLE || options.duration <= 0 || now() < began + options.duration);
}

int run_next_message(uint64_t *id)
{
    long number = atomic_fetch_add(&messages_begun, 1);
    *id = (uint64_t)options.run_id << 32 | (uint32_t)number;
    return options.total <= 0 || number < options.total;
}

static void look_after(struct client *c, double at)
{
    if (c->step == RESTING && c->active <= at)
        client_begin(c);
    else if (c->step == CLOSING && at - c->active > GRACE)
        client_next(c);
    else if (c->step > RESTING && c->step != IDLING && at - c->active > options.timeout)
        client_fail(c, TIMED_OUT);
}

static void sweep(struct crowd *crowd, double *last)
{
    double at = now();
    if (at - *last < SWEEP)
        return;
    *last = at;
    for (int i = 0; i < crowd->count; i++)
        look_after(&crowd->clients[i], at);
}

static void serve(struct crowd *crowd, int patience)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(crowd->epoll, events, EVENTS, patience);
    if (count < 0 && errno != EINTR)
        die("epoll_wait");
    for (int i = 0; i < count; i++)
        client_drive(events[i].data.ptr);
}

static void start(struct crowd *crowd, int number)
{
    crowd->live++;
    client_begin(&crowd->clients[number]);
}

static void send_messages(struct crowd *crowd)
{
    double swept = now();
    for (int i = 0; i < crowd->count; i++)
        start(crowd, i);
    while (crowd->live) {
        serve(crowd, 20);
        sweep(crowd, &swept);
    }
}

/* So many at once are on their way to become idle. */
static void open_more(struct crowd *crowd)
{
    while (!crowd->finished && crowd->next_idle < crowd->count && run_goes_on() &&
           crowd->live - crowd->results.idle < options.concurrency)
        start(crowd, crowd->next_idle++);
}

static void hold_idle(struct crowd *crowd)
{
    double swept = now(), until;
    for (open_more(crowd); crowd->live > crowd->results.idle; open_more(crowd)) {
        serve(crowd, 20);
        sweep(crowd, &swept);
    }
    fprintf(stderr, "READY %d\n", crowd->results.idle);
    for (until = now() + options.hold; now() < until && !interrupted;)
        serve(crowd, 100);
}

static void *work(void *argument)
{
    struct crowd *crowd = argument;
    if (options.mode == IDLE)
        hold_idle(crowd);
    else
        send_messages(crowd);
    return NULL;
}

static void prepare(struct crowd *crowd, int number)
{
    int slots = options.mode == IDLE ? options.idle : options.concurrency;
    crowd->number = number;
    crowd->count = slots / options.threads + (number < slots % options.threads);
    crowd->clients = must(calloc((size_t)crowd->count, sizeof *crowd->clients));
    crowd->context = link_context();
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < crowd->count; i++) {
        crowd->clients[i].crowd = crowd;
        crowd->clients[i].link.fd = -1;
        crowd->clients[i].number = i;
    }
}

static void run(struct crowd *crowds)
{
    pthread_t *threads = must(calloc((size_t)options.threads, sizeof *threads));
    for (int i = 1; i < options.threads; i++)
        if (pthread_create(&threads[i], NULL, work, &crowds[i]))
            die("pthread_create");
    work(&crowds[0]);
    for (int i = 1; i < options.threads; i++)
        pthread_join(threads[i], NULL);
    free(threads);
}

int main(int argc, char **argv)
{
    struct results whole = {0};
    read_options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, interrupt);
    signal(SIGINT, interrupt);
    raise_file_limit();
    message_make_body();
    struct crowd *crowds = must(calloc((size_t)options.threads, sizeof *crowds));
    for (int i = 0; i < options.threads; i++)
        prepare(&crowds[i], i);
    began = now();
    run(crowds);
    for (int i = 0; i < options.threads; i++)
        results_add(&whole, &crowds[i].results);
    if (options.id_log)
        results_write_ids(&whole, options.id_log);
    results_report(&whole, began);
    return 0;
}
