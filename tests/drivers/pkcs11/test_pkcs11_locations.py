"""Where modules are looked for: the ANS library first, on each system, and only what an administrator installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from drivers.pkcs11 import locations
from drivers.pkcs11.locations import find_modules, known_places

ANS = "cps3_pkcs11"


@pytest.fixture
def places(monkeypatch, tmp_path):
    """Two known places in this folder; a function that installs a module there."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(locations, "LINUX", (str(tmp_path / "ans.so"), str(tmp_path / "opensc.so")))

    def install(name, mode=0o644):
        path = tmp_path / name
        path.write_bytes(b"")
        path.chmod(mode)
        return path

    return install


only_root = pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root can install a module")


@pytest.mark.parametrize(("platform", "bits"), [("linux", 64), ("darwin", 64), ("win32", 64), ("win32", 32)])
def test_the_ans_library_comes_before_opensc(platform, bits):
    places = known_places(platform, bits)
    kinds = [ANS in place for place in places]
    assert kinds[0]
    assert kinds == sorted(kinds, reverse=True)
    assert any("opensc" in place for place in places)
    assert len(set(places)) == len(places)


def test_every_place_is_named_from_the_root():
    for place in (*known_places("linux"), *known_places("darwin")):
        assert place.startswith("/")
        assert not place.startswith(("/home", "/tmp", "/Users"))


def test_windows_tells_where_its_folders_are(monkeypatch):
    monkeypatch.setenv("SYSTEMROOT", r"D:\Win")
    monkeypatch.setenv("PROGRAMFILES", r"D:\Programmes")
    assert known_places("win32", 64) == (
        r"D:\Win\System32\cps3_pkcs11_w64.dll",
        r"D:\Programmes\OpenSC Project\OpenSC\pkcs11\opensc-pkcs11.dll",
    )
    assert known_places("win32", 32)[0] == r"D:\Win\System32\cps3_pkcs11_w32.dll"
    monkeypatch.delenv("SYSTEMROOT")
    monkeypatch.delenv("PROGRAMFILES")
    assert known_places("win32", 64)[0] == r"C:\Windows\System32\cps3_pkcs11_w64.dll"


@only_root
def test_named_modules_come_first_then_those_installed(places):
    opensc, ans = places("opensc.so"), places("ans.so")
    named = Path("/nowhere/named.so")
    assert find_modules([named]) == (named, ans, opensc)
    assert find_modules() == (ans, opensc)


def test_a_named_module_is_given_though_it_is_missing(places):
    assert find_modules([Path("/nowhere/named.so")]) == (Path("/nowhere/named.so"),)
    assert find_modules() == ()


@only_root
def test_one_library_by_two_names_is_tried_once(places, tmp_path):
    ans = places("ans.so")
    (tmp_path / "opensc.so").symlink_to(ans)
    (tmp_path / "link.so").symlink_to(ans)
    assert find_modules() == (ans,)
    assert find_modules([tmp_path / "link.so", ans]) == (tmp_path / "link.so",)


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o777])
def test_what_others_can_write_is_not_found_by_itself(places, mode):
    module = places("ans.so", mode)
    assert find_modules() == ()
    assert find_modules([module]) == (module,)


@only_root
def test_what_a_user_owns_is_not_found_by_itself(places):
    os.chown(places("ans.so"), 65534, 65534)
    assert find_modules() == ()


def test_a_folder_is_no_module(places, tmp_path):
    (tmp_path / "ans.so").mkdir()
    (tmp_path / "opensc.so").symlink_to(tmp_path / "nothing")
    assert find_modules() == ()
