"""What refusals about mailboxes look like: rows of the table in `problems`, whose sentences mail programs show too."""

from __future__ import annotations

from typing import Final

from agent.api.rows import Problem
from agent.services.mssante import errors


def _row(status: int, layer: str, title: str, error: type[errors.MailError]) -> Problem:
    return Problem(status, error.code, layer, title, error.text, error.text_fr)


ROWS: Final[dict[type[BaseException], Problem]] = {
    errors.MailError: _row(503, "service", "Mailbox closed", errors.MailError),
    errors.MailboxUnknownError: _row(404, "call", "No such mailbox", errors.MailboxUnknownError),
    errors.LoginNeededError: _row(409, "person", "Not logged in for this mailbox", errors.LoginNeededError),
    errors.OtherPersonError: _row(403, "person", "Another professional's mailbox", errors.OtherPersonError),
    errors.BridgePortError: Problem(
        503, "mail-port-taken", "agent", "Port of the mailboxes taken",
        "Another program holds a port that mail programs come to. End it, or set mail_imap_port and mail_smtp_port.",
        "Un autre logiciel occupe un port destiné aux logiciels de messagerie. Fermez-le, ou réglez mail_imap_port et "
        "mail_smtp_port.",
    ),
    errors.TokenNotRefreshedError: _row(503, "service", "No fresh token", errors.TokenNotRefreshedError),
}  # fmt: skip
"""Those that a call of the API can meet; the bridge tells the others to mail programs alone."""
