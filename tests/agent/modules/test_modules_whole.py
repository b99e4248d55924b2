"""The whole way: a running agent, set up by the command, and NSS's and OpenSSL's own programs that find its card."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.desks import Home, make_home, nss_modules
from support.processes import agent_program
from support.waiting import wait_until

from agent.modules.libraries import PACKAGES

pytestmark = pytest.mark.skipif(
    not shutil.which("modutil") or not shutil.which("p11-kit"), reason="needs libnss3-tools and p11-kit"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, made_folder: Path) -> Iterator[Home]:
    """A user whose agent runs, with its data folder at the usual place."""
    home = make_home(tmp_path_factory.mktemp("whole"))
    data_dir = home.folder / ".local" / "share" / "cps-agent"
    shutil.copytree(made_folder, data_dir)
    data_dir.chmod(0o700)
    with agent_program(data_dir, "--virtual", "--unattended", env=home.environment):
        wait_until((home.runtime / "p11-kit" / "pkcs11").exists, "the door")
        yield home


def test_the_door_is_found_and_a_profile_has_the_card(home: Home) -> None:
    profile = home.firefox / "abc.default-esr"
    assert "door for programs answers at" in home.run("status").stdout
    home.run("setup", "--yes")
    listed = subprocess.run(
        ["certutil", "-K", "-d", f"sql:{profile}", "-h", "all"], env=home.environment, capture_output=True, text=True,
        check=False, timeout=30,
    ).stdout  # fmt: skip
    assert "CPS_PRIV_AUT" in listed
    home.run("remove", "--yes")
    assert "CPS agent" not in nss_modules(profile)


def test_the_lines_that_are_told_work(home: Home, tmp_path: Path) -> None:
    """Those of OpenSSH and OpenSSL; what they sign, OpenSSL verifies by itself."""
    lines = [line.split(": ", 1)[1] for line in home.run("status").stdout.splitlines() if line.startswith("  Open")]
    (listing,) = (line for line in lines if line.startswith("ssh-keygen"))
    assert run(home, tmp_path, listing).stdout.count("ssh-rsa ") >= 1
    (signing,) = (line for line in lines if "openssl dgst" in line)
    (tmp_path / "FILE").write_bytes(b"content")
    signed = run(home, tmp_path, f"{signing} > signature")
    assert (signed.returncode, (tmp_path / "signature").stat().st_size) == (0, 256), signed.stderr


def test_every_package_that_is_named_is_one_that_the_tests_install() -> None:
    prepare = Path("installer/linux/prepare").read_text()
    assert all(f" {missing.debian} " in prepare.replace("\n", " ") for missing in PACKAGES.values())


def run(home: Home, folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line, shell=True, cwd=folder, env=home.environment, capture_output=True, text=True, check=False, timeout=30
    )
