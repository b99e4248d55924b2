"""A real tray of an X11 desktop (trayer), and the icon that stands in it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.display import Display, find_missing_tools
from support.waiting import wait_until

DARK = ("--transparent", "true", "--alpha", "0", "--tint", "0x2e3436")
LIGHT = ("--transparent", "true", "--alpha", "0", "--tint", "0xf0f0f0")


def why_no_tray() -> str | None:
    """What this machine lacks for these tests."""
    missing = [*find_missing_tools(), *([] if shutil.which("trayer") else ["trayer"])]
    return f"needs {', '.join(missing)}" if missing else None


@dataclass(frozen=True, slots=True)
class Spot:
    """A window and where it is."""

    window: str
    x: int
    y: int
    width: int
    height: int


def find_icon(display: Display) -> Spot | None:
    """The icon of the agent, if it stands in the tray."""
    try:
        found = display.run("xdotool", "search", "--onlyvisible", "--classname", "cps-agentSystemTrayIcon").split()
        if not found:
            return None
        shape = display.measure(found[0])
    except subprocess.CalledProcessError:  # none, or just gone
        return None
    spot = Spot(found[0], *(shape[name] for name in ("X", "Y", "WIDTH", "HEIGHT")))
    return spot if spot.width > 8 and spot.x >= 0 and spot.y >= 0 else None


def wait_for_icon(display: Display) -> Spot:
    found: list[Spot] = []

    def look() -> bool:
        """What was seen counts: the tray may move the icon between two looks."""
        spot = find_icon(display)
        found[:] = [spot] if spot else []
        return bool(found)

    wait_until(look, "the icon")
    return found[0]


def title_of(display: Display, spot: Spot) -> str:
    """The tooltip, which is the name of the window as well."""
    said = display.run("xprop", "-id", spot.window, "_NET_WM_NAME")
    return said.partition('= "')[2].rstrip().rstrip('"')


def point_at(display: Display, spot: Spot) -> None:
    display.run("xdotool", "mousemove", str(spot.x + spot.width // 2), str(spot.y + spot.height // 2))


def click(display: Display, spot: Spot, button: int = 1) -> None:
    point_at(display, spot)
    display.run("xdotool", "click", str(button))


def crop(display: Display, spot: Spot, path: Path, around: int = 0) -> bytes:
    """Save what is shown at the icon; gives the pixels."""
    size = f"{spot.width + 2 * around}x{spot.height + 2 * around}+{max(0, spot.x - around)}+{max(0, spot.y - around)}"
    display.run("import", "-window", "root", "-crop", size, "+repage", str(path))
    return subprocess.run(["convert", str(path), "rgb:-"], check=True, capture_output=True).stdout


@contextlib.contextmanager
def trayer(display: Display, *options: str, height: int = 24) -> Iterator[subprocess.Popen[bytes]]:
    """A tray at the bottom right until the block ends."""
    process = subprocess.Popen(
        ("trayer", "--edge", "bottom", "--align", "right", "--widthtype", "request", "--height", str(height), *options),
        env=display.environment | {"LC_ALL": "C.UTF-8"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: has_tray(display), "trayer")
        yield process
    finally:
        process.terminate()
        process.wait(10)


def has_tray(display: Display) -> bool:
    """Whether somebody owns the tray's selection; asked by an X client of the test's own."""
    from Xlib import X  # noqa: PLC0415
    from Xlib.display import Display as XDisplay  # noqa: PLC0415

    client = XDisplay(display.name)
    try:
        owner = client.get_selection_owner(client.intern_atom("_NET_SYSTEM_TRAY_S0"))
        return bool(owner != X.NONE)
    finally:
        client.close()
