"""Ask the Linux kernel for the owner of one TCP socket: sock_diag(7), an exact look-up whatever else is open."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct

from agent.access.peer import Endpoint, Peer

# include/uapi/linux: netlink.h, sock_diag.h, inet_diag.h
NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
NO_COOKIE = b"\xff" * 8
ALL_STATES = 0xFFFFFFFF

_MESSAGE_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_REQUEST = struct.Struct("=BBBxI")  # family, protocol, extensions, states
_ADDRESSES = struct.Struct("!HH16s16s")  # own port, other port, own address, other address
_INTERFACE = struct.Struct("=I")
_REPLY = struct.Struct("=BBBB")  # family, state, timer, retransmits
_REPLY_END = struct.Struct("=IIIII")  # expiry, receive queue, send queue, uid, inode
_SOCKET_ID = _ADDRESSES.size + _INTERFACE.size + len(NO_COOKIE)
_MAX_REPLY = 4096
_TIMEOUT_S = 1.0


def find_owner(local: Endpoint, remote: Endpoint) -> Peer | None:
    """Find the owner of the socket that goes from `remote` to `local`; None when the kernel knows or tells none."""
    with contextlib.suppress(OSError):
        return parse_reply(_ask(make_request(local, remote)), local, remote)
    return None


def make_request(local: Endpoint, remote: Endpoint) -> bytes:
    """Encode the question about one socket, seen from the client's side."""
    version = ipaddress.ip_address(remote.host).version
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, ALL_STATES) + _socket_id(local, remote)
    body += _INTERFACE.pack(0) + NO_COOKIE
    length = _MESSAGE_HEADER.size + len(body)
    return _MESSAGE_HEADER.pack(length, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + body


def parse_reply(reply: bytes, local: Endpoint, remote: Endpoint) -> Peer | None:
    """Read uid and inode; an error, or another socket such as the listener of that port, is None."""
    if len(reply) < _MESSAGE_HEADER.size + _REPLY.size + _SOCKET_ID + _REPLY_END.size:
        return None
    if _MESSAGE_HEADER.unpack_from(reply)[1] != SOCK_DIAG_BY_FAMILY:
        return None
    start = _MESSAGE_HEADER.size + _REPLY.size
    if reply[start : start + _ADDRESSES.size] not in (_socket_id(local, remote), _mapped_id(local, remote)):
        return None
    *_, uid, inode = _REPLY_END.unpack_from(reply, start + _SOCKET_ID)
    return Peer(uid=uid, inode=inode) if inode else None


def _socket_id(local: Endpoint, remote: Endpoint) -> bytes:
    return _ADDRESSES.pack(remote.port, local.port, _packed(remote), _packed(local))


def _mapped_id(local: Endpoint, remote: Endpoint) -> bytes:
    """The same for an IPv6 socket that reaches an IPv4 address (RFC 4291 §2.5.5.2)."""
    own, other = (Endpoint(f"::ffff:{end.host}", end.port) if "." in end.host else end for end in (local, remote))
    return _socket_id(own, other)


def _packed(endpoint: Endpoint) -> bytes:
    return ipaddress.ip_address(endpoint.host).packed.ljust(16, b"\x00")


def _ask(request: bytes) -> bytes:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(_TIMEOUT_S)
        netlink.sendto(request, (0, 0))
        return netlink.recv(_MAX_REPLY)
