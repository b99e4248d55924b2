"""The link to a virtual PC/SC reader, with this test as the reader."""

import socket
import threading

from drivers.virtual.trace import TracedCard
from drivers.virtual.vpcd import serve, serve_connection

DEADLINE_S = 10


def frame(body):
    return len(body).to_bytes(2) + body


def receive(link):
    def exactly(count):
        data = b""
        while len(data) < count:
            part = link.recv(count - len(data))
            assert part, "closed"
            data += part
        return data

    return exactly(int.from_bytes(exactly(2)))


class Running:
    """A link in a thread, stopped at the end of the test."""

    def __init__(self, function, *arguments):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=function, args=(*arguments, self.stop), daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()


def test_frames(card):
    lines = []
    ours, theirs = socket.socketpair()
    ours.settimeout(DEADLINE_S)
    with ours, theirs, Running(serve_connection, TracedCard(card, lines.append), theirs):
        ours.sendall(frame(b"\x04"))
        assert receive(ours) == card.atr
        ours.sendall(frame(b"\x01") + frame(b"\x02") + frame(b"\x00") + frame(b"\x03"))
        for byte in frame(bytes.fromhex("0084000008")):
            ours.sendall(bytes([byte]))
        assert len(receive(ours)) == 10
        ours.sendall(frame(b""))
        assert receive(ours).hex() == "6700"
        ours.sendall(frame(bytes(0xFFFF)))
        assert receive(ours).hex() == "6700"
    assert [line for line in lines if line[0] == "#"] == ["# power on", "# reset", "# power off", "# power off"]


def test_a_closed_link_takes_the_power_off(card):
    ours, theirs = socket.socketpair()
    ours.settimeout(DEADLINE_S)
    with theirs, Running(serve_connection, card, theirs) as running:
        ours.sendall(frame(bytes.fromhex("002000010431323334")))
        assert receive(ours).hex() == "9000"
        ours.sendall(b"\x00")  # half a header
        ours.close()
        running.thread.join(DEADLINE_S)
        assert not running.thread.is_alive()
    assert card.process(bytes.fromhex("0020000100")).hex() == "63c3"


def test_the_client_comes_back_when_the_reader_does(card):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE_S)
        port = server.getsockname()[1]
        running = Running(serve, card, "127.0.0.1", port)
        with running:
            for _ in range(2):
                link, _address = server.accept()
                with link:
                    link.settimeout(DEADLINE_S)
                    link.sendall(frame(b"\x04"))
                    assert receive(link) == card.atr


def test_the_client_stops_while_nobody_listens(card):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Running(serve, card, "127.0.0.1", port):
        pass
