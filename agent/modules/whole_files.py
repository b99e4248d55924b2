"""Files that are the agent's as a whole: a policy of Chromium's kin, authorities as PEM, and p11-kit's module file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from agent.modules.authorities import Authority
from agent.modules.files import read_text, remove_file, write_file
from agent.modules.record import Record
from agent.modules.surroundings import Surroundings
from agent.modules.values import Action, Finding, Kind, ModulesError, Place, State, Step, Target, Trouble

POLICY: Final = "AutoSelectCertificateForUrls"
AUTHORITIES: Final = "etc/cps-agent/authorities"
FILE: Final = "cps-agent.json"
BROWSERS: Final = (
    ("Chromium", "etc/chromium", ("usr/bin/chromium", "usr/bin/chromium-browser")),
    ("Chrome", "etc/opt/chrome", ("opt/google/chrome",)),
    ("Edge", "etc/opt/edge", ("opt/microsoft/msedge",)),
    ("Brave", "etc/brave", ("opt/brave.com",)),
)
"""Where each has its policies, and what tells that it is installed."""


class WholeFile(Target):
    """A file whose content is given; `content` None: nothing is wanted, and what is there is left until removal."""

    def __init__(self, place: Place, content: str | None, detail: str, record: Record) -> None:
        self.place = place
        self._content = content
        self._detail = detail
        self._record = record

    def look(self) -> Finding:
        """See Target."""
        try:
            content = read_text(self.place.path)
            rival = self._find_rival()
        except ModulesError as error:
            return Finding(self.place, State.IMPOSSIBLE, error.trouble, error.detail)
        if content is not None:
            return Finding(self.place, State.SET_UP if self._content in (None, content) else State.PARTLY)
        if rival:
            return Finding(self.place, State.IMPOSSIBLE, Trouble.FOREIGN, rival)
        return Finding(self.place, State.NOT_SET_UP)

    def plan_setup(self) -> Iterator[Step]:
        """See Target."""
        if self._content is None or read_text(self.place.path) == self._content:
            return
        rival = self._find_rival()
        if rival:
            raise ModulesError(Trouble.FOREIGN, rival)
        content = self._content
        yield Step(
            self.place, Action.WRITE_FILE, self._detail, lambda: write_file(self.place.path, content, self._record)
        )

    def plan_removal(self) -> Iterator[Step]:
        """See Target."""
        if self.place.path.exists() or self.place.path.is_symlink():
            yield Step(self.place, Action.REMOVE_FILE, "", lambda: remove_file(self.place.path, self._record))

    def _find_rival(self) -> str:
        """Another file of the folder with the same policy: the browser takes one of them, and drops the other."""
        if self.place.kind is not Kind.CHROMIUM_POLICY:
            return ""
        others = (path for path in sorted(self.place.path.parent.glob("*.json")) if path != self.place.path)
        return next((str(path) for path in others if POLICY in (read_text(path) or "")), "")


def chromium_policies(
    where: Surroundings, sites: tuple[str, ...], issuers: tuple[str, ...], record: Record
) -> Iterator[WholeFile]:
    """For each browser that is installed: at these sites it takes the certificate of these issuers without asking."""
    content = _auto_select(sites, issuers) if sites else None
    for name, folder, signs in BROWSERS:
        if any((where.machine / sign).exists() for sign in (folder, *signs)):
            place = Place(Kind.CHROMIUM_POLICY, where.machine / folder / "policies/managed" / FILE, owner=name)
            yield WholeFile(place, content, f"{POLICY}: {', '.join(sites)}", record)


def _auto_select(sites: Iterable[str], issuers: tuple[str, ...]) -> str:
    rules = [
        json.dumps({"pattern": site, "filter": {"ISSUER": {"CN": issuer}}}, ensure_ascii=False)
        for site in sites
        for issuer in issuers
    ]
    return json.dumps({POLICY: rules}, indent=2, ensure_ascii=False) + "\n"


def authority_files(
    where: Surroundings, authorities: Iterable[Authority], record: Record, *, wanted: bool
) -> Iterator[WholeFile]:
    """The authorities as files that Firefox's policy can name: those that are wanted, or there."""
    for authority in authorities:
        path = where.machine / AUTHORITIES / authority.file_name
        if wanted or path.exists():
            place = Place(Kind.FIREFOX_POLICY, path)
            yield WholeFile(place, authority.pem if wanted else None, authority.name, record)
