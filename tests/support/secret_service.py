"""GNOME's keyring on a bus of the test's own: a real Secret Service, with its files in a folder of the test's own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from support.dbus import session_bus
from support.waiting import wait_until

NAME = "org.freedesktop.secrets"
PROGRAM = "gnome-keyring-daemon"


def why_no_secret_service() -> str | None:
    missing = [name for name in ("dbus-daemon", PROGRAM) if not shutil.which(name)]
    return f"needs {', '.join(missing)}" if missing else None


@contextlib.contextmanager
def secret_service(folder: Path, *, unlocked: bool = True) -> Iterator[str]:
    """A Secret Service until the block ends; gives the address of its bus. A locked one finds nobody to unlock it."""
    folder.mkdir(parents=True, exist_ok=True)
    with session_bus(folder) as address:
        places = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"), str(folder))
        command = [PROGRAM, "--components=secrets", "--foreground", *(["--unlock"] if unlocked else [])]
        process = subprocess.Popen(
            command,
            env={**os.environ, **places, "DBUS_SESSION_BUS_ADDRESS": address},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert process.stdin
            process.stdin.write(b"of the test")
            process.stdin.close()
            with open_dbus_connection(address) as connection:
                wait_until(lambda: _has_owner(connection), "the Secret Service")
            yield address
        finally:
            process.terminate()
            process.wait(10)


def _has_owner(connection: DBusConnection) -> bool:
    return bool(connection.send_and_get_reply(message_bus.NameHasOwner(NAME)).body[0])
