"""Pro Santé Connect from an example and from the command line: a person logs in with a browser, mTLS by the structure."""

from __future__ import annotations

import json

from support.oidc_provider import DOCTOR

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
    assert workstation.command("psc", "logout", "logiciel").returncode == 0
    assert workstation.command("psc", "token", "logiciel").returncode != 0


def test_a_login_that_is_refused_is_told(workstation) -> None:
    ran = workstation.run("psc_login.py", "--client", "stranger")
    assert ran.status == 1
    assert "[client-refused]" in ran.error
