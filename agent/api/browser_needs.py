"""What the browsers of this user lack to reach the card, in words: a child runs `cps-agent modules`, which knows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from typing import Any, Final

import msgspec

from agent.api.rows import set_french
from agent.children import child_command, clean_environment
from agent.settings import usual_data_dir

LOOK_S: Final = 20.0
KEPT: Final = frozenset({"P11_KIT_SERVER_ADDRESS"})
BROWSERS: Final = frozenset({"firefox", "chromium"})
SET_UP: Final = "set-up"
SENTENCES: Final = {
    "not-set-up": (
        "{browser} does not reach the card through the agent yet. Close it, and run: cps-agent modules setup",
        "{browser} n'atteint pas encore la carte par l'agent. Fermez-le, puis lancez : cps-agent modules setup",
    ),
    "partly": (
        "{browser} was set up in part. Close it, and run again: cps-agent modules setup",
        "{browser} n'est configuré qu'en partie. Fermez-le, puis relancez : cps-agent modules setup",
    ),
    "running": (
        "{browser} is open, and does not reach the card yet. Close it, and run: cps-agent modules setup",
        "{browser} est ouvert, et n'atteint pas encore la carte. Fermez-le, puis lancez : cps-agent modules setup",
    ),
    "never-started": (
        "{browser} was never started. Start it once, close it, and run: cps-agent modules setup",
        "{browser} n'a jamais servi. Démarrez-le une fois, fermez-le, puis lancez : cps-agent modules setup",
    ),
    "boxed": (
        "{browser} is a snap or a flatpak, which does not reach the card. Use a browser of the distribution.",
        "{browser} est un snap ou un flatpak, qui n'atteint pas la carte. Utilisez un navigateur de la distribution.",
    ),
    "library-absent": (
        "A library that {browser} reaches the card by is not installed. See: cps-agent modules",
        "Une bibliothèque par laquelle {browser} atteint la carte n'est pas installée. Voir : cps-agent modules",
    ),
    "tool-absent": (
        "A tool that sets {browser} up is not installed. See: cps-agent modules",
        "Un outil qui configure {browser} n'est pas installé. Voir : cps-agent modules",
    ),
    "impossible": (
        "{browser} cannot be set up to reach the card. See why: cps-agent modules",
        "{browser} ne peut pas être configuré pour atteindre la carte. Voir pourquoi : cps-agent modules",
    ),
    "door-closed": (
        "The agent's door for browsers and other programs does not answer. Set door = true, and restart the agent.",
        "La porte de l'agent pour les navigateurs ne répond pas. Mettez door = true, et redémarrez l'agent.",
    ),
    "no-browser": (
        "No Firefox or Chromium of this user was found. Start one, close it, and run: cps-agent modules setup",
        "Aucun Firefox ni Chromium n'a été trouvé. Démarrez-en un, fermez-le, puis lancez : cps-agent modules setup",
    ),
    "not-known": (
        "Whether browsers reach the card cannot be looked at on this system.",
        "Sur ce système, l'agent ne peut pas dire si les navigateurs atteignent la carte.",
    ),
}


@dataclass(frozen=True, slots=True)
class Need:
    """What is missing, as a word of SENTENCES; `browser` None: it concerns all of them."""

    code: str
    browser: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As the API tells of it."""
        detail, detail_fr = (text.format(browser=self.browser) for text in SENTENCES[self.code])
        return {"browser": self.browser, "code": self.code, "detail": detail, "detailFr": set_french(detail_fr)}


class Place(msgspec.Struct):
    """A place that `cps-agent modules` tells of, as far as it matters here."""

    kind: str
    owner: str
    state: str
    trouble: str | None
    others: list[str]


class Door(msgspec.Struct):
    """Whether the agent's door for programs is open."""

    answers: bool


class Status(msgspec.Struct):
    """What `cps-agent modules status --json` says."""

    door: Door
    places: list[Place]


async def list_needs(data_dir: Path) -> list[Need]:
    """Look at the browsers of this user, for the agent of this data folder."""
    try:
        async with asyncio.timeout(LOOK_S):
            status = msgspec.json.decode(await _look(data_dir), type=Status)
    except (OSError, TimeoutError, msgspec.MsgspecError):
        return [Need("not-known")]
    return list(dict.fromkeys(find_needs(status)))


def find_needs(status: Status) -> Iterator[Need]:
    """What each browser lacks. One that reaches cards by another library lacks nothing."""
    browsers = [place for place in status.places if place.kind in BROWSERS]
    through_agent = [place for place in browsers if not place.others]
    if not status.door.answers and (through_agent or not browsers):
        yield Need("door-closed")
    if not browsers:
        yield Need("no-browser")
    for place in through_agent:
        if place.state != SET_UP:
            yield Need(_word(place), place.owner)


def _word(place: Place) -> str:
    return next((word for word in (place.trouble, place.state) if word in SENTENCES), "impossible")


async def _look(data_dir: Path) -> bytes:
    """Raises OSError. The child ends with whoever waits for it."""
    named = () if data_dir == usual_data_dir() else ("--data-dir", str(data_dir))
    process = await asyncio.create_subprocess_exec(
        *child_command("modules", "status", "--json", *named),
        stdin=DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=DEVNULL,
        env=clean_environment(os.environ, KEPT),
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return output
