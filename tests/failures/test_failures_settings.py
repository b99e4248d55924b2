"""Settings and policy that cannot be used: a sentence that names the file, exit code 1, and nothing started or made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent import settings
from agent.__main__ import main
from agent.commands import serving
from agent.settings import SettingsError, load_settings

BAD = {
    "no text": b"\xff\xfe\x00",
    "cut": b"port = ",
    "zeroes": bytes(1000),
    "an unknown word": b"prot = 1",
    "a port that is a word": b'port = "abc"',
    "a port that is none": b"port = 70000",
    "a list for a port": b"port = [1]",
    "a table for a port": b"[port]\nx = 1",
    "a date for a port": b"port = 2020-01-01",
    "a number for the prompt": b"prompt = 5",
    "a list for a yes": b"virtual = []",
    "a number for a yes": b"virtual = 3",
    "a number for modules": b"modules = 5",
}
UNSEEN = {
    "nested beyond measure": b"a = " + b"[" * 100_000,
    "an endless port": b"port = inf",
    "a port of 5000 digits": b"port = " + b"9" * 5000,
    "the home of nobody": b'data_dir = "~nobody-of-that-name/x"',
    "a yes for a port": b"port = true",
    "half a port": b"port = 1.5",
    "a number for a language": b"language = 5",
    "a list for a language": b'language = ["fr"]',
    "a number for a folder": b"data_dir = 5",
    "a list for a folder": b"data_dir = []",
    "no folder": b'data_dir = ""',
    "a folder with a zero byte": b'data_dir = "/nowhere/\\u0000"',
    "more than settings can be": b"#" * 2_000_000,
}
"""Refused by agent.settings only once it looks closer."""


@pytest.fixture
def user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "settings.toml"
    monkeypatch.setattr(settings, "user_file", lambda: path)
    monkeypatch.setattr(settings, "policy_file", lambda: tmp_path / "policy.toml")
    monkeypatch.setattr(serving, "forbid_core_dumps", lambda: None)
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture(params=["settings.toml", "policy.toml"])
def path(request: pytest.FixtureRequest, user_file: Path) -> Path:
    """The user's file, and the administrator's."""
    return user_file.with_name(request.param)


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_a_file_that_cannot_be_used_is_named(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=path.name):
        load_settings({}, {})


@pytest.mark.parametrize("content", UNSEEN.values(), ids=UNSEEN)
def test_a_file_that_is_worse_is_named_too(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=path.name):
        load_settings({}, {})


@pytest.mark.parametrize("name", ["CPS_AGENT_DATA_DIR"])
def test_a_variable_that_is_there_and_empty_is_no_folder(user_file: Path, name: str) -> None:
    """It would be the current folder, which would be closed to others and filled."""
    with pytest.raises(SettingsError, match="data_dir"):
        load_settings({}, {name: ""})


def make_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.mkdir()


def close_to_us(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root no mode keeps anything from us: the system's answer is put in its place."""
    path.write_text("port = 0")
    read = Path.read_text

    def refuse(self: Path, *given: object) -> str:
        if self == path:
            raise PermissionError(13, "Permission denied", str(path))
        return read(self, *given)

    monkeypatch.setattr(Path, "read_text", refuse)


def link_in_a_circle(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    "make", [make_folder, close_to_us, link_in_a_circle], ids=["a folder", "closed to us", "a circle"]
)
def test_what_cannot_be_read_is_named(
    path: Path, make: Callable[[Path, pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make(path, monkeypatch)
    with pytest.raises(SettingsError, match=path.name):
        load_settings({}, {})


@pytest.mark.parametrize(
    "words",
    [["serve"], ["status"], ["sign", "document"], ["pin", "verify"], ["token"], ["journal"], ["cards"]],
    ids=" ".join,
)
def test_every_command_says_it_in_a_line_and_makes_nothing(
    user_file: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    user_file.write_text("port = ")
    user_file.with_name("document").touch()
    before = sorted(user_file.parent.iterdir())
    assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("cps-agent: ")
    assert user_file.name in line
    assert sorted(user_file.parent.iterdir()) == before
