"""List the subjects of an MSSanté mailbox, with the professional's Pro Santé Connect session.

Either this program speaks to the operator itself, with a token that the agent gives (--host), or it speaks plain IMAP to
the agent's bridge, as any mail program can (--bridge-port, with the bridge's password by standard input).
"""

import argparse
import email
import email.policy
import imaplib
import ssl
import sys

from local_agent import Agent, RefusedError, add_folder, run


def open_by_token(arguments):
    """SASL XOAUTH2: the agent gives the string; imaplib encodes it."""
    bearer = Agent(arguments.data_dir).ask("POST", f"/v1/mssante/{arguments.mailbox}/bearer", {})
    context = ssl.create_default_context(cafile=arguments.authority)
    host, _, port = arguments.host.rpartition(":")
    connection = imaplib.IMAP4_SSL(host, int(port), ssl_context=context)
    told = f"user={bearer['user']}\x01auth=Bearer {bearer['accessToken']}\x01\x01"
    return log_in(connection, lambda: connection.authenticate("XOAUTH2", lambda _: told.encode()))


def open_by_bridge(arguments):
    """The bridge takes the mailbox's address and a password of its own, and logs in by itself."""
    connection = imaplib.IMAP4("127.0.0.1", arguments.bridge_port)
    return log_in(connection, lambda: connection.login(arguments.mailbox, sys.stdin.readline().rstrip("\n")))


def log_in(connection, by):
    """Give the connection once its login is done; hang up where it is refused."""
    try:
        by()
    except BaseException:
        connection.shutdown()
        raise
    return connection


def list_subjects(connection):
    """Each subject of the inbox, read without marking anything as seen."""
    answer, told = connection.select("INBOX", readonly=True)
    if answer != "OK":
        raise connection.error(told[0])
    _, (numbers,) = connection.search(None, "ALL")
    for number in numbers.split():
        _, parts = connection.fetch(number, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        yield email.message_from_bytes(parts[0][1], policy=email.policy.default)["Subject"]


def work(arguments):
    """Open the mailbox, and print what is in it."""
    try:
        connection = open_by_bridge(arguments) if arguments.bridge_port else open_by_token(arguments)
        with connection:
            subjects = list(list_subjects(connection))
    except (OSError, imaplib.IMAP4.error) as error:
        told = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else error
        raise RefusedError(f"the mailbox does not open: {told}") from error
    print("messages:", len(subjects))
    for subject in subjects:
        print("subject:", subject)


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folder(parser)
    parser.add_argument(
        "--mailbox", required=True, help="its name in the agent's file of services; address for the bridge"
    )
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--host", metavar="HOST:PORT", help="the operator's IMAP server, over TLS")
    way.add_argument("--bridge-port", type=int, metavar="PORT", help="the bridge's port on this workstation")
    parser.add_argument("--authority", metavar="FILE", help="authorities of the server in PEM (IGC-Santé)")
    arguments = parser.parse_args()
    run(lambda: work(arguments))


if __name__ == "__main__":
    main()
