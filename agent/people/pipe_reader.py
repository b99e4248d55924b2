"""Read a pipe to its end straight into a buffer, so that no immutable copy of what it carries is made."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
import threading


async def read_pipe(fd: int, buffer: bytearray) -> int:
    """Fill the buffer until the other side closes; give the number of bytes. Stops early once the buffer is full."""
    if sys.platform == "win32":  # its event loop cannot watch an anonymous pipe
        return await read_pipe_in_thread(fd, buffer)
    os.set_blocking(fd, False)
    filled = 0
    while filled < len(buffer):
        await _wait_readable(fd)
        count = os.readv(fd, [memoryview(buffer)[filled:]])
        if not count:
            break
        filled += count
    return filled


async def _wait_readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    readable = loop.create_future()

    def wake() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(fd, wake)
    try:
        await readable
    finally:
        loop.remove_reader(fd)


async def read_pipe_in_thread(fd: int, buffer: bytearray) -> int:
    """Do the same with blocking reads in a thread of its own; the thread ends when the other side closes."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    counts: list[int] = []

    own_fd = os.dup(fd)

    def read() -> None:
        with io.FileIO(own_fd) as pipe:
            counts.append(_fill(pipe, buffer))
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=read, name="dialog answer", daemon=True).start()
    await done.wait()
    return counts[0]


def _fill(pipe: io.FileIO, buffer: bytearray) -> int:
    filled = 0
    while filled < len(buffer) and (count := pipe.readinto(memoryview(buffer)[filled:])):
        filled += count
    return filled
