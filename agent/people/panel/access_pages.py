"""The pages about others: who may do what with the card, and who did."""

from __future__ import annotations

from collections.abc import Iterable
from gettext import NullTranslations
from itertools import groupby

from agent.client import AgentProblemError, Client, Json
from agent.people.panel import service_words
from agent.people.panel.sections import Button, Context, Deed, Line, Section, moment_words, only_told, shown
from agent.people.plain_text import display_asker
from agent.people.tray.state import Condition, parse_moment
from agent.people.tray.wording import condition_words

MAX_ENTRIES = 200
PAGE_KIND = "page"
STATE = "state"


def grants_page(client: Client, context: Context) -> tuple[Section, ...]:
    """One section for each grant, with its button; and the callers that were refused."""
    words = context.words
    sections = [grant_section(grant, words) for grant in client.grants()]
    if not sections:
        sections.append(Section(words.gettext("No site and no program may use the card without asking you first.")))
    refused = _count_denials(client)
    if refused:
        title = words.ngettext("%d refused requester", "%d refused requesters", refused) % refused
        text = words.gettext("What you refuse cannot be asked again for ten minutes.")
        button = Button(words.gettext("Let them ask again"), Deed.ALLOW)
        sections.append(Section(title, (Line("", text),), (button,)))
    return tuple(sections)


def _count_denials(client: Client) -> int:
    """None where the agent cannot tell: an older one knows no such route, and the rest is worth showing without it."""
    try:
        return client.denials()
    except AgentProblemError:
        return 0


def grant_section(grant: Json, words: NullTranslations) -> Section:
    """Who, what, until when."""
    caller = display_asker(str(grant.get("caller", "")), is_page=grant.get("kind") == PAGE_KIND)
    until = words.gettext("until the agent stops")
    if not grant.get("untilStop"):
        until = words.gettext("until {date}").format(date=moment_words(grant.get("expiresAt"), words))
    return Section(
        title=caller,
        lines=only_told(
            (
                words.gettext("What asks"),
                words.gettext("a site")
                if grant.get("kind") == PAGE_KIND
                else words.gettext("a program of this computer"),
            ),
            (words.gettext("It may"), ability_words(_for_any_card(grant), words)),
            *((words.gettext("With one card"), _card_words(each, words)) for each in grant.get("cards") or ()),
            (words.gettext("For how long"), until),
            (words.gettext("Allowed on"), moment_words(grant.get("createdAt"), words, time=True)),
        ),
        buttons=(
            Button(
                words.gettext("Take back"),
                Deed.REVOKE,
                str(grant.get("id", "")),
                words.gettext("Take back what {caller} may do with your card?").format(caller=caller),
            ),
        ),
    )


def _for_any_card(grant: Json) -> list[str]:
    for_one = {each.get("ability") for each in grant.get("cards") or ()}
    return [ability for ability in grant.get("abilities") or () if ability not in for_one]


def _card_words(each: Json, words: NullTranslations) -> str:
    """What it may do with one card alone."""
    ability = ability_words([str(each.get("ability", ""))], words)
    return words.gettext("{name}: {text}").format(name=shown(each.get("cardNumber"), 40), text=ability)


def ability_words(abilities: Iterable[str], words: NullTranslations) -> str:
    """What somebody may do, in a few words each."""
    known = {
        "identity": words.gettext("read who you are"),
        "authenticate": words.gettext("log you in"),
        "sign": words.gettext("have documents signed"),
        "sign-raw": words.gettext("have data signed that cannot be shown"),
        "batch": words.gettext("have many documents signed at once"),
        "gateway": words.gettext("call health services in your name"),
        "events": words.gettext("know when a card is inserted or removed"),
        "use-authentication-key": words.gettext("use your authentication key for anything"),
        "use-signature-key": words.gettext("use your signature key for anything"),
        "read-private-data": words.gettext("read the private data of your card"),
    }
    return ", ".join(known.get(ability, shown(ability, 40)) for ability in abilities)


def journal_page(client: Client, context: Context) -> tuple[Section, ...]:
    """A section for each day, newest first; in it a line for each use and each refusal."""
    entries = client.journal(MAX_ENTRIES)
    if not entries:
        return (Section(context.words.gettext("Nothing has happened yet.")),)
    days = groupby(entries, lambda entry: moment_words(entry.get("lastAt"), context.words))
    return tuple(Section(day, tuple(journal_line(one, context.words) for one in group)) for day, group in days)


def journal_line(entry: Json, words: NullTranslations) -> Line:
    """The time, and who did what with what result."""
    moment = parse_moment(entry.get("lastAt"))
    return Line(f"{moment.astimezone():%H:%M}" if moment else "?", _entry_words(entry, words))


def _entry_words(entry: Json, words: NullTranslations) -> str:
    if entry.get("action") == STATE:
        return _state_words(entry, words)
    count = entry.get("count") or 1
    text = words.gettext("{caller}: {action}: {outcome}").format(
        caller=_caller_words(str(entry.get("caller", ""))),
        action=_action_words(str(entry.get("action")), words),
        outcome=outcome_words(str(entry.get("outcome")), words),
    )
    if count > 1:
        text += ", " + words.ngettext("%d time", "%d times", count) % count
    if entry.get("subject"):  # the caller's own words, last: nothing that follows can seem to be ours
        text += f" ({shown(entry['subject'], 120)})"
    return text


def _state_words(entry: Json, words: NullTranslations) -> str:
    """What the agent has seen of a reader, or of the desk as a whole."""
    outcome = str(entry.get("outcome"))
    known = outcome in list(Condition)
    text = condition_words(Condition(outcome), words) if known else shown(outcome, 60)
    if not entry.get("subject"):
        return text
    return words.gettext("{name}: {text}").format(name=shown(entry["subject"], 120), text=text)


def _caller_words(caller: str) -> str:
    return display_asker(caller, is_page=caller.startswith(("https://", "http://")))


def _action_words(action: str, words: NullTranslations) -> str:
    return {
        "read-status": words.gettext("look at the state"),
        "list-readers": words.gettext("look at the readers"),
        "read-cards": words.gettext("read the identity on the card"),
        "read-card": words.gettext("read the card"),
        "read-situations": words.gettext("read the activity situations on the card"),
        "list-certificates": words.gettext("read the certificates"),
        "certificate-state": words.gettext("state of the certificate"),
        "read-directory": words.gettext("look somebody up in the Annuaire Santé"),
        "list-means": words.gettext("read the means of identification"),
        "forget-certificates": words.gettext("have known cards and certificates forgotten"),
        "list-journal": words.gettext("read this journal"),
        "grant": words.gettext("ask to be allowed"),
        "list-grants": words.gettext("look at what is allowed"),
        "read-grant": words.gettext("look at what is allowed"),
        "revoke": words.gettext("take back what was allowed"),
        "verify-pin": words.gettext("check the code"),
        "change-pin": words.gettext("change the code"),
        "unblock-pin": words.gettext("unblock the code"),
        "lock-pin": words.gettext("forget the code"),
        "read-denials": words.gettext("look at what was refused"),
        "lift-denials": words.gettext("let those who were refused ask again"),
        "authenticate": words.gettext("log in"),
        "sign": words.gettext("sign"),
        "sign-digests": words.gettext("sign documents that were not seen here"),
        "sign-batch": words.gettext("sign a batch of documents"),
        "sign-batch-digests": words.gettext("sign a batch of documents, some of them not seen here"),
        "make-batch": words.gettext("prepare a batch"),
        "list-batches": words.gettext("look at the batches"),
        "read-batch": words.gettext("look at a batch"),
        "cancel-batch": words.gettext("cancel a batch"),
        "start-batch": words.gettext("start a batch"),
        "stop-batch": words.gettext("stop a batch"),
        "add-to-batch": words.gettext("add a document to a batch"),
        "read-batch-signature": words.gettext("take a signature of a batch"),
        "sign-submission": words.gettext("sign documents for the DMP"),
        "sign-vihf": words.gettext("identify you to the DMP"),
        "sign-insi": words.gettext("identify you to the INSi service"),
        "open-dmp": words.gettext("open a page of the DMP in your browser"),
        "verify": words.gettext("verify signatures"),
        "list-psc-sessions": words.gettext("look at the logins with Pro Santé Connect"),
        "psc-token": words.gettext("take a token of Pro Santé Connect"),
        "psc-exchange": words.gettext("take a token for another service"),
        "psc-logout": words.gettext("log out of Pro Santé Connect"),
        "list-software": words.gettext("look at the software certificates"),
        "list-products": words.gettext("look at what can be ordered"),
        "list-orders": words.gettext("look at the orders of certificates"),
        "order-certificate": words.gettext("order a certificate"),
        "deliver-certificate": words.gettext("take in a certificate that was ordered"),
        "cancel-order": words.gettext("give up the order of a certificate"),
        "keep-certificate": words.gettext("keep a certificate here"),
        "remove-certificate": words.gettext("remove a certificate"),
        "read-mail": words.gettext("look at the mailboxes"),
        "start-mail-bridge": words.gettext("let mail programs come to the mailboxes"),
        "stop-mail-bridge": words.gettext("let no mail program come to the mailboxes any more"),
        "give-mail-bearer": words.gettext("open a mailbox"),
        "make-mail-password": words.gettext("make a password for mail programs"),
        "forget-mail-password": words.gettext("end the password for mail programs"),
        "open-mail": words.gettext("open a mailbox as a mail program"),
        "events": words.gettext("follow what happens"),
        "door": words.gettext("use the card by PKCS#11"),
        "card-pulled": words.gettext("card removed while the program was logged in with it"),
        "ignore-pin": words.gettext("send a code by PKCS#11, which was ignored"),
        "use-authentication-key": words.gettext("use the authentication key by PKCS#11"),
        "use-signature-key": words.gettext("use the signature key by PKCS#11"),
        "read-private-data": words.gettext("read private data of the card by PKCS#11"),
        **service_words.action_words(words),
    }.get(action, shown(action, 60))


def outcome_words(outcome: str, words: NullTranslations) -> str:
    """How it ended. A code without words here is shown as it is: somebody may look it up."""
    return {
        "ok": words.gettext("done"),
        "pin-wrong": words.gettext("the code was wrong"),
        "pin-blocked": words.gettext("the code is blocked"),
        "pin-refused": words.gettext("the code was not given"),
        "grant-required": words.gettext("not allowed"),
        "grant-refused": words.gettext("you refused, or did not answer"),
        "origin-refused": words.gettext("such a page is never let in"),
        "host-refused": words.gettext("such an address is never let in"),
        "peer-refused": words.gettext("the caller is no program of yours"),
        "token-refused": words.gettext("the program did not show the agent's token"),
        "card-absent": words.gettext("no card"),
        "card-removed": words.gettext("the card was removed"),
        "card-busy": words.gettext("another program had the card"),
        "reader-absent": words.gettext("no reader"),
        "reader-exclusive": words.gettext("another program kept the reader"),
        "service-stopped": words.gettext("the smart card service was stopped"),
        "certificate-expired": words.gettext("the certificate has expired"),
        "certificate-revoked": words.gettext("the certificate is revoked"),
        "revoked": words.gettext("the certificate is revoked"),
        "not-supported": words.gettext("the card cannot do that"),
        "bad-request": words.gettext("the request made no sense"),
        "too-many-requests": words.gettext("too many questions at once"),
        "reader-removed": words.gettext("the reader was unplugged"),
        "card-mute": words.gettext("the card did not answer"),
        "card-unknown": words.gettext("the card is no CPS card, or cannot be read"),
        "card-update-unfinished": words.gettext("an update of the card is unfinished"),
        "pin-uncertain": words.gettext("the code has perhaps been changed"),
        "module-absent": words.gettext("no PKCS#11 library for this card"),
        "module-crashed": words.gettext("the PKCS#11 library failed"),
        "module-timeout": words.gettext("the PKCS#11 library did not answer in time"),
        "key-refused": words.gettext("the agent does not lend this key for that"),
        "portal-unset": words.gettext("the address of the DMP is not set"),
        "storage-failed": words.gettext("the agent could not write its data"),
        "body-too-large": words.gettext("the request was too large"),
        "unsupported-media": words.gettext("the request made no sense"),
        "not-found": words.gettext("what was asked for does not exist"),
        "structure-refused": words.gettext("the structure is not on the card, or not the only one"),
        "document-refused": words.gettext("the document cannot be signed like that"),
        "timestamp-unset": words.gettext("no time-stamp authority is set"),
        "timestamp-failed": words.gettext("the time-stamp authority gave no time-stamp that holds"),
        "evidence-missing": words.gettext("proof that no certificate is revoked could not be had"),
        "signing-failed": words.gettext("the part of the agent that writes signatures stopped"),
        "batch-incomplete": words.gettext("contents were missing"),
        "batch-state": words.gettext("the batch was not at this point"),
        "batch-unsigned": words.gettext("not signed yet"),
        "batch-room": words.gettext("the batches were too large"),
        "batch-other-card": words.gettext("another card than the one that began"),
        "batch-stopped": words.gettext("stopped by you, or by the locked screen"),
        "digest-mismatch": words.gettext("another content than announced"),
        "cancelled": words.gettext("cancelled"),
        "file-refused": words.gettext("the file holds no key and certificate that can be used"),
        "key-store-unavailable": words.gettext("the key store was closed"),
        "directory-off": words.gettext("the Annuaire Santé is not consulted on this workstation"),
        "directory-key-absent": words.gettext("no API key for the Annuaire Santé"),
        "directory-key-unreadable": words.gettext("the key store was closed"),
        "directory-key-refused": words.gettext("the Annuaire Santé refused the API key"),
        "directory-unavailable": words.gettext("the Annuaire Santé was out of reach"),
        "directory-busy": words.gettext("the Annuaire Santé was asked too often"),
        "directory-unreadable": words.gettext("the Annuaire Santé's answer made no sense"),
        "directory-card-only": words.gettext("a site may look up the card's holder only"),
        "client-refused": words.gettext("this program may not use that software's access"),
        "psc-login-open": words.gettext("a login was already open"),
        "psc-login-refused": words.gettext("the login was refused or given up"),
        "psc-login-timeout": words.gettext("the login was not finished in time"),
        "browser-unavailable": words.gettext("no browser could be opened"),
        "psc-port-taken": words.gettext("another program held the port of the login"),
        "psc-issuer-mixed-up": words.gettext("the answer named another issuer"),
        "psc-token-refused": words.gettext("the issuer's answer did not hold"),
        "psc-acr-too-low": words.gettext("the login was too weak"),
        "psc-login-stale": words.gettext("the browser's earlier login was used"),
        "psc-other-person": words.gettext("somebody else's card was in the reader"),
        "psc-ciba-absent": words.gettext("the issuer offers no login on a phone"),
        "psc-nobody-named": words.gettext("the card named nobody"),
        "psc-login-abandoned": words.gettext("the person left before the login was made"),
        "psc-audience-refused": words.gettext("an API that this software is not set up for"),
        "psc-secret-absent": words.gettext("no secret was kept for this software"),
        "psc-certificate-unset": words.gettext("no certificate was named for this software"),
        "psc-session-ended": words.gettext("the session had ended"),
        "psc-unreachable": words.gettext("Pro Santé Connect was out of reach"),
        "psc-answer-refused": words.gettext("the issuer's answer made no sense"),
        "psc-refused": words.gettext("Pro Santé Connect refused"),
        "mailbox-unknown": words.gettext("no such mailbox is set up here"),
        "mail-password-wrong": words.gettext("the mailbox's name or password was wrong"),
        "mail-failed": words.gettext("the mailbox could not be opened"),
        "mail-login-needed": words.gettext("nobody was logged in for the mailbox"),
        "mail-token-not-refreshed": words.gettext("Pro Santé Connect did not renew the login"),
        "mail-other-person": words.gettext("another professional was logged in"),
        "mail-token-rejected": words.gettext("the mail server refused the login"),
        "mail-server-unreachable": words.gettext("the mail server did not answer"),
        "mail-server-certificate": words.gettext("the mail server could not prove its identity"),
        "mail-too-many-connections": words.gettext("too many connections to mailboxes were open"),
        "mail-port-taken": words.gettext("another program holds the port of the mailboxes"),
        "internal-error": words.gettext("the agent failed"),
        **service_words.outcome_words(words),
    }.get(outcome, shown(outcome, 60))
