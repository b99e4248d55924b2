"""Dovecot 2.3 as a program of the test: IMAP over TLS, logins by XOAUTH2 alone, tokens looked up at the test's own endpoint.

It lets every holder of a good token into whatever mailbox is named: that a mailbox opens for one person alone is for
the agent to see to, and no refusal of the server's is to hide that it did not.
"""

from __future__ import annotations

import contextlib
import getpass
import grp
import json
import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.openssl import openssl
from support.waiting import wait_until

ANYBODY = "anybody"
"""What Dovecot compares with `username_attribute`: the same for all, so that it compares nothing."""

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.key
ssl_min_protocol = TLSv1.2
auth_mechanisms = xoauth2
auth_failure_delay = 0
auth_verbose = yes
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%u
mail_fsync = never
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {folder}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid={mail_user} gid={mail_group} home={folder}/mail/%u
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""
OAUTH2 = """
introspection_mode = auth
introspection_url = http://127.0.0.1:{port}/introspect
username_attribute = name
username_format = {anybody}
active_attribute = active
active_value = true
"""


@dataclass
class Dovecot:
    """A running server. `accepts`: whether a token is good now; `asked`: those that came; `on_ask`: called at each."""

    folder: Path
    port: int
    accepts: Callable[[str], bool]
    asked: list[str] = field(default_factory=list)
    on_ask: Callable[[], object] | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def authority(self) -> Path:
        """The authority of its certificate, for `test_authorities`."""
        return self.folder / "server.pem"

    def deliver(self, mailbox: str, subject: str) -> None:
        """Put a message into an inbox, as the mail system would."""
        inbox = self.folder / "mail" / mailbox / "new"
        inbox.mkdir(parents=True, exist_ok=True)
        (inbox / f"1.{subject}.test").write_text(f"From: a@b.example\nSubject: {subject}\n\n{subject}\n")
        _give(self.folder / "mail", _mail_user())

    def log(self) -> str:
        return (self.folder / "dovecot.log").read_text()


@contextlib.contextmanager
def dovecot(folder: Path, accepts: Callable[[str], bool]) -> Iterator[Dovecot]:
    """Serve until the block ends. The folder is made, short: Dovecot's sockets stand in it."""
    folder.mkdir()
    folder.chmod(0o755)
    make_certificate(folder)
    (folder / "mail").mkdir()
    with _reserved_port() as own_port, contextlib.ExitStack() as stack:
        server = Dovecot(folder, own_port, accepts)
        port = stack.enter_context(_introspection(server))
        _configure(server, port)
        with _run(server):
            yield server


@contextlib.contextmanager
def _reserved_port() -> Iterator[int]:
    """A port that nobody is given for an outgoing connection meanwhile, and that whoever asks may still listen on."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


def make_certificate(folder: Path, names: str = "DNS:localhost,IP:127.0.0.1") -> None:
    make = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    subject = ("-subj", "/CN=mail of the test", "-addext", f"subjectAltName={names}")
    openssl(folder, *make, *subject, "-keyout", "server.key", "-out", "server.pem")


def _configure(server: Dovecot, introspection_port: int) -> None:
    own, mail = getpass.getuser(), _mail_user()
    if os.geteuid() == 0:
        own = "dovenull"
    text = CONFIGURATION.format(
        folder=server.folder,
        port=server.port,
        user=own,
        group=_group(own),
        mail_user=mail,
        mail_group=_group(mail),
    )
    (server.folder / "dovecot.conf").write_text(text)
    (server.folder / "oauth2.conf").write_text(OAUTH2.format(port=introspection_port, anybody=ANYBODY))
    _give(server.folder / "mail", mail)


@contextlib.contextmanager
def _run(server: Dovecot) -> Iterator[None]:
    program = shutil.which("dovecot", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "install dovecot-imapd"
    process = subprocess.Popen([program, "-F", "-c", str(server.folder / "dovecot.conf")])
    try:
        wait_until(lambda: process.poll() is not None or _answers(server.port), "Dovecot")
        assert process.poll() is None, server.log()
        yield
    finally:
        process.terminate()
        process.wait(15)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


@contextlib.contextmanager
def _introspection(server: Dovecot) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            server.asked.append(token)
            if server.on_ask is not None:
                server.on_ask()
            good = server.accepts(token)
            body = json.dumps({"active": good, "name": ANYBODY} if good else {"active": False}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    endpoint = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint.daemon_threads = True
    thread = threading.Thread(target=endpoint.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield endpoint.server_address[1]
    finally:
        endpoint.shutdown()
        endpoint.server_close()
        thread.join(5)


def _mail_user() -> str:
    """Dovecot opens no mailbox as root."""
    return "dovecot" if os.geteuid() == 0 else getpass.getuser()


def _group(user: str) -> str:
    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


def _give(folder: Path, user: str) -> None:
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, user, _group(user))
