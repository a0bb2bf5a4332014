import signal, socket, sys, threading, time
host, port, *more = sys.argv[1:] + ["localhost", "8000"][len(sys.argv) - 1:]
if more or not (port.isascii() and port.isdigit() and int(port) <= 65535):
    print("usage: threads.py [HOST [PORT]]", file=sys.stderr)
    sys.exit(2)
signal.pthread_sigmask(signal.SIG_SETMASK, [])
signal.signal(signal.SIGINT, signal.SIG_DFL)
threading.stack_size(131072)
def echo(conn):
    with conn:
        try:
            while data := conn.recv(65536):
                conn.sendall(data)
        except OSError:
            pass
try:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    listener = socket.create_server((host, int(port)), family=family, backlog=4096)
except OSError as error:
    sys.exit(f"{host}:{port}: {error}")
print(f"Server is listening on {host}:{listener.getsockname()[1]}", flush=True)
told = -1.0
while True:
    try:
        conn, _ = listener.accept()
    except ConnectionAbortedError:
        continue
    except OSError as error:
        if time.monotonic() - told >= 1:
            print(error, file=sys.stderr)
            told = time.monotonic()
        time.sleep(0.1)
        continue
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=echo, args=(conn,), daemon=True).start()
