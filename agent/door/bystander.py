"""The hidden child `_keeper`: holds duplicates of the programs' sockets, so that these outlive the agent.

A program that writes to a socket whose other side is gone is killed by SIGPIPE. When the agent ends, this process
closes the side that programs read from: their next call ends with an error (CKR_DEVICE_ERROR), and they begin anew.

Standard input is a socket: each byte that comes brings one descriptor (SCM_RIGHTS, unix(7)), its end is the agent's.
Started by its path, without the agent's package and nearly without Python's library, since it waits in every session.
"""

from __future__ import annotations

import _socket
import select
import sys

AGENT = 0
"""Standard input."""
ONE = 4
"""Bytes of a descriptor's number."""


def main() -> int:
    """Hold what comes until everybody is gone."""
    agent = _socket.socket(fileno=AGENT)
    poll = select.poll()
    poll.register(AGENT, select.POLLIN)
    held: dict[int, _socket.socket] = {}
    listening = True
    while listening or held:
        for descriptor, events in poll.poll():
            if descriptor == AGENT:
                listening = _hear(agent, held, poll)
            elif events & ~select.POLLIN or not _drain(held[descriptor]):
                poll.unregister(descriptor)
                held.pop(descriptor).close()
    return 0


def _hear(agent: _socket.socket, held: dict[int, _socket.socket], poll: select.poll) -> bool:
    """Take a descriptor; at the agent's end part from all and say that nothing comes any more."""
    data, messages, _, _ = agent.recvmsg(1, _socket.CMSG_SPACE(ONE))
    for _, _, payload in messages:
        line = _socket.socket(fileno=int.from_bytes(payload[:ONE], sys.byteorder))
        held[line.fileno()] = line
        poll.register(line.fileno(), 0)  # its end is told unasked; what is said is the agent's to hear
    if not data:
        poll.unregister(AGENT)
        for line in held.values():
            _part(line)
            poll.register(line.fileno(), select.POLLIN)
    return bool(data)


def _part(line: _socket.socket) -> None:
    """Say that no answer comes; what the program says on is taken."""
    try:
        line.shutdown(_socket.SHUT_WR)
    except OSError:  # it went at the same time
        return


def _drain(line: _socket.socket) -> bool:
    try:
        return bool(line.recv(65536, _socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True
    except OSError:
        return False


if __name__ == "__main__":
    raise SystemExit(main())
