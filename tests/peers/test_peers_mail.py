"""The mailbox from an example: by a token of the agent's, and through the bridge as an old mail program does."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

ADDRESS = "camille@medecin.mssante.example"
LISTED = {"messages": "1", "subject": "Compte rendu"}


@pytest.fixture(autouse=True)
def session(workstation) -> Iterator[None]:
    """The professional is logged in, and logged out afterwards."""
    assert workstation.run("psc_login.py", "--client", "logiciel").status == 0
    yield
    assert workstation.command("psc", "logout", "logiciel").returncode == 0


def test_by_a_token(workstation) -> None:
    server = ("--host", workstation.mail.imap.host, "--authority", str(workstation.mail.imap.authority))
    ran = workstation.run("read_mail.py", "--mailbox", "camille", *server)
    assert (ran.status, ran.facts) == (0, LISTED), ran.error
    ran = workstation.run("read_mail.py", "--mailbox", "camille", "--host", workstation.mail.imap.host)
    assert (ran.status, "certificate verify failed" in ran.error) == (1, True)
    ran = workstation.run("read_mail.py", "--mailbox", "nobody", *server)
    assert (ran.status, "refused" in ran.error) == (1, True)


def test_through_the_bridge(workstation) -> None:
    port = str(json.loads(workstation.command("mail", "start", "--json").stdout)["imapPort"])
    password = json.loads(workstation.command("mail", "password", "camille", "--json").stdout)["bridgePassword"]
    through = ("--mailbox", ADDRESS, "--bridge-port", port)
    ran = workstation.run("read_mail.py", *through, told=password)
    assert (ran.status, ran.facts) == (0, LISTED), ran.error
    assert workstation.command("mail", "stop").returncode == 0
    assert workstation.run("read_mail.py", *through, told=password).status == 1
