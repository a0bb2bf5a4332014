"""asyncio -- Python's event loop, with a Protocol: its faster interface"""
import asyncio


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    print(f"Server is listening on 127.0.0.1:{port}", flush=True)
    await server.serve_forever()


asyncio.run(main())
