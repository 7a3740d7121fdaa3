"""Listens in one network namespace and connects in the one that it is started in:

passage.py NAMESPACE ADDRESS PORT=TARGET...     a TARGET is HOST:PORT, or the path of a socket
"""

import asyncio
import ctypes
import socket
import sys

CLONE_NEWNET = 0x40000000
CHUNK = 1 << 16


def enter(path):
    with open(path) as namespace:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"{path} cannot be entered")


def listeners(namespace, address, ports):
    """A socket stays where it was made, wherever its process goes."""
    with open("/proc/self/ns/net") as own:
        enter(namespace)
        made = [socket.create_server((address, port), backlog=128) for port in ports]
        enter(f"/proc/self/fd/{own.fileno()}")
    return made


async def pass_on(reader, writer):
    try:
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


def passage(target):
    async def serve(reader, writer):
        try:
            if target.startswith("/"):
                there = await asyncio.open_unix_connection(target)
            else:
                host, port = target.rsplit(":", 1)
                there = await asyncio.open_connection(host, int(port))
        except OSError as error:
            print(f"{target}: {error}", flush=True)
            writer.close()
            return
        await asyncio.gather(pass_on(reader, there[1]), pass_on(there[0], writer))
        for end in (writer, there[1]):
            end.close()

    return serve


async def main(namespace, address, *passages):
    wanted = [word.split("=", 1) for word in passages]
    sockets = listeners(namespace, address, [int(port) for port, _ in wanted])
    for (_, target), listener in zip(wanted, sockets):
        await asyncio.start_server(passage(target), sock=listener)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
