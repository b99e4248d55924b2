"""Handlers whose modules are imported when they are first called: what nobody asks for costs no time and no memory."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def lazily(name: str) -> Handler:
    """The handler `module.function` of this package."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await _load(name)(request)

    vars(handle)["name"] = name
    return handle


def find_handler(handler: Any) -> Any:
    """The function that answers, imported."""
    name = vars(handler).get("name")
    return handler if name is None else _load(name)


@functools.cache
def _load(name: str) -> Handler:
    module, _, function = name.partition(".")
    return cast("Handler", getattr(importlib.import_module(f"agent.api.{module}"), function))
