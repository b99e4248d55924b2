"""Put a card into a virtual PC/SC reader: the protocol of vsmartcard's vpcd, as its client or as its server.

Frames are a length of two bytes, big-endian, and a body. A body of one byte is a control, any other an APDU.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading

from drivers.virtual.chip import Chip

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 35963

CONTROL_OFF, CONTROL_ON, CONTROL_RESET, CONTROL_ATR = 0, 1, 2, 4

RETRY_S = 0.5
STOP_CHECK_S = 0.1

TCP_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


def serve(card: Chip, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT, stop: threading.Event | None = None) -> None:
    """Keep the card in the reader that listens there until `stop` is set; when pcscd restarts, insert it again."""
    stop = stop or threading.Event()
    while not stop.is_set():
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=RETRY_S) as link:
            serve_connection(card, link, stop)
        stop.wait(RETRY_S)


def serve_connection(card: Chip, link: socket.socket, stop: threading.Event) -> None:
    """Answer frames until the peer closes or `stop` is set, then take the power off. Raises OSError."""
    link.settimeout(None)
    try:
        while (body := _receive_frame(link, stop)) is not None:
            answer = _answer(card, body)
            if answer is not None:
                link.sendall(len(answer).to_bytes(2) + answer)
    finally:
        card.power_off()


def _answer(card: Chip, body: bytes) -> bytes | None:
    """What to send back; None for controls that have no answer."""
    if len(body) != 1:
        return card.process(body)
    if body[0] == CONTROL_ATR:
        return card.atr
    if body[0] == CONTROL_ON:
        card.power_on()
    elif body[0] == CONTROL_RESET:
        card.reset()
    elif body[0] == CONTROL_OFF:
        card.power_off()
    return None


def _receive_frame(link: socket.socket, stop: threading.Event) -> bytes | None:
    header = _receive(link, 2, stop)
    return _receive(link, int.from_bytes(header), stop) if header else None


def _receive(link: socket.socket, count: int, stop: threading.Event) -> bytes | None:
    """Exactly so many bytes, or None when the peer closed or `stop` was set."""
    data = bytearray()
    while len(data) < count:
        if not _is_readable(link):
            if stop.is_set():
                return None
            continue
        _acknowledge_at_once(link)
        part = link.recv(count - len(data))
        if not part:
            return None
        data += part
    return bytes(data)


def _is_readable(link: socket.socket) -> bool:
    """Wait a moment for data, short enough to notice `stop`."""
    return bool(select.select([link], [], [], STOP_CHECK_S)[0])


def _acknowledge_at_once(link: socket.socket) -> None:
    """Set TCP_QUICKACK, which Linux forgets after each use.

    vpcd sends length and body apart, so Nagle's algorithm holds the body back until the length is acknowledged:
    44 ms for each APDU (vpcd 3.3). Newer vpcd sends both at once; this can go with 3.3.
    """
    if TCP_QUICKACK is not None:
        with contextlib.suppress(OSError):  # not a TCP socket
            link.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 1)
