/*
 * sock.h -- names, addresses and sockets: what net asks the kernel for
 *
 * Only net.c and net_server.c use this. All sockets are non-blocking and close
 * on exec. Functions return -1 or NULL with errno set, see net_strerror.
 */
#ifndef SOCK_H
#define SOCK_H

#include <netdb.h>
#include <stdbool.h>

/* True if accept, read or write, which gave this errno, only had nothing to
   do yet. */
bool sock_is_passing(int error);

/*
 * All stream addresses of host and port, to be freed with sock_free_addrs. A
 * host with a '/' in it is the path of a Unix-domain socket, see unix(7).
 */
struct addrinfo *sock_resolve(const char *host, const char *port);

/* NULL is allowed. */
void sock_free_addrs(struct addrinfo *list);

/* An unbound socket for this address. */
int sock_open(const struct addrinfo *ai);

/* A listening socket on the first address of the list that works. Replaces
   a dead server's socket file, but no other file: EADDRINUSE. */
int sock_listen(const struct addrinfo *list);

/* accept(2): EAGAIN if nobody waits. */
int sock_accept(int listen_fd);

/* The local port; 0 if it has none, -1: see getsockname(2). */
int sock_port(int fd);

/* Removes the file of a Unix-domain socket; no effect on others. */
void sock_unlink(int listen_fd);

#endif
