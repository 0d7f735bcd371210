"""Passes on what comes, both ways: proxy.py FRONT_PORT BACK_PORT, on loopback. Frozen, it cuts the two ends off."""

import asyncio
import sys


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def connected(reader, writer):
    try:
        back = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    except OSError:
        return writer.close()
    await asyncio.gather(pump(reader, back[1]), pump(back[0], writer))


async def main():
    server = await asyncio.start_server(connected, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
