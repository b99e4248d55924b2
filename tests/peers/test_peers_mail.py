"""The mailbox from an example: by a token of the agent's, and through the bridge as an old mail program does."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

ADDRESS = "camille@medecin.mssante.example"
LISTED = {"messages": "1", "subject": "Compte rendu"}


@pytest.fixture(autouse=True)
def nobody_stays(workstation) -> Iterator[None]:
    """Every session ends with its test."""
    yield
    for session in json.loads(workstation.command("psc", "sessions", "--json").stdout):
        assert workstation.command("psc", "logout", session["id"]).returncode == 0


def test_by_a_token(workstation) -> None:
    assert workstation.run("psc_login.py", "--client", "logiciel").status == 0
    server = ("--host", workstation.mail.imap.host, "--authority", str(workstation.mail.imap.authority))
    ran = workstation.run("read_mail.py", "--mailbox", "camille", *server)
    assert (ran.status, ran.facts) == (0, LISTED), ran.error
    ran = workstation.run("read_mail.py", "--mailbox", "camille", "--host", workstation.mail.imap.host)
    assert (ran.status, "certificate verify failed" in ran.error) == (1, True)
    ran = workstation.run("read_mail.py", "--mailbox", "nobody", *server)
    assert (ran.status, "refused" in ran.error) == (1, True)


def test_through_the_bridge(workstation) -> None:
    assert workstation.command("mail", "login", "camille").returncode == 0
    port = str(json.loads(workstation.command("mail", "start", "--json").stdout)["imapPort"])
    password = json.loads(workstation.command("mail", "password", "camille", "--json").stdout)["bridgePassword"]
    through = ("--mailbox", ADDRESS, "--bridge-port", port)
    ran = workstation.run("read_mail.py", *through, told=password)
    assert (ran.status, ran.facts) == (0, LISTED), ran.error
    assert workstation.command("mail", "logout", "camille").returncode == 0
    ran = workstation.run("read_mail.py", *through, told=password)
    assert (ran.status, ran.error.count("\n")) == (1, 1), ran.error
    assert "[UNAVAILABLE]" in ran.error
    assert workstation.command("mail", "stop").returncode == 0
    assert workstation.run("read_mail.py", *through, told=password).status == 1
