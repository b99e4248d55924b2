"""The demonstration as a program would run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest
from support.processes import command


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=120, **options)


def test_the_demo_prints_one_json_object_and_succeeds() -> None:
    result = run("demo", "--json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["ok"] is True
    assert all(step["ok"] and step["ms"] >= 0 for step in answer["steps"])
    names = {step["name"] for step in answer["steps"]}
    assert names >= {"read-card", "authenticate", "check-token", "sign", "check-signature", "verify"}
    assert answer["card"]["kind"] == "CPS"
    counts = answer["exchanges"]
    assert counts["firstRead"] <= 48
    assert counts["identifyKnown"] <= 4
    assert counts["signKnown"] <= 8
    assert counts["authenticateKnown"] <= 8


def test_the_demo_works_with_a_card_that_names_nobody() -> None:
    answer = json.loads(run("demo", "--json", "--kind", "cpe-anonymous").stdout)
    assert answer["ok"] is True
    assert answer["card"]["kind"] == "CPE"
    assert answer["card"]["holder"]["structure"]["name"] == "HOPITAL D'ESSAI"


def test_the_demo_names_a_card_that_cannot_do_it() -> None:
    result = run("demo", "--json", "--kind", "vitale", env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert result.returncode == 1
    step = json.loads(result.stdout)["steps"][-1]
    assert (step["name"], step["ok"]) == ("read-card", False)
    assert "A Vitale card is in the reader." in step["error"]


def test_the_demo_says_what_is_missing(tmp_path: Path) -> None:
    result = run("demo", "--json", env={"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert result.returncode == 1
    answer = json.loads(result.stdout)
    assert answer["ok"] is False
    assert "openssl" in answer["steps"][-1]["error"]


def test_the_demo_keeps_serving_and_ends_with_its_agent() -> None:
    environment = {"PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command("demo", "--serve"), stdout=subprocess.PIPE, text=True, env=environment) as demo:
        try:
            assert demo.stdout
            line = next(line for line in demo.stdout if "http://localhost:" in line)
            url = next(word for word in line.split() if word.startswith("http"))
            assert b"/playground.js" in fetch(url)
        finally:
            demo.send_signal(signal.SIGTERM)
        assert demo.wait(20) == 128 + signal.SIGTERM
    with pytest.raises(OSError, match="refused"):
        fetch(url)


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return bytes(answer.read())


def test_the_demo_says_why_its_agent_does_not_start(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.write_text("a file where a folder belongs")
    result = run("demo", "--json", "--data-dir", str(folder))
    assert result.returncode == 1
    error = json.loads(result.stdout)["steps"][-1]["error"]
    assert str(folder) in error
    assert "closed file" not in error


def test_a_terminal_that_lacks_a_sign_gets_another_one() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    result = run("demo", env=environment)
    assert result.returncode == 0, result.stderr
    assert "It works" in result.stdout
    assert "?" in result.stdout
