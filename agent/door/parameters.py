"""M: a mechanism and its parameter, as clients up to 0.25.5 and from 0.25.6 on write them.

The encoding changed without a new version of the protocol, so it is told by the bytes that there are: what comes after
the mechanism in its message has a known length.

| | up to 0.25.5 | from 0.25.6 on |
|---|---|---|
| takes no parameter | FFFFFFFF | nothing |
| parameter not given | FFFFFFFF | 00 |
| PSS | 3 CK_ULONG | 01, 3 CK_ULONG |
"""

from __future__ import annotations

from struct import Struct

from agent.door.cursor import NO_BYTES, U32, Cursor
from agent.door.values import Mechanism, PssParameters

NULL_MECHANISM = 0xFFFFFFFF
"""Cancels the operation (PKCS #11 v3.0 §5.2), from client 0.25.3 on."""
PSS_MECHANISMS = frozenset((0x0D, 0x0E, 0x43, 0x44, 0x45, 0x47))
"""CKM_RSA_PKCS_PSS and those that hash: SHA-1, 256, 384, 512, 224."""

_ABSENT = (b"", b"\0", U32.pack(NO_BYTES))
_PSS = Struct(">3Q")


def read_mechanism(cursor: Cursor, after: int) -> Mechanism:
    """Read up to `after` bytes before the end. A parameter that is not PSS's stays as it was written."""
    kind = cursor.u32()
    written = cursor.octets(max(cursor.left - after, 0))
    if kind == NULL_MECHANISM:
        return Mechanism(None)
    if written in _ABSENT:
        return Mechanism(kind)
    return Mechanism(kind, _read_pss(written) if kind in PSS_MECHANISMS else written)


def _read_pss(written: bytes) -> PssParameters | bytes:
    if len(written) == _PSS.size + 1 and written[0] == 1:
        written = written[1:]
    return PssParameters(*_PSS.unpack(written)) if len(written) == _PSS.size else written
