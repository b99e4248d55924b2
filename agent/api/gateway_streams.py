"""The begin of a body, looked at before it goes on as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable


async def peek(body: AsyncIterator[bytes], is_enough: Callable[[bytes], bool]) -> tuple[bytes, AsyncIterator[bytes]]:
    """As much of a body's begin as is enough, or all that there is; and all of the body."""
    head = b""
    while not is_enough(head) and (piece := await anext(body, b"")):
        head += piece

    async def whole() -> AsyncIterator[bytes]:
        if head:
            yield head
        async for piece in body:
            yield piece

    return head, whole()
