"""A SoftHSM2 token with the keys and certificates of a data folder's virtual card, made by foreign programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from drivers.base import KeyRole
from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.store import open_card

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
TOOLS = ("softhsm2-util", "pkcs11-tool")
PIN, SO_PIN = "1234", "12345678"
LABELS = {KeyRole.AUTHENTICATION: "CPS_PRIV_AUT", KeyRole.SIGNATURE: "CPS_PRIV_SIG"}
LAYOUTS = {KeyRole.AUTHENTICATION: DEFAULT.authentication, KeyRole.SIGNATURE: DEFAULT.signature}


@dataclass(frozen=True)
class SoftHsm:
    """A token in a folder of its own; programs see it with `env`."""

    folder: Path
    serial: str
    module: Path = MODULE
    pin: str = PIN

    @property
    def configuration(self) -> Path:
        return self.folder / "softhsm2.conf"

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "SOFTHSM2_CONF": str(self.configuration)}

    def copy(self, folder: Path) -> SoftHsm:
        """A token that a test may change."""
        shutil.copytree(self.folder, folder)
        copy = replace(self, folder=folder)
        copy.configuration.write_text(self.configuration.read_text().replace(str(self.folder), str(folder)))
        return copy


def why_unavailable() -> str | None:
    """What is missing for a SoftHSM2 token, or None."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if not MODULE.exists():
        missing.append(str(MODULE))
    return f"not installed: {', '.join(missing)}" if missing else None


def softhsm_token(folder: Path, data_dir: Path, label: str = "CPS de test") -> SoftHsm:
    """Make a token with both keys of the virtual card of `data_dir`; the card is made if it is not there."""
    open_card(data_dir).close()
    (folder / "tokens").mkdir(parents=True)
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    token = SoftHsm(folder, "")
    _run(token, "softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN)
    for role in KeyRole:
        _import(token, data_dir / "virtual" / "cards" / DEFAULT.serial, role, label)
    slots = _run(token, "softhsm2-util", "--show-slots")
    return SoftHsm(folder, re.findall(r"Serial number: +(\S+)", slots)[0])


def _import(token: SoftHsm, card: Path, role: KeyRole, label: str) -> None:
    key_id = DEFAULT.key_id(LAYOUTS[role]).hex()
    naming = ("--label", LABELS[role], "--id", key_id)
    _run(
        token, "softhsm2-util", "--import", str(card / f"{role}.key.pem"), "--token", label, "--pin", PIN, *naming
    )  # fmt: skip
    (certificate,) = card.glob(f"{role}-*.der")
    _run(
        token, "pkcs11-tool", "--module", str(MODULE), "--token-label", label, "--login", "--pin", PIN,
        "--write-object", str(certificate), "--type", "cert", *naming,
    )  # fmt: skip


def _run(token: SoftHsm, *command: str) -> str:
    done = subprocess.run(command, env=token.env, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
    return done.stdout
