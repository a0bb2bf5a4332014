/*
 * sock_test.c -- sock.h's promises, where net.h doesn't show them
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "hooks.h"
#include "net.h"
#include "sock.h"

#define PROMISED_IN "sock.h"

TEST(sockets, would_block,
     "Returns true if accept, read or write, which set this errno, would only "
     "have blocked.")
{
    CHECK(sock_would_block(EAGAIN) && sock_would_block(EWOULDBLOCK));
    CHECK(sock_would_block(EINTR));
    CHECK(!sock_would_block(0) && !sock_would_block(ECONNRESET));
    CHECK(!sock_would_block(EMFILE) && !sock_would_block(EPIPE));
}

/* Resolves to one address, and compares its text. */
static bool resolves(const char *host, bool listens, const char *expected)
{
    struct addrinfo *list = sock_resolve(host, "80", listens);
    char text[64] = "?";

    CHECK(list != NULL && list->ai_socktype == SOCK_STREAM);
    if (list->ai_family == AF_INET)
        inet_ntop(AF_INET,
                  &((struct sockaddr_in *)(void *)list->ai_addr)->sin_addr,
                  text, sizeof(text));
    sock_free_addrs(list);
    return strcmp(text, expected) == 0;
}

TEST(sockets, names,
     "Returns all stream addresses of host and port, to listen on or to "
     "connect to. The caller frees the list with sock_free_addrs. Frees a "
     "list, or does nothing for NULL.")
{
    CHECK(resolves("127.0.0.1", true, "127.0.0.1"));
    CHECK(resolves("127.1", false, "127.0.0.1"));
    CHECK(resolves("0.0.0.0", true, "0.0.0.0"));
    sock_free_addrs(NULL);
    hook_gai_error = EAI_NONAME;
    CHECK(sock_resolve("nosuch", "80", false) == NULL);
    CHECK(strcmp(net_strerror(errno), gai_strerror(EAI_NONAME)) == 0);
    hook_gai_error = EAI_AGAIN;
    CHECK(sock_resolve("nosuch", "80", false) == NULL);
    CHECK(strcmp(net_strerror(errno), gai_strerror(EAI_AGAIN)) == 0);
    CHECK(hook_bytes == 0 && hook_n_addrs == 0);
}

TEST(sockets, paths,
     "A host with a '/' in it is the path of a Unix-domain socket, see "
     "unix(7).")
{
    struct sockaddr_un un;
    char path[sizeof(un.sun_path) + 1];

    memset(path, 'x', sizeof(path));
    path[3] = '/';
    path[sizeof(path) - 1] = '\0';
    CHECK(sock_resolve(path, "0", true) == NULL && errno == ENAMETOOLONG);
    path[sizeof(path) - 2] = '\0';
    struct addrinfo *list = sock_resolve(path, "0", true);
    CHECK(list != NULL && list->ai_next == NULL);
    CHECK(list->ai_family == AF_UNIX && list->ai_protocol == 0);
    CHECK(list->ai_socktype == SOCK_STREAM);
    CHECK(list->ai_addrlen == sizeof(un));
    memcpy(&un, list->ai_addr, sizeof(un));
    CHECK(un.sun_family == AF_UNIX && strcmp(un.sun_path, path) == 0);
    sock_free_addrs(list);
    CHECK(hook_bytes == 0);
}

static bool has(int fd, int level, int option)
{
    int value = 0;
    socklen_t len = sizeof(value);

    CHECK(getsockopt(fd, level, option, &value, &len) == 0);
    return value != 0;
}

static bool is_ours(int fd)
{
    return fcntl(fd, F_GETFD) == FD_CLOEXEC &&
           (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

/* A TCP connection to host, from that address: ours listens and accepts. */
static void exchange(const char *host, const char *from)
{
    const char *call = NULL;
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    struct addrinfo *list = sock_resolve(host, "0", true);
    CHECK(list != NULL);
    int listener = sock_listen(list, &call);
    if (listener == -1 && errno == EADDRNOTAVAIL && *host == ':') {
        sock_free_addrs(list);
        return; /* a machine without IPv6 */
    }
    CHECK(listener != -1 && is_ours(listener));
    CHECK(has(listener, SOL_SOCKET, SO_REUSEADDR));
    CHECK(has(listener, SOL_SOCKET, SO_ACCEPTCONN));
    CHECK(sock_accept(listener) == -1 && errno == EAGAIN);
    int port = sock_port(listener);
    CHECK(port > 0);
    int client = sock_open(list);
    CHECK(client != -1 && is_ours(client));
    sock_free_addrs(list);
    CHECK(getsockname(listener, (struct sockaddr *)&addr, &len) == 0);
    CHECK(connect(client, (struct sockaddr *)&addr, len) == 0 ||
          errno == EINPROGRESS);
    int fd = -1;
    for (int i = 0; fd == -1; i++) {
        CHECK(i < 2000);
        usleep(1000);
        fd = sock_accept(listener);
    }
    CHECK(is_ours(fd));
    CHECK(sock_port(fd) == port && sock_port(client) != port);
    char peer[128];
    char expected[128];
    sock_peer(fd, peer, sizeof(peer));
    snprintf(expected, sizeof(expected), *host == ':' ? "[%s]:%d" : "%s:%d",
             from, sock_port(client));
    CHECK(strcmp(peer, expected) == 0);
    /* What isn't read is unsent, as far as its kernel has no room. */
    CHECK(sock_unsent(fd) == 0);
    static char buf[1 << 20];
    while (send(fd, buf, sizeof(buf), MSG_NOSIGNAL) > 0)
        continue;
    CHECK(sock_unsent(fd) > 0);
    close(client);
    close(fd);
    close(listener);
}

TEST(sockets, addresses,
     "Returns an unbound socket for this address. Accepts a connection. "
     "EAGAIN: there is none. Returns the local port, 0 if there is none, or "
     "-1: see getsockname(2). Writes the peer's address to buf as text, see "
     "conn_peer. Returns how many bytes aren't acknowledged yet, where that "
     "can be asked, otherwise 0. All sockets are non-blocking and close on "
     "exec.")
{
    exchange("127.0.0.1", "127.0.0.1");
    exchange("127.0.0.2", "127.0.0.1");
    exchange("::1", "::1");
    CHECK(hook_bytes == 0 && hook_n_addrs == 0);
}

TEST(sockets, bad_descriptors,
     "Functions return -1 or NULL with errno set, see net_strerror.")
{
    struct addrinfo ai = {.ai_family = 9999, .ai_socktype = SOCK_STREAM};
    char text[8] = "before";

    errno = 0;
    CHECK(sock_port(-1) == -1 && errno == EBADF);
    errno = 0;
    CHECK(sock_accept(-1) == -1 && errno == EBADF);
    errno = 0;
    CHECK(sock_open(&ai) == -1 && errno == EAFNOSUPPORT);
    sock_peer(-1, text, sizeof(text));
    CHECK(*text == '\0' && sock_unsent(-1) == 0);
    /* What can't be made non-blocking is closed again. */
    ai.ai_family = AF_INET;
    for (int i = 0; i < 2; i++) {
        int next = dup(0);
        close(next);
        hook_fcntl_fails = (struct hook_failure){1, ENOMEM};
        errno = 0;
        CHECK(sock_open(&ai) == -1 && errno == ENOMEM);
        CHECK(dup(0) == next);
    }
}
