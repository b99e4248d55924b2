"""The flags of `cps-agent mail`."""

from __future__ import annotations

from argparse import ArgumentParser

from agent.commands.verbs import Lazy, add_verb, add_verbs
from agent.people.translations import translator

EXAMPLES = (
    "cps-agent mail start",
    "cps-agent mail password camille",
    "cps-agent mail login camille",
    "cps-agent mail login camille --way ciba --channel MOBILE",
    "cps-agent mail logout camille",
)
CHANNELS = ("MOBILE", "CARD")


def add_mail(parser: ArgumentParser, lazy: Lazy) -> None:
    """Give the command its verbs; without one it shows how things stand. `lazy` makes a runner of module:function."""
    _ = translator()
    verbs = add_verbs(parser, EXAMPLES)
    add_verb(verbs, "status", _("show the mailboxes, and where mail programs find them"), lazy("mail:run_status"))
    add_verb(verbs, "start", _("let mail programs in, until the agent stops"), lazy("mail:run_start"))
    add_verb(verbs, "stop", _("let no mail program in, and end what is open"), lazy("mail:run_stop"))
    password = add_verb(
        verbs, "password", _("make a password for your mail program, and show it once"), lazy("mail:run_password")
    )
    password.add_argument("--remove", action="store_true", help=_("end the password that there is, and make none"))
    login = add_verb(verbs, "login", _("open the mailbox with Pro Santé Connect"), lazy("mail:run_login"))
    login.add_argument("--way", choices=("browser", "ciba"), default="browser", help=_("default: %(default)s"))
    login.add_argument("--channel", choices=CHANNELS, help=_("with ciba: the phone, or the card"))
    logout = add_verb(verbs, "logout", _("close the mailbox"), lazy("mail:run_logout"))
    for verb in (password, login, logout):
        verb.add_argument("mailbox", metavar=_("MAILBOX"), help=_("its name or address: see cps-agent mail"))
