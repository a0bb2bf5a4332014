/* peer.h -- one connection of the scripted peer, and the bytes it sends */
#ifndef PEER_H
#define PEER_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_MAX (256 * 1024) /* bytes sent or received at once */
#define ODD_MAX 65537 /* the largest of the odd sizes */

/*
 * The bytes at each place of the stream follow from the seed alone, so that
 * what comes back is compared without keeping what was sent.
 */
struct link {
    int fd; /* -1: not open */
    const struct addrinfo *ai; /* the address that it connects to */
    bool connected;
    uint64_t seed;
    uint64_t sent;
    uint64_t received;
    bool eof; /* the server's FIN has come */
    int error; /* errno of what has broken the connection, or 0 */
    bool corrupt; /* another byte came back than was sent */
    size_t piece; /* bytes to send at once; 0: odd sizes */
    bool urgent; /* what is sent is out of band */
};

/* Receive buffer to ask for, with small reads; 0: the kernel's choice. */
extern int small_buffer;

/* Starts to connect to the first address of list that can be tried. */
void link_open(struct link *l, const struct addrinfo *list);

/* To be called when fd is writable, until connected or error is set. */
void link_connect(struct link *l);

/* The error that waits on the socket, taken from it; 0: none. */
int link_error(const struct link *l);

/* Sends one chunk, at most up to place `until`. */
void link_send(struct link *l, uint64_t until);

/* Receives what is there and compares. More than was sent is corrupt. */
void link_receive(struct link *l);

void link_fin(struct link *l);

/* Closes; with reset, so that the server gets RST in place of FIN. */
void link_close(struct link *l, bool reset);

#endif
