"""The stock server of p11-kit in front of a module, and a relay that records what its clients and it say."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.door_program import CLIENT
from support.softhsm import SoftHsm
from support.waiting import wait_until


def why_no_p11_kit() -> str | None:
    """What is missing, or None."""
    missing = [
        name for name, found in (("p11-kit", shutil.which("p11-kit")), ("p11-kit-client.so", CLIENT)) if not found
    ]
    return f"not installed: {', '.join(missing)}" if missing else None


def client_env(path: Path) -> dict[str, str]:
    """The environment of a program whose p11-kit-client.so is to connect there."""
    return {**os.environ, "P11_KIT_SERVER_ADDRESS": f"unix:path={path}"}


@contextmanager
def stock_server(folder: Path, token: SoftHsm) -> Iterator[Path]:
    """`p11-kit server` with a SoftHSM; its socket."""
    path = folder / "stock"
    command = ("p11-kit", "server", "--foreground", "--name", str(path), "--provider", str(token.module), "pkcs11:")
    with subprocess.Popen(command, env=token.env, stdout=subprocess.DEVNULL, start_new_session=True) as server:
        try:
            wait_until(lambda: _listens(path), "p11-kit server")
            yield path
        finally:
            os.killpg(server.pid, signal.SIGTERM)


def _listens(path: Path) -> bool:
    """Whether somebody takes connections there: the socket's name is there a moment before."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@dataclass
class Conversation:
    """All that went over one connection."""

    said: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)


@contextmanager
def recording_relay(folder: Path, server: Path) -> Iterator[tuple[Path, list[Conversation]]]:
    """A socket in front of `server`, and what was said on each connection."""
    conversations: list[Conversation] = []
    path = folder / "relay"
    with socket.socket(socket.AF_UNIX) as listener, ExitStack() as threads:
        listener.bind(str(path))
        listener.listen()
        accepting = threading.Thread(target=_accept, args=(listener, server, conversations, threads))
        accepting.start()
        try:
            yield path, conversations
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _accept(listener: socket.socket, server: Path, conversations: list[Conversation], threads: ExitStack) -> None:
    while True:
        try:
            client = listener.accept()[0]
        except OSError:  # the listener is shut down: the end
            return
        conversation = Conversation()
        conversations.append(conversation)
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(str(server))
        for source, target, record in (
            (client, upstream, conversation.said),
            (upstream, client, conversation.answered),
        ):
            threads.enter_context(source)
            thread = threading.Thread(target=_pump, args=(source, target, record))
            thread.start()
            threads.callback(thread.join)


def _pump(source: socket.socket, target: socket.socket, record: bytearray) -> None:
    while data := source.recv(65536):
        record += data
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)
