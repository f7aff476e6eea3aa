/* The floor of a new connection: what no server can do without. One process, one epoll loop.
 *
 * It accepts, makes a full TLS 1.3 handshake, sends back what it gets, and answers close_notify with close_notify.
 * Sockets, handshake and records are those of a real server in the same OpenSSL; SMTP, a password, a message and a
 * disk are not there. As many session tickets are given as SAMS gives: one.
 */
#include <getopt.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "util.h"

enum { EVENTS = 256, RECORD = 16384 };

struct peer {
    int fd;
    SSL *tls;
    struct buffer out;
};

static int epoll;
static volatile sig_atomic_t over;

static void stop(int number)
{
    (void)number;
    over = 1;
}

static SSL_CTX *make_context(const char *certificate, const char *key, size_t tickets)
{
    SSL_CTX *context = must(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_num_tickets(context, tickets);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(2);
    }
    return context;
}

static void welcome(int listener, SSL_CTX *context)
{
    int fd;
    while ((fd = accept_quick(listener)) >= 0) {
        struct peer *p = must(calloc(1, sizeof *p));
        p->fd = fd;
        p->tls = must(SSL_new(context));
        SSL_set_fd(p->tls, fd);
        SSL_set_accept_state(p->tls);
        watch(epoll, fd, EPOLLIN | EPOLLOUT | EPOLLET, p);
    }
}

static void drop(struct peer *p)
{
    SSL_free(p->tls);
    close(p->fd);
    buffer_free(&p->out);
    free(p);
}

/* Whether the connection goes on. */
static int goes_on(const struct peer *p, int result)
{
    int why = SSL_get_error(p->tls, result);
    if (why == SSL_ERROR_ZERO_RETURN)
        SSL_shutdown(p->tls);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

static int send_back(struct peer *p)
{
    while (buffer_length(&p->out)) {
        size_t sent = 0;
        int result = SSL_write_ex(p->tls, buffer_head(&p->out), buffer_length(&p->out), &sent);
        if (result != 1)
            return goes_on(p, result);
        buffer_took(&p->out, sent);
    }
    return 1;
}

/* The handshake is a part of the first read. */
static void serve(struct peer *p)
{
    int more = send_back(p);
    while (more) {
        size_t got = 0;
        int result = SSL_read_ex(p->tls, buffer_room(&p->out, RECORD), RECORD, &got);
        if (result != 1) {
            more = goes_on(p, result);
            break;
        }
        buffer_grew(&p->out, got);
        more = send_back(p);
    }
    if (!more)
        drop(p);
}

static void usage(void)
{
    fputs("floor --port PORT --certificate FILE --key FILE [--tickets N]\n", stderr);
    exit(2);
}

static void loop(int listener, SSL_CTX *context)
{
    struct epoll_event events[EVENTS];
    while (!over) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr)
                serve(events[i].data.ptr);
            else
                welcome(listener, context);
    }
}

int main(int argc, char **argv)
{
    static const struct option LONG[] = {
        {"port", 1, 0, 'p'}, {"certificate", 1, 0, 'c'}, {"key", 1, 0, 'k'}, {"tickets", 1, 0, 't'}, {0, 0, 0, 0}};
    const char *certificate = NULL, *key = NULL;
    int option, port = 0, tickets = 1;
    while ((option = getopt_long(argc, argv, "", LONG, NULL)) != -1)
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'c': certificate = optarg; break;
        case 'k': key = optarg; break;
        case 't': tickets = atoi(optarg); break;
        default: usage();
        }
    if (!port || !certificate || !key || tickets < 0)
        usage();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    raise_file_limit();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_on_loopback(port);
    watch(epoll, listener, EPOLLIN, NULL);
    loop(listener, make_context(certificate, key, (size_t)tickets));
    return 0;
}
