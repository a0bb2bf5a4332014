# echo-threads.py -- an echo server with a thread for each connection, for
# conformance: it blocks in accept, and waits for no readiness
import signal
import socket
import sys
import threading
import time

host, port, *more = sys.argv[1:] + ["localhost", "8000"][len(sys.argv) - 1:]
if more or not (port.isascii() and port.isdigit() and int(port) <= 65535):
    print("usage: echo-threads.py [HOST [PORT]]", file=sys.stderr)
    sys.exit(2)


def echo(conn):
    with conn:
        try:
            while data := conn.recv(65536):
                conn.sendall(data)
        except OSError:  # that connection's trouble
            pass


signal.pthread_sigmask(signal.SIG_SETMASK, [])  # it is inherited: unblock all
signal.signal(signal.SIGINT, signal.SIG_DFL)
threading.stack_size(131072)
try:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    listener = socket.create_server((host, int(port)), family=family,
                                    backlog=4096)
except OSError as error:
    sys.exit(f"{host}:{port}: {error}")
print(f"Server is listening on {host}:{listener.getsockname()[1]}", flush=True)
told = -1.0  # when a failed accept was last logged
while True:
    try:
        conn, _ = listener.accept()
    except ConnectionAbortedError:
        continue
    except OSError as error:  # no descriptors, for example
        if time.monotonic() - told >= 1:
            print(error, file=sys.stderr)
            told = time.monotonic()
        time.sleep(0.1)
        continue
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=echo, args=(conn,), daemon=True).start()
