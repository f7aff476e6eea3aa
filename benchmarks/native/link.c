#define _GNU_SOURCE
#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "options.h"

enum { RECORD = 16384 };

SSL_CTX *link_context(void)
{
    SSL_CTX *context = must(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    /* A server may close without close_notify after QUIT. */
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    return context;
}

enum io link_open(struct link *l, int epoll, void *whose)
{
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    inet_pton(AF_INET, options.host, &address.sin_addr);
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        die("socket");
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(l->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        return IO_BROKEN;
    watch(epoll, l->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, whose);
    return IO_DONE;
}

/* Asked at the first event of the socket, so that it is decided. */
enum io link_opened(struct link *l)
{
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error ? IO_BROKEN : IO_DONE;
}

void link_begin_tls(struct link *l, SSL_CTX *context)
{
    l->tls = must(SSL_new(context));
    SSL_set_fd(l->tls, l->fd);
    SSL_set_connect_state(l->tls);
}

static enum io tls_outcome(SSL *tls, int result)
{
    switch (SSL_get_error(tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return IO_WAIT;
    case SSL_ERROR_ZERO_RETURN: return IO_END;
    default: ERR_clear_error(); return IO_BROKEN;
    }
}

enum io link_shake_hands(struct link *l)
{
    int result = SSL_do_handshake(l->tls);
    if (result != 1)
        return tls_outcome(l->tls, result) == IO_WAIT ? IO_WAIT : IO_BROKEN;
    l->secured = 1;
    return IO_DONE;
}

/* A large message is not copied as a whole: a record's worth at a time follows what waits already. */
static void top_up(struct link *l)
{
    size_t waiting = buffer_length(&l->out), more;
    if (!l->rest_length || waiting >= RECORD)
        return;
    more = RECORD - waiting < l->rest_length ? RECORD - waiting : l->rest_length;
    buffer_add(&l->out, l->rest, more);
    l->rest += more;
    l->rest_length -= more;
}

static enum io send_some(struct link *l, size_t *sent)
{
    size_t count = buffer_length(&l->out) < RECORD ? buffer_length(&l->out) : RECORD;
    if (l->secured) {
        int result = SSL_write_ex(l->tls, buffer_head(&l->out), count, sent);
        return result == 1 ? IO_DONE : tls_outcome(l->tls, result);
    }
    ssize_t result = send(l->fd, buffer_head(&l->out), count, MSG_NOSIGNAL);
    if (result < 0)
        return errno == EAGAIN ? IO_WAIT : IO_BROKEN;
    *sent = (size_t)result;
    return IO_DONE;
}

enum io link_flush(struct link *l)
{
    for (top_up(l); buffer_length(&l->out); top_up(l)) {
        size_t sent = 0;
        enum io outcome = send_some(l, &sent);
        if (outcome != IO_DONE)
            return outcome;
        buffer_took(&l->out, sent);
    }
    return IO_DONE;
}

enum io link_read(struct link *l, char *into, size_t room, size_t *got)
{
    if (l->secured) {
        int result = SSL_read_ex(l->tls, into, room, got);
        return result == 1 ? IO_DONE : tls_outcome(l->tls, result);
    }
    ssize_t result = recv(l->fd, into, room, 0);
    if (result < 0)
        return errno == EAGAIN ? IO_WAIT : IO_BROKEN;
    *got = (size_t)result;
    return result ? IO_DONE : IO_END;
}

void link_say_goodbye(struct link *l)
{
    SSL_shutdown(l->tls);
    ERR_clear_error();
}

void link_close(struct link *l)
{
    if (l->tls)
        SSL_free(l->tls);
    if (l->fd >= 0)
        close(l->fd);
    l->tls = NULL;
    l->fd = -1;
    l->secured = 0;
    l->rest_length = 0;
    buffer_took(&l->out, buffer_length(&l->out));
}
