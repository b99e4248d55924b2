"""What a reader can do besides passing APDUs (PC/SC part 10, v2.02.09 §2.2): its list of features, asked once."""

from __future__ import annotations

from dataclasses import dataclass

from smartcard import scard

CM_IOCTL_GET_FEATURE_REQUEST = scard.SCARD_CTL_CODE(3400)
FEATURE_VERIFY_PIN_DIRECT, FEATURE_MODIFY_PIN_DIRECT = 0x06, 0x07
CODE_LENGTH = 4


@dataclass(frozen=True, slots=True)
class PadFeatures:
    """Control codes by which codes are typed on the reader; None for what it cannot do."""

    verify: int | None = None
    modify: int | None = None


def parse_features(answer: bytes) -> PadFeatures:
    """Read the list: tag, length 4, control code in big-endian order. What follows something else is left out."""
    found: dict[int, int] = {}
    for at in range(0, len(answer), 2 + CODE_LENGTH):
        tag, length, code = answer[at], answer[at + 1 : at + 2], answer[at + 2 : at + 2 + CODE_LENGTH]
        if length != bytes([CODE_LENGTH]) or len(code) != CODE_LENGTH:
            break
        found.setdefault(tag, int.from_bytes(code))
    return PadFeatures(found.get(FEATURE_VERIFY_PIN_DIRECT), found.get(FEATURE_MODIFY_PIN_DIRECT))
