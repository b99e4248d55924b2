"""Work that ends with what it was begun beside: the person at the desk, a card."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


async def do_unless(ends: Mapping[Coroutine[Any, Any, object], type[Exception]], work: Coroutine[Any, Any, T]) -> T:
    """Do it, unless one of the ends comes first: then its error is raised, and the work is cancelled."""
    working = asyncio.ensure_future(work)
    waiting = {asyncio.ensure_future(end): error for end, error in ends.items()}
    try:
        await asyncio.wait([*waiting, working], return_when=asyncio.FIRST_COMPLETED)
        over = next((error for end, error in waiting.items() if end.done()), None)
        if over is not None:
            raise over
        return working.result()
    finally:
        for task in (*waiting, working):
            task.cancel()
        await asyncio.gather(*waiting, working, return_exceptions=True)
