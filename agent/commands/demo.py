"""`cps-agent demo`: the main job on the embedded test card, through the public API, each result checked by openssl."""

from __future__ import annotations

import base64
import os
import secrets
import signal
import sys
import tempfile
import time
import webbrowser
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from agent.client import AgentProblemError, AgentUnreachableError, Client, Json
from agent.commands.daemon_process import embedded_agent
from agent.commands.exits import Exit
from agent.commands.openssl import CheckFailedError, check_chain, check_cms, check_web_eid, write_chain
from agent.commands.output import in_language, say, say_json
from agent.people.translations import translator
from agent.sending import ToVerify

T = TypeVar("T")

ORIGIN = "https://demo.example"
DOCUMENT = b"Ordonnance de demonstration\n"
FAILURES = (AgentProblemError, AgentUnreachableError, CheckFailedError, LookupError, ValueError, OSError)


@dataclass
class Demo:
    """The steps so far, and what was learnt in them; `kind`: of the test card; `finished`: there are no more."""

    quiet: bool
    kind: str
    finished: bool = False
    steps: list[Json] = field(default_factory=list)
    card: Json | None = None
    exchanges: Json = field(default_factory=dict)

    def step(self, name: str, title: str, work: Callable[[], T]) -> T:
        """Run one step, time it and tell of it; what it raises is kept in the step as well."""
        started = time.perf_counter()
        try:
            result = work()
        except FAILURES as error:
            self._tell(name, title, started, error)
            raise
        self._tell(name, title, started, None)
        return result

    def _tell(self, name: str, title: str, started: float, error: Exception | None) -> None:
        ms = round((time.perf_counter() - started) * 1000, 1)
        step: Json = {"name": name, "ok": error is None, "ms": ms}
        if error is not None:
            step["error"] = str(error)
        self.steps.append(step)
        if not self.quiet:
            say(f"  {'✓' if error is None else '✗'} {title:<58} {ms:>8.1f} ms" + (f"  {error}" if error else ""))

    def to_json(self) -> Json:
        """The result for a program."""
        ok = self.finished and all(step["ok"] for step in self.steps)
        return {"ok": ok, "steps": self.steps, "card": self.card, "exchanges": self.exchanges}


def run_demo(arguments: Namespace) -> int:
    """Run the demonstration; with --serve the agent stays, with its playground."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the agent ends with us
    demo = Demo(quiet=arguments.json, kind=arguments.kind)
    with tempfile.TemporaryDirectory(prefix="cps-agent-demo-") as folder:
        data_dir = Path(arguments.data_dir or folder)
        try:
            _main_job(demo, data_dir, Path(folder))
            demo.finished = True
        except FAILURES:
            _conclude(demo, arguments)
            return Exit.FAILED
        _conclude(demo, arguments)
        if arguments.serve:
            _stay(data_dir, arguments.port, demo.kind)
    return Exit.OK


def _main_job(demo: Demo, data_dir: Path, folder: Path) -> None:
    """The first run reads an unknown card; the second one knows it, and authenticates and signs."""
    _ = translator()
    first = embedded_agent(data_dir, kind=demo.kind)
    client = demo.step("start", _("Start the agent on the embedded test card"), first.__enter__)
    try:
        demo.step("read-card", _("Read the card: holder and certificates"), lambda: _read_card(demo, client))
    finally:
        first.__exit__(None, None, None)
    second = embedded_agent(data_dir, kind=demo.kind)
    client = demo.step("restart", _("Start again: the card is known now"), second.__enter__)
    try:
        _use_card(demo, client, folder)
    finally:
        second.__exit__(None, None, None)


def _read_card(demo: Demo, client: Client) -> None:
    cards = client.cards()
    if not cards:
        raise LookupError(_why_none(client))
    demo.card = cards[0]
    demo.exchanges["firstRead"] = max(_uses(client, "read-card"))


def _why_none(client: Client) -> str:
    """What the reader says of a card that is no CPS, or of one that cannot be used."""
    (reader,) = client.status()["readers"]
    return in_language(reader["trouble"] or {})


def _use_card(demo: Demo, client: Client, folder: Path) -> None:
    _ = translator()
    demo.step("identify-card", _("Recognise the card"), lambda: _identify(demo, client))
    certificates = demo.step("certificates", _("Read the certificates"), client.certificates)
    demo.step(
        "check-chains", _("openssl: both certificates chain to the test root"), lambda: _chains(certificates, folder)
    )
    _authenticate(demo, client, folder)
    _sign(demo, client, folder)


def _authenticate(demo: Demo, client: Client, folder: Path) -> None:
    _ = translator()
    nonce = base64.b64encode(secrets.token_bytes(32)).decode()
    title = _("Web eID token for {origin}").format(origin=ORIGIN)
    token = demo.step("authenticate", title, lambda: client.authenticate(ORIGIN, nonce))
    title = _("openssl: the token is signed by the card")
    demo.step("check-token", title, lambda: check_web_eid(token, ORIGIN, nonce, folder))
    demo.exchanges["authenticateKnown"] = _uses(client, "authenticate")[0]


def _sign(demo: Demo, client: Client, folder: Path) -> None:
    _ = translator()
    title = _("CMS signature of a document (CAdES-B)")
    (signed,) = demo.step("sign", title, lambda: client.sign([("ordonnance.txt", DOCUMENT)]))
    title = _("openssl: the signature is valid")
    demo.step("check-signature", title, lambda: check_cms(signed.content, DOCUMENT, folder))
    title = _("The agent verifies it too, and no altered document")
    demo.step("verify", title, lambda: _verify(client, signed.content))
    demo.exchanges["signKnown"] = _uses(client, "sign")[0]


def _verify(client: Client, signature: bytes) -> None:
    """Raises CheckFailedError unless the signature is valid for its document, and for no other."""
    name = "ordonnance.txt.p7s"
    genuine, altered = client.verify([ToVerify(name, signature, content) for content in (DOCUMENT, DOCUMENT + b"\n")])
    (found,), (refused,) = genuine["signatures"], altered["signatures"]
    if not found["valid"] or refused["valid"]:
        raise CheckFailedError(str((refused if refused["valid"] else found)["sentence"]))


def _identify(demo: Demo, client: Client) -> None:
    client.cards()
    demo.exchanges["identifyKnown"] = _uses(client, "read-card")[0]


def _chains(certificates: list[Json], folder: Path) -> None:
    for certificate in certificates:
        check_chain(certificate, folder)
    write_chain(certificates[0], folder)


def _uses(client: Client, action: str) -> list[int]:
    """Exchanges of each use of that kind, the newest first, as the user's journal tells."""
    return [int(entry["exchanges"]) for entry in client.journal(500) if entry["action"] == action]


def _conclude(demo: Demo, arguments: Namespace) -> None:
    _ = translator()
    result = demo.to_json()
    if arguments.json:
        say_json(result)
    elif result["ok"]:
        counts = ", ".join(f"{name} {count}" for name, count in result["exchanges"].items())
        say(_("Exchanges with the card: {counts}").format(counts=counts))
        say(_("It works: a card was read, a login and a signature were made, and openssl agrees."))


def _has_screen() -> bool:
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _stay(data_dir: Path, port: int | None, kind: str) -> None:
    _ = translator()
    with embedded_agent(data_dir, port or 0, kind) as client:
        url = f"http://localhost:{client.port}/"
        say(_("Playground: {url} — press Ctrl-C to stop.").format(url=url))
        sys.stdout.flush()
        if _has_screen():
            webbrowser.open(url)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            say("")
