"""The bearer token that proves "a program of this user", no more: it lies in a file that only this user can read.

On Windows the file's mode is meaningless; there the access list of the user's own data folder keeps others out.
"""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from agent.access.errors import StoreError, TokenRefusedError
from agent.access.folder import secure_folder, write_private

TOKEN_FILE = "token"  # noqa: S105 - the name of a file
TOKEN_BYTES = 32
MAX_HEADER_CHARS = 256

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_SCHEME = "bearer"  # compared without case: RFC 9110 §11.1


class LocalToken:
    """The token of this run. Its text is never shown by `repr`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "LocalToken(…)"

    @classmethod
    def create(cls, folder: Path) -> LocalToken:
        """Make a new token and write it to `folder`/token; the token of an earlier run dies. Raise StoreError."""
        text = secrets.token_urlsafe(TOKEN_BYTES)
        secure_folder(folder)
        _write_token(folder, text)
        return cls(text)

    def matches(self, header: str | None) -> None:
        """Check an Authorization header `Bearer <token>` in constant time; raise TokenRefusedError."""
        scheme, _, offered = (header or "")[: MAX_HEADER_CHARS + 1].partition(" ")
        right = hmac.compare_digest(offered.encode("utf-8", "backslashreplace"), self._text.encode())
        if scheme.lower() != _SCHEME or not right:
            raise TokenRefusedError

    def is_in(self, header: str) -> bool:
        """Whether a header has the token in it, however it is written around it: nobody else is to see it."""
        return self._text in header


def remove_token(folder: Path) -> None:
    """Take the token away when the agent stops, so that a client says "not running" rather than "refused"."""
    with suppress(OSError):
        (folder / TOKEN_FILE).unlink(missing_ok=True)


def _write_token(folder: Path, text: str) -> None:
    path = folder / TOKEN_FILE
    if path.is_symlink():
        raise StoreError(f"{path} is a link: somebody wants the token elsewhere")
    write_private(path, text)
