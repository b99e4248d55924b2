"""A bare Debian of this machine's own release, in a folder, for trying a package as on a fresh workstation.

Its processes and its /proc live in namespaces of their own, held by one process: when that ends, or the test run dies,
they end, and no mount is left on this machine.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
USER = "desk"
HOLDER = "echo ready; read _"
"""Ends when its standard input closes; it is process 1 of the namespace, so everything ends with it."""


@dataclass(frozen=True, slots=True)
class BareDebian:
    """A root folder, and the process that holds its namespaces."""

    root: Path
    holder: int

    def command(self, *arguments: str, user: str | None = None) -> list[str]:
        """How to run a program in there, as root or as a user without rights."""
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--reset-env"] if user else []
        enter = ["nsenter", f"--target={self.holder}", "--mount", "--pid", "--root", "--wdns=/"]
        return [*enter, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", *become, *arguments]

    def run(self, *arguments: str, user: str | None = None, code: int = 0, timeout_s: float = 120) -> str:
        """Run a program to its end and give what it printed; any other exit code than `code` fails the test."""
        done = subprocess.run(
            self.command(*arguments, user=user), capture_output=True, text=True, check=False, timeout=timeout_s
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def files(self) -> set[str]:
        """Every path but those of processes, devices and the package manager's own notes."""
        apart = ("/proc/", "/dev/", "/var/lib/dpkg/", "/var/log/", "/var/cache/", "/var/lib/apt/", "/tmp/", "/run/")
        found = (f"/{path.relative_to(self.root)}" for path in self.root.rglob("*"))
        return {path for path in found if not path.startswith(apart)}


@contextlib.contextmanager
def bare_debian(folder: Path, *packages: str) -> Iterator[BareDebian]:
    """Install the smallest Debian and these packages, make the user `desk`, and hold it until the block ends."""
    root = folder / "root"
    try:
        _bootstrap(root, packages)
        with _held(root) as system:
            system.run("useradd", "--create-home", USER)
            yield system
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _bootstrap(root: Path, packages: tuple[str, ...]) -> None:
    """Run debootstrap from this machine's own mirror, in a mount namespace; raises RuntimeError with its words."""
    release, (mirror, components) = _release(), _mirror()
    command = ["debootstrap", "--variant=minbase", f"--components={components}", f"--include={','.join(packages)}"]
    done = subprocess.run(
        ["unshare", "--mount", *command, release, str(root), mirror],
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"debootstrap {release} from {mirror} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    _copy_network_settings(root)


def _release() -> str:
    return platform.freedesktop_os_release()["VERSION_CODENAME"]


def _mirror() -> tuple[str, str]:
    """The archive that this machine's apt takes its release from, and its components."""
    format_ = "$(CODENAME) $(REPO_URI) $(COMPONENT)"
    said = subprocess.run(
        ["apt-get", "indextargets", "--format", format_, "Created-By: Packages"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    lines = [line.split() for line in said.splitlines()]
    found = [(words[1], words[2]) for words in lines if len(words) == 3 and words[0] == _release()]
    found = [one for one in found if one[1] in ("main", "universe")]
    if not found:
        return MIRROR, "main"
    return found[0][0], ",".join(sorted({component for uri, component in found if uri == found[0][0]}))


def _copy_network_settings(root: Path) -> None:
    """Let its apt reach the mirror as this machine's does: resolver, proxies, certificates."""
    for name in ("etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt"):
        source = Path("/", name)
        if source.exists():
            target = root / name
            target.unlink(missing_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    settings = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True).stdout
    (root / "etc/apt/apt.conf.d/90machine").write_text(settings)


@contextlib.contextmanager
def _held(root: Path) -> Iterator[BareDebian]:
    namespaces = ["--mount", "--pid", "--fork", "--kill-child", f"--root={root}", "--mount-proc"]
    holder = subprocess.Popen(
        ["unshare", *namespaces, "sh", "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin
    assert holder.stdout
    try:
        assert holder.stdout.readline() == "ready\n"
        (child,) = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        yield BareDebian(root, int(child))
    finally:
        holder.stdin.close()
        holder.wait(30)
        holder.stdout.close()
