"""The command line: exit codes that mean something, JSON for programs, both languages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent import NONCE
from support.openssl import verify_cms, verify_token, write_chain
from support.processes import agent_program, answers, command, program
from support.waiting import wait_until

FRENCH = {**os.environ, "LC_ALL": "fr_FR.UTF-8"}
ENGLISH = {**os.environ, "LC_ALL": "C.UTF-8"}


def run(*arguments: str, env: dict[str, str] = ENGLISH) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=60, env=env)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("agent")
    with agent_program(folder, "--virtual", "--unattended"):
        yield folder


def test_the_main_job(running: Path, tmp_path: Path) -> None:
    document = tmp_path / "ordonnance.txt"
    document.write_bytes(b"content")
    certificates = json.loads(run("certificates", "--json", "--data-dir", str(running)).stdout)
    write_chain(tmp_path, certificates[0])
    token = run("authenticate", "https://site.example", NONCE, "--data-dir", str(running))
    verify_token(tmp_path, json.loads(token.stdout), "https://site.example", NONCE)
    assert run("sign", str(document), "--data-dir", str(running)).returncode == 0
    verify_cms(tmp_path, Path(f"{document}.p7s").read_bytes(), b"content")
    assert run("sign", "--enveloping", str(document), "--data-dir", str(running)).returncode == 0
    verify_cms(tmp_path, Path(f"{document}.p7m").read_bytes(), b"content", detached=False)
    again = run("sign", str(document), "--data-dir", str(running))
    assert (again.returncode, again.stdout) == (2, "")
    assert "--force" in again.stderr


QUESTIONS = [
    ["status"],
    ["cards"],
    ["cards", "--situations"],
    ["certificates"],
    ["certificates", "--forget"],
    ["grants", "--allow-again"],
    ["journal"],
    ["pin", "verify"],
    ["pin", "lock"],
]


@pytest.mark.parametrize("words", QUESTIONS)
def test_every_question_answers_in_json_and_in_both_languages(running: Path, words: list[str]) -> None:
    folder = ["--data-dir", str(running)]
    json.loads(run(*words, *folder, "--json").stdout)
    english, french = run(*words, *folder), run(*words, *folder, env=FRENCH)
    assert (english.returncode, french.returncode) == (0, 0), english.stderr + french.stderr
    if words != ["journal"]:
        assert english.stdout != french.stdout


def test_a_grant_is_revoked(running: Path) -> None:
    folder = ["--data-dir", str(running)]
    document = running / "x.txt"
    document.write_text("x")
    assert run("sign", "--force", str(document), *folder).returncode == 0
    (grant,) = json.loads(run("grants", "--json", *folder).stdout)
    assert grant["abilities"] == ["sign"]
    assert json.loads(run("grants", "--revoke", grant["id"], "--json", *folder).stdout) == []
    assert run("grants", "--revoke", grant["id"], *folder).returncode == 2


def test_exit_codes_mean_something(running: Path, tmp_path: Path) -> None:
    assert run("cards", "--data-dir", str(tmp_path)).returncode == 3
    assert run("authenticate", "https://site.example", "short", "--data-dir", str(running)).returncode == 2
    assert run("authenticate", "http://site.example", NONCE, "--data-dir", str(running)).returncode == 6
    assert run("pin", "verify", "--card", "12345678", "--data-dir", str(running)).returncode == 4
    assert run("sign", str(tmp_path / "none"), "--data-dir", str(running)).returncode == 2
    assert run("nonsense").returncode == 2
    assert run("--version").stdout.startswith("cps-agent ")


def test_the_token_is_printed_only_while_the_agent_runs(running: Path, tmp_path: Path) -> None:
    assert run("token", "--data-dir", str(running)).stdout.strip() == (running / "token").read_text().strip()
    assert run("token", "--data-dir", str(tmp_path)).returncode == 3


@pytest.mark.parametrize(
    ("env", "words"),
    [(ENGLISH, ("usage:", "examples:", "exit codes:")), (FRENCH, ("usage", "exemples", "codes de sortie"))],
)
def test_help_has_examples(env: dict[str, str], words: tuple[str, ...]) -> None:
    text = run("--help", env=env).stdout
    assert all(word in text for word in words)


def test_a_second_agent_on_the_folder_says_so(running: Path) -> None:
    second = run("serve", "--port", "0", "--data-dir", str(running))
    assert second.returncode == 1
    assert "in use" in second.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")
def test_the_agent_cannot_be_dumped_or_looked_into(tmp_path: Path) -> None:
    """A process that is not dumpable belongs to root in /proc, and writes no core."""
    with program("serve", "--virtual", "--unattended", "--port", "0", "--data-dir", str(tmp_path)) as agent:
        wait_until(lambda: answers(tmp_path), "the agent")
        limits = Path(f"/proc/{agent.pid}/limits").read_text()
    (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core.split()[4:6] == ["0", "0"]
