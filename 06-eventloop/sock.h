/*
 * sock.h -- names, addresses and sockets: what net asks the kernel for
 *
 * Only net*.c use this. All sockets are non-blocking and close on exec.
 * Functions return -1 or NULL with errno set, see net_strerror.
 */
#ifndef SOCK_H
#define SOCK_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>

/* Returns true if accept, read or write, which set this errno, would only
   have blocked. */
bool sock_would_block(int error);

/*
 * Returns all stream addresses of host and port, to listen on or to connect
 * to. The caller frees the list with sock_free_addrs. A host with a '/' in it
 * is the path of a Unix-domain socket, see unix(7).
 */
struct addrinfo *sock_resolve(const char *host, const char *port,
                              bool listens);

/* Frees a list, or does nothing for NULL. */
void sock_free_addrs(struct addrinfo *list);

/* Returns an unbound socket for this address. */
int sock_open(const struct addrinfo *ai);

/*
 * Returns a listening socket on the first address of the list that this
 * machine has; any other failure is final. *call becomes the name of the call
 * that failed. Replaces a dead server's socket file, but no other file:
 * EADDRINUSE.
 */
int sock_listen(const struct addrinfo *list, const char **call);

/* Accepts a connection. EAGAIN: there is none. */
int sock_accept(int listen_fd);

/* Returns the local port, 0 if there is none, or -1: see getsockname(2). */
int sock_port(int fd);

/* Writes the peer's address to buf as text, see conn_peer. */
void sock_peer(int fd, char *buf, size_t size);

/* Returns how many bytes aren't acknowledged yet, where that can be asked,
   otherwise 0. */
int sock_unsent(int fd);

#endif
