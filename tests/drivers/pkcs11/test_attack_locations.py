"""Attacks by another user of the workstation on what is found by itself: it would be given codes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from drivers.pkcs11 import locations
from drivers.pkcs11.locations import find_modules

pytestmark = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can install a module")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module where it is looked for, in a folder of its own."""
    module = tmp_path / "lib" / "ans.so"
    module.parent.mkdir()
    module.write_bytes(b"")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(locations, "LINUX", (str(module),))
    return module


def test_a_module_in_folders_of_the_administrator_is_found(module: Path) -> None:
    assert find_modules() == (module,)


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
@pytest.mark.parametrize("level", [0, 1])
def test_attack_module_in_a_folder_that_others_can_write_is_not_found(module: Path, mode: int, level: int) -> None:
    """They can put another file in its place: a link to it, or to an old and broken version."""
    folder = module.parents[level]
    folder.chmod(mode)
    assert find_modules() == ()
    assert find_modules([module]) == (module,)


@pytest.mark.parametrize("level", [0, 1])
def test_attack_module_in_a_folder_of_a_user_is_not_found(module: Path, level: int) -> None:
    os.chown(module.parents[level], 65534, 65534)
    assert find_modules() == ()


def test_attack_link_into_a_folder_of_a_user_is_not_followed(module: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    module.rename(theirs / "ans.so")
    module.symlink_to(theirs / "ans.so")
    assert find_modules() == (module,)
    os.chown(theirs, 65534, 65534)
    assert find_modules() == ()


def test_links_in_a_circle_are_no_module(module: Path) -> None:
    module.unlink()
    module.symlink_to(module)
    assert find_modules() == ()
