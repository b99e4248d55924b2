"""Read the tables of GetExtendedTcpTable (Windows, iphlpapi): a count, then rows of 32-bit words."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from agent.access.peer import Endpoint

AF_INET = 2
AF_INET6 = 23  # Windows' own number
MIB_TCP_STATE_ESTAB = 5  # tcpmib.h

_COUNT = struct.Struct("<I")
_ROW4 = struct.Struct("<I4sI4sII")  # MIB_TCPROW_OWNER_PID: state, local, its port, remote, its port, process
_ROW6 = struct.Struct("<16sII16sIIII")  # MIB_TCP6ROW_OWNER_PID: local, scope, port, remote, scope, port, state, process


@dataclass(frozen=True, slots=True)
class TcpRow:
    """One connection, seen from the process that owns that side of it."""

    local: Endpoint
    remote: Endpoint
    state: int
    process: int


def list_rows(table: bytes, family: int) -> Iterator[TcpRow]:
    """Read the table of one address family; what stands beyond the counted rows is padding."""
    row = _ROW6 if family == AF_INET6 else _ROW4
    (count,) = _COUNT.unpack_from(table)
    for number in range(count):
        fields = row.unpack_from(table, _COUNT.size + number * row.size)
        yield _read_row6(fields) if family == AF_INET6 else _read_row4(fields)


def find_process(table: bytes, family: int, local: Endpoint, remote: Endpoint) -> set[int]:
    """List the processes whose established connection goes from `remote` to our `local`."""
    rows = [row for row in list_rows(table, family) if row.state == MIB_TCP_STATE_ESTAB]
    return {row.process for row in rows if (row.local, row.remote) == (remote, local)}


def _read_row4(fields: tuple[int, bytes, int, bytes, int, int]) -> TcpRow:
    state, local, local_port, remote, remote_port, process = fields
    return TcpRow(_endpoint(local, local_port), _endpoint(remote, remote_port), state, process)


def _read_row6(fields: tuple[bytes, int, int, bytes, int, int, int, int]) -> TcpRow:
    local, _, local_port, remote, _, remote_port, state, process = fields
    return TcpRow(_endpoint(local, local_port), _endpoint(remote, remote_port), state, process)


def _endpoint(packed: bytes, port: int) -> Endpoint:
    """Take a port from the low 16 bits, where it stands in network order; the rest of the word may hold anything."""
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return Endpoint(str(mapped or address), int.from_bytes(struct.pack("<H", port & 0xFFFF), "big"))
