"""What Windows and macOS are asked to do by the workflow: import every module, start the agent, ask it, run the demo,
and try TLS with a key that lies elsewhere.

Run by itself, with no test framework: python tests/installer/portability.py. It stops at the first thing that fails.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HAS_X11 = sys.platform == "linux" and bool(os.environ.get("DISPLAY"))
ELSEWHERE = {
    "agent.people.console": (
        sys.platform == "win32",
        "it reads POSIX terminals; on Windows --prompt terminal is refused",
    ),
    "agent.access.winapi": (sys.platform != "win32", "it calls Windows"),
    "agent.people.tray.xhost": (sys.platform != "linux", "python-xlib is for Linux"),
    "agent.people.tray.xtooltip": (sys.platform != "linux", "python-xlib is for Linux"),
    "agent.people.tray.xicon": (not HAS_X11, "pystray asks the X server when it is imported"),
    "agent.people.tray.xview": (not HAS_X11, "pystray asks the X server when it is imported"),
}
"""Modules of other systems: whether that is so here, and why."""
START_S = 90.0
AGENT = (sys.executable, "-P", "-m", "agent")


def find_modules(*packages: str) -> list[str]:
    """Name every module of these packages but those that are programs."""
    found = list(packages)
    for package in packages:
        path = importlib.import_module(package).__path__
        found += [module.name for module in pkgutil.walk_packages(path, f"{package}.")]
    return [name for name in found if not name.endswith("__main__")]


def import_everything() -> int:
    """Import all but the modules of other systems. Gives their number."""
    names = [name for name in find_modules("agent", "drivers") if not ELSEWHERE.get(name, (False,))[0]]
    for name in names:
        importlib.import_module(name)
    return len(names)


def ask_a_running_agent(folder: Path) -> dict[str, object]:
    """Start the agent on the embedded test card, give what `status` says, and end it."""
    flags = ("--virtual", "--unattended", "--port", "0", "--data-dir", str(folder))
    agent = subprocess.Popen((*AGENT, "serve", *flags))
    try:
        wait_for(folder / "port", agent)
        said = run("status", "--json", "--data-dir", str(folder))
    finally:
        agent.terminate()
        agent.wait(30)
    return said


def wait_for(path: Path, agent: subprocess.Popen[bytes]) -> None:
    """Wait until the file is there. Raises RuntimeError when the agent ends first, TimeoutError when it takes too long."""
    end = time.monotonic() + START_S
    while not path.exists():
        if agent.poll() is not None:
            raise RuntimeError(f"the agent ended with {agent.returncode}")
        if time.monotonic() > end:
            raise TimeoutError("the agent does not start")
        time.sleep(0.1)


def run(*words: str) -> dict[str, object]:
    """Run a command that prints JSON. Raises CalledProcessError."""
    done = subprocess.run((*AGENT, *words), stdout=subprocess.PIPE, check=False)
    say(done.stdout.decode().strip())
    done.check_returncode()
    said: dict[str, object] = json.loads(done.stdout)
    return said


def say(line: str) -> None:
    """Print at once, before what child processes print."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Do it all, and say so."""
    for name, (elsewhere, reason) in ELSEWHERE.items():
        if elsewhere:
            say(f"left out on {sys.platform}: {name}: {reason}")
    say(f"{import_everything()} modules imported on {sys.platform}, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        assert ask_a_running_agent(Path(folder, "data"))["name"] == "cps-agent"
    assert run("demo", "--json")["ok"]
    assert run("_tls")["available"]


if __name__ == "__main__":
    main()
