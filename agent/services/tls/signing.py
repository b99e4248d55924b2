"""What goes on between OpenSSL and the key in one handshake: both run in the same thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from agent.services.tls.errors import KeyFaultError, NotResumedError
from agent.services.tls.key import Sign
from drivers.base import Digest


@dataclass(slots=True)
class Watch:
    """One handshake. `may_sign` False: a session is resumed, which must not cost a signature.

    `judge` raises for a server that must not see our certificate. `agreed`: version and suite were agreed upon;
    `asked`: the server wants a certificate, and there is one. `failure`: what the key or the judge has raised, for
    which OpenSSL has no place.
    """

    may_sign: bool = True
    judge: Callable[[], None] | None = None
    agreed: bool = False
    asked: bool = False
    signatures: int = 0
    failure: BaseException | None = None

    def judge_server(self) -> None:
        """Have it judged, once. Raises what that raises."""
        judge, self.judge = self.judge, None
        if judge is not None:
            judge()

    def note_asked(self) -> bool:
        """The server has proved its name and wants a certificate: whether it gets one. Raises nothing."""
        self.asked = True
        try:
            self.judge_server()
        except BaseException as error:  # noqa: BLE001 - C is the caller, as for signatures
            self.failure = error
        return self.failure is None


_watched = threading.local()


@contextmanager
def watching(*, may_sign: bool = True, judge: Callable[[], None] | None = None) -> Iterator[Watch]:
    """Watch what OpenSSL does in this thread until the block ends."""
    _watched.watch = watch = Watch(may_sign, judge)
    try:
        yield watch
    finally:
        del _watched.watch


def current_watch() -> Watch:
    """That of this thread, or one that nobody looks at."""
    return getattr(_watched, "watch", None) or Watch()


def sign_now(sign: Sign, digest: Digest, length: int) -> bytes | None:
    """Have the key sign, `length` bytes; None when it does not, and the watch knows why. Raises nothing."""
    watch = current_watch()
    try:
        return _sign(sign, digest, length, watch)
    except BaseException as error:  # noqa: BLE001 - C is the caller: the watch hands it to whoever waits
        watch.failure = error
        return None


def _sign(sign: Sign, digest: Digest, length: int, watch: Watch) -> bytes:
    if not watch.may_sign:
        raise NotResumedError("the server does not resume the session")
    signature = sign(digest)
    watch.signatures += 1
    if len(signature) != length:
        raise KeyFaultError(f"a signature of {len(signature)} bytes by a key of {length}")
    return signature
