"""The workstation of the tests, for people: an agent with test cards, a DMP, an INSi, Pro Santé Connect and a mailbox.

Nobody answers its questions but the script; the examples run against it until Ctrl-C.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from support.dmp_service import PATIENT
from support.insi_service import LAURENT, SOFTWARE
from support.organisations import OrganisationKey, certify
from support.workstation import Workstation, open_workstation

from drivers.virtual.store import open_card


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        folder = Path(name, "data")
        open_card(folder).close()
        certify(folder, OrganisationKey.make("AUTH_CLI"))
        with open_workstation(Path(name), folder) as made:
            sys.stdout.write(
                "\n".join([f"The agent runs with --data-dir {folder}. Ctrl-C ends it all.", *write_lines(made)]) + "\n"
            )
            sys.stdout.flush()
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()


def write_lines(made: Workstation) -> Iterator[str]:
    """What to type in another terminal."""
    own, agent = f"{sys.executable} {Path(__file__).parent}", f"{sys.executable} -m agent"
    at, imap = f"--data-dir {made.folder}", made.mail.imap
    yield f"{agent} services {at}"
    yield f"{agent} services check dmp {at}"
    yield f"{own}/dmp_td02.py {at} --service dmp --ins {PATIENT} --ins-kind test --structure 499700002712005"
    traits = f"--name {LAURENT.family_name} --given-name LAURENT --sex M --born {LAURENT.born}"
    yield f"{own}/insi_search.py {at} --service insi --certificate {made.number} --software {SOFTWARE} {traits}"
    yield f"{own}/psc_login.py {at} --client logiciel --service psc --path me --certificate {made.number}"
    yield f"{own}/read_mail.py {at} --mailbox camille --host {imap.host} --authority {imap.authority}"
    yield f"{agent} journal {at}"


if __name__ == "__main__":
    main()
