"""A private pcscd with virtual readers (vpcd), beside the system's own one, for tests with real programs.

It runs in its own mount namespace, with its own `/run`; clients outside reach it with `PcscdHandle.env`
(libpcsclite reads PCSCLITE_CSOCK_NAME). USB reader drivers are hidden from it, so it takes no real reader.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.waiting import wait_until

VPCD_PATTERNS = ("lib*/pcsc/drivers/serial/libifdvpcd.so", "lib*/*/pcsc/drivers/serial/libifdvpcd.so")
SLOTS_PER_READER = 2
"""vpcd is built with two slots per entry of reader.conf; the second listens on the next port."""

DEADLINE_S = 15.0

# $1 replaces /run, $2 (empty) replaces the folder of drivers $3, $4 is the configuration. The shell holds pcscd
# until its standard input closes: by stop(), or because the test run died.
SCRIPT = """
mount --bind "$1" /run && mount --bind "$2" "$3" || exit 97
pcscd --foreground --info --config "$4" &
read _
kill $! 2>/dev/null
wait $!
"""

READER_CONF = """
FRIENDLYNAME "{name}"
DEVICENAME   /dev/null:{port:#x}
LIBPATH      {library}
CHANNELID    {port:#x}
"""


def why_unavailable() -> str | None:
    """Say why no private pcscd can run here, or None when one can."""
    missing = [name for name in ("pcscd", "unshare", "mount") if not shutil.which(name, path=_search_path())]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if not _find_vpcd():
        return "not installed: vsmartcard-vpcd"
    probe = subprocess.run([*_unshare(), "true"], capture_output=True, check=False)
    return None if probe.returncode == 0 else f"no mount namespace: {probe.stderr.decode(errors='replace').strip()}"


@dataclass
class PcscdHandle:
    """A running pcscd. `vpcd_port` is the port of the first virtual slot, `vpcd_ports` those of all.

    `stop()` and `start()` restart the service on the same ports, as an administrator would.
    """

    folder: Path
    slots: int = 1
    vpcd_ports: tuple[int, ...] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def vpcd_port(self) -> int:
        return self.vpcd_ports[0]

    @property
    def socket_path(self) -> Path:
        return self.folder / "run" / "pcscd" / "pcscd.comm"

    @property
    def env(self) -> dict[str, str]:
        """The environment for a program that is to see these readers and no others."""
        return {**os.environ, "PCSCLITE_CSOCK_NAME": str(self.socket_path)}

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def reader_names(self) -> tuple[str, ...]:
        """The names of the slots, as PC/SC lists them, in the order of `vpcd_ports`."""
        return tuple(f"{_friendly_name(i)} 00 {i % SLOTS_PER_READER:02X}" for i in range(self.slots))

    def start(self) -> None:
        """Start pcscd and return once it accepts clients. Raises RuntimeError or TimeoutError with its log."""
        if self._process:
            raise RuntimeError("this pcscd runs already")
        shutil.rmtree(self.folder / "run", ignore_errors=True)
        (self.folder / "run" / "pcscd").mkdir(parents=True)
        arguments = [str(self.folder / name) for name in ("run", "empty")]
        command = [*_unshare(), "sh", "-c", SCRIPT, "sh", *arguments, str(_drivers_folder()), str(self.folder / "conf")]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "PATH": _search_path()},
            )  # fmt: skip
        try:
            wait_until(self._is_ready, "pcscd")
        except (TimeoutError, RuntimeError) as error:
            self.stop()
            raise RuntimeError(f"pcscd did not start: {error}\n{self.log}") from error

    def stop(self) -> None:
        """Stop this pcscd and wait for its end; does nothing when it is stopped."""
        process, self._process = self._process, None
        if not process:
            return
        assert process.stdin
        process.stdin.close()
        try:
            process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(DEADLINE_S)

    def kill(self) -> None:
        """End pcscd as a crash would: it says goodbye to nobody."""
        pid = (self.folder / "run" / "pcscd" / "pcscd.pid").read_text().strip("\n\0")
        os.kill(int(pid), signal.SIGKILL)
        self.stop()

    def _is_ready(self) -> bool:
        assert self._process
        if self._process.poll() is not None:
            raise RuntimeError(f"its shell ended with {self._process.returncode}")
        if "Could not initialize connection" in self.log:
            raise RuntimeError("a vpcd port is taken")
        return _accepts(self.socket_path)


@contextlib.contextmanager
def private_pcscd(slots: int = 1) -> Iterator[PcscdHandle]:
    """Run a pcscd of our own until the block ends.

    `slots`: how many ports the handle names (vpcd always opens them by twos).
    """
    folder = Path(tempfile.mkdtemp(prefix="pcscd-"))
    try:
        handle = _start_somewhere(folder, slots)
        try:
            yield handle
        finally:
            handle.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start_somewhere(folder: Path, slots: int) -> PcscdHandle:
    """Choose ports and start; another process may take one between the choice and the start: choose again."""
    handle = PcscdHandle(folder, slots)
    for name in ("conf", "empty"):
        (folder / name).mkdir()
    for attempt in range(5):
        handle.vpcd_ports = _free_ports(slots)
        _write_configuration(handle)
        try:
            handle.start()
        except RuntimeError:
            if attempt == 4 or "Could not initialize connection" not in handle.log:
                raise
            continue
        break
    return handle


def _friendly_name(slot: int) -> str:
    reader = slot // SLOTS_PER_READER
    return f"Virtual PCD {reader + 1}" if reader else "Virtual PCD"


def _write_configuration(handle: PcscdHandle) -> None:
    library = shutil.copy(_find_vpcd(), handle.folder / "libifdvpcd.so")
    entries = [
        READER_CONF.format(name=_friendly_name(i), library=library, port=port)
        for i, port in enumerate(handle.vpcd_ports)
        if i % SLOTS_PER_READER == 0
    ]
    (handle.folder / "conf" / "vpcd").write_text("".join(entries))


def _free_ports(slots: int) -> tuple[int, ...]:
    """Ports in pairs, below the range from which the system gives ports to clients."""
    ports: list[int] = []
    while len(ports) < slots:
        first = random.randrange(20000, 32000, SLOTS_PER_READER)
        pair = range(first, first + SLOTS_PER_READER)
        if first not in ports and all(map(_is_free, pair)):
            ports += pair
    return tuple(ports[:slots])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _find_vpcd() -> str:
    return next((str(path) for pattern in VPCD_PATTERNS for path in sorted(Path("/usr").glob(pattern))), "")


def _drivers_folder() -> Path:
    return Path(_find_vpcd()).parent.parent


def _unshare() -> list[str]:
    return ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]


def _search_path() -> str:
    """PATH with the folders of system programs, which a user's PATH may lack."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
