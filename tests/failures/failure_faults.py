"""What can happen at an exchange, and the errors in which it may end: the rows of the failure matrix."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from failure_cards import LIMIT, Moment, RamCard

from drivers import errors
from drivers.errors import (
    CardBusyError,
    CardError,
    CardMuteError,
    CardRemovedError,
    CardUnknownError,
    CardUpdateUnfinishedError,
    DriverError,
    PinBlockedError,
    ReaderRemovedError,
    ServiceStoppedError,
)

SEED = 20_260

Errors = frozenset[type[DriverError]]
UNCERTAIN: Errors = frozenset(filter(None, [getattr(errors, "PinUncertainError", None)]))
"""Besides, where the card was to set a code: test_failures_codes says when exactly."""
STRANGE: Errors = frozenset({CardError, CardUnknownError, CardUpdateUnfinishedError})
"""What nonsense may end in: the card's layer, never another one."""


@dataclass(frozen=True)
class Fault:
    """`errors`: exactly the classes it may end in. `moves`: afterwards the card is another insertion."""

    name: str
    happen: Callable[[Moment], bytes]
    errors: Errors
    times: int = 1
    moves: bool = False


def _pull(moment: Moment) -> bytes:
    moment.reader.remove()
    return moment.do()


def _pull_late(moment: Moment) -> bytes:
    moment.do()
    moment.reader.remove()
    raise CardRemovedError


def _exchange(moment: Moment) -> bytes:
    """The same kind of card, with the same number and certificates: only the reader's count tells."""
    moment.reader.insert(RamCard())
    return moment.do()


def _exchange_late(moment: Moment) -> bytes:
    moment.do()
    moment.reader.insert(RamCard())
    raise CardRemovedError


def _reset(moment: Moment) -> None:
    assert moment.reader.card is not None
    moment.reader.card.reset()


def _reset_silently(moment: Moment) -> bytes:
    _reset(moment)
    return moment.do()


def _reset_silently_late(moment: Moment) -> bytes:
    answer = moment.do()
    _reset(moment)
    return answer


def _take_over(moment: Moment) -> bytes:
    """SCARD_W_RESET_CARD within our transaction: the system took the card from us (Windows, after 5 s)."""
    _reset(moment)
    raise CardBusyError(native=0x80100068)


def _take_over_late(moment: Moment) -> bytes:
    moment.do()
    return _take_over(moment)


def _failing(name: str, error: type[DriverError]) -> list[Fault]:
    """The link fails before the card has the command, or after: its answer is lost."""

    def before(moment: Moment) -> bytes:
        raise error

    def after(moment: Moment) -> bytes:
        moment.do()
        raise error

    return [Fault(name, before, frozenset({error})), Fault(f"{name}, late", after, frozenset({error}))]


def _answering(make: Callable[[Moment, bytes], bytes]) -> Callable[[Moment], bytes]:
    """The card does the command, which is the dangerous case, and something else is answered."""
    return lambda moment: make(moment, moment.do())


def _fixed(name: str, answer: bytes, *, errors: Errors = STRANGE, times: int = 1) -> Fault:
    return Fault(name, _answering(lambda moment, honest: answer), errors, times)


def _noise(moment: Moment, honest: bytes) -> bytes:
    """As many random bytes as were asked for, where any were."""
    size = moment.apdu[4] or 256 if moment.apdu[1] in (0xB0, 0xC0) else 16
    return random.Random(SEED + len(moment.reader.sent)).randbytes(size) + b"\x90\x00"


def _with_data(change: Callable[[bytes], bytes]) -> Callable[[Moment], bytes]:
    """Change the data of an answer; one that has none is cut to a byte, so that every exchange is a case."""
    return _answering(lambda moment, honest: change(honest[:-2]) + honest[-2:] if len(honest) > 2 else honest[:1])


def _flip(data: bytes) -> bytes:
    """One bit in the middle: a wrong signature, a damaged certificate."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]


def _nest(depth: int) -> bytes:
    content = b"\x04\x00"
    for _ in range(depth):
        content = (
            b"\x30" + (bytes([len(content)]) if len(content) < 0x80 else b"\x82" + len(content).to_bytes(2)) + content
        )
    return content


LINK = [
    Fault("card pulled", _pull, frozenset({CardRemovedError}), moves=True),
    Fault("card pulled, late", _pull_late, frozenset({CardRemovedError}), moves=True),
    Fault("card exchanged", _exchange, frozenset({CardRemovedError}), moves=True),
    Fault("card exchanged, late", _exchange_late, frozenset({CardRemovedError}), moves=True),
    Fault("taken over by another program", _take_over, frozenset({CardBusyError})),
    Fault("taken over by another program, late", _take_over_late, frozenset({CardBusyError})),
    Fault("reset silently", _reset_silently, frozenset({CardError, CardUnknownError})),
    Fault("reset silently, late", _reset_silently_late, frozenset({CardError, CardUnknownError})),
    *_failing("card mute", CardMuteError),
    *_failing("reader gone", ReaderRemovedError),
    *_failing("service stopped", ServiceStoppedError),
    *_failing("unlisted PC-SC result", DriverError),
]
NONSENSE = [
    _fixed("no answer", b""),
    _fixed("one byte", b"\x90"),
    *(_fixed(word, bytes.fromhex(word)) for word in ("6F00", "6982", "6A82", "6985", "6300", "6581", "6D00", "FFFF")),
    *(_fixed(word, bytes.fromhex(word), errors=STRANGE | {PinBlockedError}) for word in ("6983", "63C0")),
    _fixed("61FF", b"\x61\xff"),
    _fixed("61FF for ever", b"\x61\xff", times=LIMIT),
    _fixed("6CFF", b"\x6c\xff"),
    _fixed("6CFF for ever", b"\x6c\xff", times=LIMIT),
    _fixed("9000 alone", b"\x90\x00"),
    _fixed("9000 alone for ever", b"\x90\x00", times=LIMIT),
    _fixed("6282 alone", b"\x62\x82"),
    _fixed("64 KB", bytes(65536) + b"\x90\x00"),
    Fault("noise", _answering(_noise), STRANGE),
    Fault("noise for ever", _answering(_noise), STRANGE, times=LIMIT),
    Fault("the answer before", _answering(lambda moment, honest: moment.previous), STRANGE),
    Fault("half the data", _with_data(lambda data: data[: len(data) // 2]), STRANGE),
    Fault("cut in the status word", _answering(lambda moment, honest: honest[:-3] + b"\0" + honest[-2:-1]), STRANGE),
    Fault("a bit flipped", _with_data(_flip), STRANGE),
    _fixed("a lying length", bytes.fromhex("3084FFFFFFFF") + bytes(250) + b"\x90\x00"),
    _fixed("a length of 32 KB", bytes.fromhex("30827FF0") + bytes(252) + b"\x90\x00"),
    _fixed("an indefinite length", bytes.fromhex("3080") * 100 + b"\x90\x00"),
    _fixed("60 nested objects", _nest(60) + b"\x90\x00"),
]
FAULTS = [*LINK, *NONSENSE]
