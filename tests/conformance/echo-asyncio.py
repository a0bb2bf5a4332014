# echo-asyncio.py -- an echo server with Python's asyncio, for conformance
import asyncio
import signal
import socket
import sys

host, port, *more = sys.argv[1:] + ["localhost", "8000"][len(sys.argv) - 1:]
if more or not (port.isascii() and port.isdigit() and int(port) <= 65535):
    print("usage: echo-asyncio.py [HOST [PORT]]", file=sys.stderr)
    sys.exit(2)


async def echo(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:  # that connection's trouble
        pass
    finally:
        writer.close()


async def main():
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        server = await asyncio.start_server(echo, host, int(port),
                                            family=family, backlog=4096)
    except OSError as error:
        sys.exit(f"{host}:{port}: {error}")
    port_is = server.sockets[0].getsockname()[1]
    print(f"Server is listening on {host}:{port_is}", flush=True)
    await server.serve_forever()


signal.pthread_sigmask(signal.SIG_SETMASK, [])  # it is inherited: unblock all
signal.signal(signal.SIGINT, signal.SIG_DFL)
asyncio.run(main())
