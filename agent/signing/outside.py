"""Whom workers and the verification may ask, out of the settings."""

from __future__ import annotations

from agent.certificates.authority_files import read_authorities
from agent.certificates.trust import FOLDER
from agent.settings import Settings
from agent.signing.preparation import Outside


def describe_outside(settings: Settings) -> Outside:
    """The time-stamp authority, who vouches for it, and the hosts of evidence."""
    hosts = (*settings.revocation_hosts, *settings.timestamp_hosts) if settings.revocation else ()
    paths = (*settings.timestamp_authorities, *settings.test_authorities)
    return Outside(
        timestamp_url=settings.timestamp_url,
        timestamp_authorities_der=tuple(authority.der for authority in read_authorities(paths)),
        hosts=hosts,
        folder=str(settings.data_dir / FOLDER),
    )
