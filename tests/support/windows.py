"""A whole workstation: pcscd with a virtual card, the agent with its real windows on a screen in memory, and its callers."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from support.display import Display, virtual_display
from support.lines import open_line, page_request
from support.other_program import look_at_card
from support.pcscd import PcscdHandle, private_pcscd
from support.processes import agent_program, virtual_card
from support.waiting import wait_until

from agent.client import Client


@dataclass
class Workstation:
    """The running programs. `client` is a program of this user; pages are raw connections with an Origin."""

    pcscd: PcscdHandle
    screen: Display
    client: Client
    folder: Path
    card: ExitStack = field(default_factory=ExitStack)

    def insert(self) -> None:
        """Put the card in, and wait until the agent has read it."""
        self.card.enter_context(virtual_card(self.folder, self.pcscd.vpcd_port))
        wait_until(lambda: "ready" in self.reader_states(), "the card")

    def pull(self) -> None:
        """Take the card out, and wait until the agent has seen it; does nothing when there is none."""
        self.card.close()
        wait_until(lambda: "ready" not in self.reader_states(), "the reader without its card")

    def reader_states(self) -> list[str]:
        return [reader["state"] for reader in self.client.status().get("readers", [])]

    def page(self, method_path: str, body: dict[str, Any], origin: str) -> socket.socket:
        """A page's request under way, to be answered or hung up."""
        path = method_path.partition(" ")[2]
        return open_line(self.client.port, page_request(self.client.port, path, json.dumps(body).encode(), origin))

    def window(self, title: str) -> str:
        """Wait for the window that takes input, and give it the keyboard."""
        window = self.screen.find_window(f"^{re.escape(title)}$")
        self.screen.focus(window)
        return window

    @property
    def windows(self) -> list[str]:
        """The agent's windows that can be seen."""
        return self.screen.list_windows("CPS")

    @property
    def daemon_pid(self) -> int:
        """The process that serves this data folder."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    if b"serve" in words and str(self.folder).encode() in words:
                        return int(entry.name)
        raise LookupError("the agent does not run")

    @property
    def dialogs(self) -> list[int]:
        """The daemon's child processes, but those that write signatures and the one that tries TLS after the start."""
        return [pid for pid in self._children() if not {b"_signing", b"_tls"} & set(_read_command(pid).split(b"\0"))]

    @property
    def writers(self) -> list[int]:
        """Those that write signatures, which rest a while for the next ones."""
        return [pid for pid in self._children() if b"_signing" in _read_command(pid).split(b"\0")]

    def _children(self) -> list[int]:
        pid = self.daemon_pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]

    def card_state(self) -> str:
        """What the card itself says of its code, to a program that gives none: 63c3 when it is closed and whole."""
        return look_at_card(self.pcscd)


def _read_command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


W = TypeVar("W", bound=Workstation)


@contextlib.contextmanager
def workstation(
    made_folder: Path,
    folder: Path,
    *flags: str,
    screen: Display | None = None,
    kind: type[W] = Workstation,
    environment: Mapping[str, str] | None = None,
) -> Iterator[W]:
    """Run everything until the block ends, on a screen of its own if none is given; the card is in its reader at first."""
    shutil.copytree(made_folder, folder)
    with ExitStack() as stack:
        pcscd = stack.enter_context(private_pcscd())
        screen = screen or stack.enter_context(virtual_display())
        env = {**pcscd.env, "DISPLAY": screen.name, **(environment or {})}
        env.pop("WAYLAND_DISPLAY", None)
        client = stack.enter_context(agent_program(folder, "--prompt", "dialog", "--language", "en", *flags, env=env))
        desk = kind(pcscd, screen, client, folder)
        with desk.card:
            desk.insert()
            yield desk


def read_answer(line: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and JSON of the answer on a raw connection."""
    line.settimeout(30)
    data = b""
    while b"\r\n\r\n" not in data:
        piece = line.recv(65536)
        if not piece:
            raise ConnectionError("no answer")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]
    while len(body) < length:
        body += line.recv(65536)
    return int(head.split()[1]), json.loads(body)
