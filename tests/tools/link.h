/* link.h -- one non-blocking connection whose bytes are checked */
#ifndef LINK_H
#define LINK_H

#include "common.h"

#define CHUNK_MAX (256 * 1024) /* bytes sent or received at once */

struct link {
    int fd; /* -1: not open */
    const struct addrinfo *ai; /* the address that it connects to */
    bool connected;
    uint64_t key; /* of the stream that is sent and received */
    uint64_t sent;
    uint64_t received;
    bool eof; /* the FIN of the other side has come */
    int error; /* errno if the connection has failed, or 0 */
    bool corrupt; /* a byte came that isn't the stream's */
};

/* Receive buffer to ask for; 0: the kernel's choice. */
extern int receive_buffer;

/* Starts to connect to the first address of list that can be tried. */
void link_open(struct link *l, const struct addrinfo *list);

/* Call it when fd is writable, until connected or error is set. */
void link_connect(struct link *l);

/* Waits for one of poll's events. Returns false, with error set to ETIMEDOUT,
   if it hasn't come by the deadline. */
bool link_wait(struct link *l, short events, int64_t deadline_us);

/* Connects and waits for it. Sets error if no address of list answers. */
void link_open_now(struct link *l, const struct addrinfo *list,
                   int64_t deadline_us);

/* Makes the kernel send every small piece and every ACK at once. */
void link_hurry(const struct link *l);

/* Returns the socket's pending error and clears it, or 0 if there's none. */
int link_error(const struct link *l);

/* Sends the next n bytes, as many as the kernel takes; flags are send's. */
void link_send(struct link *l, uint64_t n, int flags);

/* Receives at most n bytes and compares them with the stream. */
void link_receive(struct link *l, size_t n);

void link_fin(const struct link *l);

/* Closes; with reset, so that the other side gets RST in place of FIN. */
void link_close(struct link *l, bool reset);

#endif
