# my-echo.py -- an echo server with Python's selectors, built as stage 05 is
import selectors
import signal
import socket
import sys
import time

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
selector = selectors.DefaultSelector()


def close(conn):
    selector.unregister(conn)
    conn.close()


def echo(conn, pending):
    """Reads if nothing is pending, then sends as much as the kernel takes."""
    try:
        if not pending:
            pending = conn.recv(65536)
            if not pending:  # the peer's FIN
                return close(conn)
        pending = pending[conn.send(pending):]
    except BlockingIOError:
        pass
    except OSError:  # this connection failed
        return close(conn)
    selector.modify(conn, WRITE if pending else READ, pending)


host, port, *more = sys.argv[1:] + ["localhost", "8000"][len(sys.argv) - 1:]
if more or not (port.isascii() and port.isdigit() and int(port) <= 65535):
    print("usage: my-echo.py [HOST [PORT]]", file=sys.stderr)
    sys.exit(2)
signal.pthread_sigmask(signal.SIG_SETMASK, [])  # it is inherited: unblock all
try:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    listener = socket.create_server((host, int(port)), family=family,
                                    backlog=4096)
except OSError as error:
    sys.exit(f"{host}:{port}: {error}")
listener.setblocking(False)
selector.register(listener, READ)
print(f"Server is listening on {host}:{listener.getsockname()[1]}", flush=True)

paused = False  # accept has failed: leave the listening socket out
told = -1.0  # when that was last reported
while True:
    events = selector.select(0.1 if paused else None)
    if paused:
        selector.register(listener, READ)
        paused = False
    for key, _ in events:
        if key.fileobj is not listener:
            echo(key.fileobj, key.data)
            continue
        try:
            conn, _ = listener.accept()
            conn.setblocking(False)
            selector.register(conn, READ, b"")
        except (BlockingIOError, ConnectionAbortedError):
            pass  # that client has left already
        except OSError as error:  # no descriptors, for example
            if time.monotonic() - told >= 1:
                print(error, file=sys.stderr)
                told = time.monotonic()
            selector.unregister(listener)
            paused = True
