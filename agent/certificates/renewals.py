"""Which software certificates are to be ordered again: 60 days before they end, with the order filled in already."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.certificates.orders import Order
from agent.certificates.products import Product, find_renewed
from agent.certificates.requests import OrderSubject
from drivers.card.names import OID_COMMON_NAME, OID_ORGANIZATION, OID_STATE, OID_UNIT, Name
from drivers.software.token import SoftwareKey

AHEAD = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Renewal:
    """A key to be renewed, and what to order: no product where the certificate is of another authority.

    `ordered`: the order that was placed for it already.
    """

    key: SoftwareKey
    product: Product | None
    subject: OrderSubject
    ordered: Order | None

    @property
    def expires_at(self) -> datetime:
        """The end of the certificate, in the past where it is too late."""
        return self.key.certificate.parsed.not_after


def list_renewals(keys: Iterable[SoftwareKey], orders: Iterable[Order], moment: datetime) -> tuple[Renewal, ...]:
    """Of each subject and role the last certificate, where it ends within 60 days or has ended; soonest first."""
    placed = {order.replaces: order for order in orders}
    last: dict[tuple[str, str], SoftwareKey] = {}
    for key in keys:
        if key.role is not None:
            mine = (key.certificate.group, key.role.value)
            last[mine] = max(last.get(mine, key), key, key=_end)
    due = (key for key in last.values() if _end(key) <= moment + AHEAD)
    return tuple(_renewal(key, placed.get(key.entry.id)) for key in sorted(due, key=_end))


def _end(key: SoftwareKey) -> datetime:
    return key.certificate.parsed.not_after


def _renewal(key: SoftwareKey, ordered: Order | None) -> Renewal:
    certificate = key.certificate.parsed
    subject = OrderSubject(
        place=_text(certificate.subject, OID_STATE),
        organisation=_text(certificate.subject, OID_ORGANIZATION),
        structure_id=_text(certificate.subject, OID_UNIT),
        common_name=_text(certificate.subject, OID_COMMON_NAME),
    )
    issuer = _text(certificate.issuer, OID_COMMON_NAME)
    product = find_renewed(issuer, key.role, subject.common_name) if key.role is not None else None
    return Renewal(key, product, subject, ordered)


def _text(name: Name, oid: str) -> str:
    return next(iter(name.texts(oid)), "")
