"""Pro Santé Connect from an example and from the command line: a person logs in with a browser, mTLS by the structure."""

from __future__ import annotations

import json
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

from support.oidc_provider import DOCTOR
from support.processes import command
from support.waiting import wait_until

LOGIN = ("--client", "logiciel")


def test_a_login_a_token_and_the_claims(workstation) -> None:
    through = ("--service", "psc", "--path", "me", "--certificate", workstation.number)
    ran = workstation.run("psc_login.py", *LOGIN, *through, "--log-out")
    assert ran.status == 0, ran.error
    assert ran.facts["person"] == ran.facts["userinfo"] == DOCTOR
    assert ran.facts["assurance"] == "eidas1"
    assert json.loads(workstation.command("psc", "sessions", "--json").stdout) == []
    asked = workstation.provider.tell("asked")
    assert {"method": "POST", "path": "/token"} in [{name: each[name] for name in ("method", "path")} for each in asked]


def test_the_command_line_logs_in_and_out(workstation) -> None:
    done = workstation.command("psc", "login", *LOGIN)
    assert done.returncode == 0, done.stderr
    assert DOCTOR in done.stdout
    token = workstation.command("psc", "token", "logiciel").stdout
    assert token.count(".") == 2
    exchanged = workstation.command("psc", "exchange", "logiciel", "https://gateway.api.example")
    assert (exchanged.returncode, exchanged.stdout.count("\n")) == (0, 1), exchanged.stderr
    refused = workstation.command("psc", "exchange", "logiciel", "https://another.example")
    assert (refused.returncode, refused.stdout) == (6, ""), refused.stderr
    assert workstation.command("psc", "logout", "logiciel").returncode == 0
    assert workstation.command("psc", "token", "logiciel").returncode != 0


def test_a_login_by_the_phone(workstation) -> None:
    with ThreadPoolExecutor() as threads:
        running = threads.submit(workstation.run, "psc_login.py", *LOGIN, "--way", "ciba", "--log-out")
        wait_until(lambda: workstation.provider.tell("calls") or running.done(), "the call at the phone")
        assert not running.done(), running.result().error
        (call,) = workstation.provider.tell("calls")
        assert (call["hint"], call["channel"], len(call["number"])) == (DOCTOR, "MOBILE", 2)
        workstation.provider.tell("answerCall", id=call["id"])
        ran = running.result(30)
    assert ran.status == 0, ran.error
    assert ran.facts["person"] == DOCTOR


def test_ctrl_c_gives_a_login_up(workstation) -> None:
    line = command(
        "psc", "login", *LOGIN, "--way", "ciba", "--channel", "MOBILE", "--data-dir", str(workstation.folder)
    )
    with subprocess.Popen(line, stderr=subprocess.PIPE) as process:
        wait_until(lambda: workstation.provider.tell("calls") or process.poll() is not None, "the call at the phone")
        (call,) = workstation.provider.tell("calls")
        assert process.stderr
        told = [process.stderr.readline(), process.stderr.readline()]
        assert call["number"].encode() in told[1]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read() == b""
    assert json.loads(workstation.command("psc", "sessions", "--json").stdout) == []
    for call in workstation.provider.tell("calls"):
        workstation.provider.tell("answerCall", id=call["id"], agrees=False)


def test_a_login_that_is_refused_is_told(workstation) -> None:
    ran = workstation.run("psc_login.py", "--client", "stranger")
    assert ran.status == 1
    assert "[client-refused]" in ran.error
