"""The token and the attacks on its file."""

from __future__ import annotations

import os
import stat
import sys

import pytest

from agent.access.errors import StoreError, TokenRefusedError
from agent.access.local_token import LocalToken, remove_token

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes and owners mean nothing on Windows")
as_root = pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root can give a folder away")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


def list_names(folder):
    return [entry.name for entry in folder.iterdir()]


def test_the_client_reads_what_the_agent_wrote(folder):
    token = LocalToken.create(folder)
    token.matches(f"Bearer {(folder / 'token').read_text()}")
    token.matches(f"bearer {(folder / 'token').read_text()}")


def test_each_start_makes_another_token(folder):
    LocalToken.create(folder)
    old = (folder / "token").read_text()
    token = LocalToken.create(folder)
    assert len(old) == 43  # 32 bytes in base64url
    with pytest.raises(TokenRefusedError):
        token.matches(f"Bearer {old}")


def test_only_the_token_is_left_in_the_folder(folder):
    LocalToken.create(folder)
    LocalToken.create(folder)
    assert list_names(folder) == ["token"]
    remove_token(folder)
    remove_token(folder)
    assert list_names(folder) == []


HOSTILE_HEADERS = {
    "absent": None,
    "empty": "",
    "scheme alone": "Bearer",
    "no token": "Bearer ",
    "wrong token": "Bearer AAAA",
    "basic": "Basic {token}",
    "no scheme": "{token}",
    "two spaces": "Bearer  {token}",
    "space after": "Bearer {token} ",
    "cut": "Bearer {cut}",
    "twice": "Bearer {token}, Bearer {token}",
    "not ASCII": "Bearer é{token}",
    "surrogate of a raw byte": "Bearer \udcff",
    "lone surrogate": "Bearer \ud800",
    "NUL": "Bearer {token}\x00",
    "huge": "Bearer " + "A" * 10_000_000,
    "huge, right at the start": "Bearer {token}" + "A" * 10_000_000,
}


@pytest.mark.parametrize("header", HOSTILE_HEADERS.values(), ids=HOSTILE_HEADERS)
def test_any_other_header_is_refused(folder, header):
    token = LocalToken.create(folder)
    text = (folder / "token").read_text()
    with pytest.raises(TokenRefusedError):
        token.matches(header and header.replace("{token}", text).replace("{cut}", text[:-1]))


def test_the_token_does_not_show_itself(folder):
    token = LocalToken.create(folder)
    assert (folder / "token").read_text() not in repr(token) + str(token)


@posix
def test_the_file_is_this_users_alone_whatever_the_umask(folder):
    before = os.umask(0)
    try:
        LocalToken.create(folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@posix
def test_attack_world_readable_folder_is_closed(folder):
    folder.mkdir()
    folder.chmod(0o777)
    LocalToken.create(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@posix
def test_attack_shared_folder_is_refused_and_left_as_it_is(folder):
    folder.mkdir()
    folder.chmod(0o1777)
    with pytest.raises(StoreError):
        LocalToken.create(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777


@posix
@as_root
def test_attack_folder_of_another_user_is_refused(folder):
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(StoreError, match="another user"):
        LocalToken.create(folder)
    assert list_names(folder) == []


@posix
def test_attack_link_in_place_of_the_token_is_refused_and_not_written_through(folder, tmp_path):
    target = tmp_path / "elsewhere"
    target.write_text("untouched")
    folder.mkdir()
    (folder / "token").symlink_to(target)
    with pytest.raises(StoreError):
        LocalToken.create(folder)
    assert target.read_text() == "untouched"


@posix
def test_attack_link_in_place_of_the_folder_is_refused(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        LocalToken.create(folder)


def test_attack_folder_in_place_of_the_token_is_refused_without_leftovers(folder):
    (folder / "token").mkdir(parents=True)
    with pytest.raises(StoreError):
        LocalToken.create(folder)
    assert list_names(folder) == ["token"]


def test_a_file_in_place_of_the_folder_is_refused(folder):
    folder.write_text("")
    with pytest.raises(StoreError):
        LocalToken.create(folder)
