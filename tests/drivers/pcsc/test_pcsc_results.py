"""PC/SC result codes, as the unsigned numbers of the specification and as some systems give them: signed."""

import pytest

from drivers.errors import (
    CardAbsentError,
    CardBusyError,
    CardMuteError,
    CardRemovedError,
    DriverError,
    ReaderAbsentError,
    ReaderExclusiveError,
    ReaderRemovedError,
    RetriableError,
    ServiceStoppedError,
)
from drivers.pcsc.results import require

MEANINGS = [
    (0x80100003, ServiceStoppedError),
    (0x80100009, ReaderAbsentError),
    (0x8010000B, ReaderExclusiveError),
    (0x8010000C, CardAbsentError),
    (0x8010000F, CardMuteError),
    (0x80100013, ServiceStoppedError),
    (0x80100016, CardRemovedError),
    (0x80100017, ReaderRemovedError),
    (0x8010001D, ServiceStoppedError),
    (0x8010001E, ServiceStoppedError),
    (0x8010002E, ReaderAbsentError),
    (0x80100066, CardMuteError),
    (0x80100068, CardBusyError),
    (0x80100069, CardRemovedError),
    (0x8010006A, ServiceStoppedError),
]


@pytest.mark.parametrize(
    ("code", "error"), MEANINGS, ids=lambda value: f"{value:08X}" if isinstance(value, int) else ""
)
@pytest.mark.parametrize("signed", [False, True])
def test_meanings(code, error, signed):
    with pytest.raises(error) as raised:
        require(code - 0x100000000 if signed else code, "SCardConnect")
    assert raised.value.native == code
    assert "SCardConnect" in str(raised.value)


def test_an_unknown_code_is_no_invitation_to_try_again():
    with pytest.raises(DriverError) as raised:
        require(0x80100001, "SCardConnect")
    assert not isinstance(raised.value, RetriableError)
    require(0, "SCardConnect")
