"""What the routes and the event stream answer, as JSON Schema: the shapes that `views` and `problems` make."""

from __future__ import annotations

from typing import Any, Final

from agent.access.callers import CARD_ABILITIES, Ability, CallerKind
from agent.api import foreign_cards
from agent.cards.conditions import Condition
from agent.cards.events import EventType
from agent.certificates.identifiers import IdentifierKind, Key
from agent.certificates.revocation.verdict import Source, Status
from agent.certificates.states import StateName
from agent.services.catalog import Assertion, ClientCertificate
from agent.services.directory.values import MailboxKind
from agent.signing.batch import BatchState, ItemState
from agent.signing.verification import findings
from agent.signing.verification import messages as verification
from agent.signing.words import Format, Level
from drivers.base import KeyRole
from drivers.card.atr import CardFamily

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "integer"}
BOOLEAN: Final[Schema] = {"type": "boolean"}
TEXT_OR_NULL: Final[Schema] = {"type": ["string", "null"]}
NUMBER_OR_NULL: Final[Schema] = {"type": ["integer", "null"]}
CONDITION: Final[Schema] = {"enum": list(Condition)}
KIND: Final[Schema] = {"enum": list(CallerKind)}
FOREIGN_CARD: Final[Schema] = {"enum": [family.lower() for family in (*foreign_cards.NAMES, CardFamily.UNKNOWN)]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _record(properties: Schema, optional: Schema | None = None) -> Schema:
    """An object that has all of `properties`, and some of `optional`."""
    return {"type": "object", "required": list(properties), "properties": properties | (optional or {})}


def _texts(*names: str) -> Schema:
    return dict.fromkeys(names, TEXT)


def _or_null(schema: Schema) -> Schema:
    return schema | {"type": [schema["type"], "null"]}


PROBLEM = _record(
    _texts("type", "title", "code", "layer", "detail", "detailFr") | {"status": NUMBER},
    {"hint": TEXT, "triesLeft": NUMBER, "card": FOREIGN_CARD, "ability": {"enum": list(Ability)}, "document": TEXT}
    | {"reason": TEXT, "serviceStatus": NUMBER}
    | {"structures": _list(_record({"id": TEXT, "name": TEXT_OR_NULL, "sector": TEXT_OR_NULL}))},
)
PIN = _record({"state": {"enum": ["ready", "session", "blocked"]}, "triesLeft": NUMBER_OR_NULL})
CODED = _record({"code": TEXT, "label": TEXT_OR_NULL})
IDENTIFIER_KIND: Final[Schema] = {"enum": list(IdentifierKind)}
IDENTIFIER = _record({"kind": IDENTIFIER_KIND, "value": TEXT, "key": {"enum": list(Key)}})
STRUCTURE_ID: Final[Schema] = dict.fromkeys(("id", "number"), TEXT_OR_NULL) | {
    "kind": {"enum": [*IdentifierKind, None]},
    "key": {"enum": [*Key, None]},
}
STRUCTURE = _record({"name": TEXT_OR_NULL} | STRUCTURE_ID)
HOLDER = _record(
    dict.fromkeys(("familyName", "givenName", "title", "nationalId", "rpps"), TEXT_OR_NULL)
    | dict.fromkeys(("profession", "futureProfession", "speciality", "category"), _or_null(CODED))
    | {"structure": _or_null(STRUCTURE), "identifier": _or_null(IDENTIFIER)}
    | dict.fromkeys(("commonName", "principalName"), TEXT_OR_NULL)
)
SITUATION = _record(
    {
        "number": NUMBER,
        "name": TEXT_OR_NULL,
        "structure": _or_null(_record(STRUCTURE_ID)),
        "sector": _or_null(CODED),
    }
)
SITUATIONS = _list(_ref("Situation"))
CARD = _record(
    _texts("number", "kind", "generation", "access", "reader", "expiresAt")
    | {"label": TEXT_OR_NULL, "tokenId": TEXT_OR_NULL, "test": BOOLEAN, "holder": HOLDER, "pin": _or_null(PIN)}
    | {"situations": _or_null(SITUATIONS)}
)
READER = _record(
    {
        "name": TEXT,
        "state": {"enum": ["empty", "reading", "ready", "trouble"]},
        "condition": CONDITION,
        "trouble": _or_null(_record(_texts("code", "detail", "detailFr"), {"card": FOREIGN_CARD})),
    },
    dict.fromkeys(("cardNumber", "kind", "holderName", "expiresAt"), TEXT_OR_NULL)
    | {"revoked": _or_null(BOOLEAN), "pin": _or_null(PIN)},
)
SESSION = _record(_texts("id", "caller", "endsAt") | {"kind": KIND, "usesLeft": NUMBER}, _texts("cardNumber"))
DESK: Final[Schema] = {
    "condition": CONDITION,
    "service": {"enum": ["running", "stopped"]},
    "readers": _list(_ref("Reader")),
    "sessions": _list(_ref("Session")),
}
STATE = _record({"type": {"const": "state"}, **DESK})
EVENT = _record(
    {"type": {"enum": list(EventType)}, "reader": TEXT_OR_NULL},
    _texts("cardNumber", "code", "id", "caller")
    | {"condition": CONDITION, "kind": KIND}
    | dict.fromkeys(("signed", "failed", "left"), NUMBER),
)
STATE_OF_CERTIFICATE: Final[Schema] = {
    "state": {"enum": list(StateName)},
    "stateSince": TEXT_OR_NULL,
    "stateReason": TEXT_OR_NULL,
    "revocation": _record(
        {"status": {"enum": list(Status)}, "source": {"enum": [*Source, None]}}
        | dict.fromkeys(("producedAt", "nextUpdate"), TEXT_OR_NULL),
        _texts("revokedAt", "reason"),
    ),
}
CERTIFICATE = _record(
    _texts("cardNumber", "label", "keyId", "subject", "issuer", "serialNumber", "notBefore", "notAfter", "certificate")
    | {
        "source": {"enum": ["card", "software"]},
        "role": {"enum": list(KeyRole)},
        "chain": _or_null(_list(TEXT)),
    }
    | STATE_OF_CERTIFICATE
)
MEANS = _record(
    {"kind": {"enum": ["card", "e-cps", "software"]}, "state": {"enum": list(StateName)}, "present": BOOLEAN}
    | {"roles": _list(TEXT), "profession": _or_null(CODED)}
    | dict.fromkeys(
        ("number", "cardKind", "nationalId", "stateSince", "stateReason", "expiresAt", "seenAt", "errand"), TEXT_OR_NULL
    )
)
BEARER = _record(
    _texts("id", "name")
    | {"kind": {"enum": ["person", "structure"]}, "rpps": TEXT_OR_NULL, "test": BOOLEAN}
    | {"verdict": {"enum": ["enough", "unknown", "missing"]}, "means": _list(_ref("Means"))}
    | {"missing": _list(_record(_texts("what", "reason") | {"errand": TEXT_OR_NULL}))}
)
ROLES: Final = ["AUTH_CLI", "SIGN", "CONF", "SSL_SERV", "S/MIME"]
SOFTWARE_CERTIFICATE = _record(
    _texts(
        "id", "cardNumber", "label", "subject", "issuer", "serialNumber", "notBefore", "notAfter", "addedAt",
        "certificate",
    )
    | {
        "role": {"enum": [*ROLES, None]},
        "lent": {"enum": [*KeyRole, None]},
        "current": BOOLEAN,
        "structure": _or_null(_record(dict.fromkeys(("name", "id"), TEXT_OR_NULL))),
        "protection": {"enum": ["passphrase", "key-store"]},
    }
    | STATE_OF_CERTIFICATE
)  # fmt: skip
TLS = _record({"available": BOOLEAN, "tls13": BOOLEAN, "reason": TEXT_OR_NULL})
PAIR = _record(_texts("authentication", "signature") | {"sameName": BOOLEAN})
PRODUCT = _record(
    _texts("id", "range", "family", "role", "label", "labelFr", "name")
    | {"names": _list(TEXT), "usage": _list(TEXT), "purposes": _list(TEXT), "checked": BOOLEAN}
)
SUBJECT = _record(_texts("place", "organisation", "structureId", "commonName"))
ORDER = _record(
    _texts("id", "product", "protection", "createdAt", "request")
    | {"label": TEXT_OR_NULL, "labelFr": TEXT_OR_NULL, "subject": SUBJECT, "replaces": TEXT_OR_NULL}
)
RENEWAL = _record(
    _texts("certificate", "cardNumber", "expiresAt", "role")
    | {"product": TEXT_OR_NULL, "subject": SUBJECT, "ordered": TEXT_OR_NULL}
)
CARD_ABILITY = _record({"cardNumber": TEXT, "ability": {"enum": sorted(CARD_ABILITIES)}})
GRANT = _record(
    _texts("id", "caller", "createdAt", "expiresAt")
    | {"kind": KIND, "abilities": _list({"enum": list(Ability)}), "cards": _list(CARD_ABILITY), "untilStop": BOOLEAN}
)
TERMS: Final = _list(_record({"code": TEXT, "label": TEXT_OR_NULL}))
DIRECTORY_ENTRY = _record(
    _texts("rpps", "asOf")
    | {"stale": BOOLEAN, "found": BOOLEAN, "active": {"type": ["boolean", "null"]}}
    | {"names": _list(_record(dict.fromkeys(("familyName", "givenName", "title"), TEXT_OR_NULL)))}
    | {"professions": TERMS, "specialities": TERMS}
    | {
        "situations": _list(
            _record(
                dict.fromkeys(("name", "structureId", "finess", "siret", "siren"), TEXT_OR_NULL)
                | dict.fromkeys(("sector", "mode", "role"), _or_null(CODED))
            )
        ),
        "mailboxes": _list(
            _record(
                _texts("address", "kindLabel", "kindLabelFr")
                | {"kind": {"enum": [*MailboxKind, None]}}
                | dict.fromkeys(("structure", "service", "description"), TEXT_OR_NULL)
            )
        ),
        "cardNumber": TEXT_OR_NULL,
        "differences": _list(_record(_texts("member") | dict.fromkeys(("card", "directory"), TEXT_OR_NULL))),
    }
)
JOURNAL_ENTRY = _record(
    _texts("at", "lastAt", "action", "caller", "outcome")
    | {"id": NUMBER, "count": NUMBER}
    | dict.fromkeys(("through", "cardNumber", "subject"), TEXT_OR_NULL)
    | dict.fromkeys(("exchanges", "durationMs"), NUMBER_OR_NULL)
)
SIGNATURE = _record(_texts("name", "content", "certificate", "mediaType"))
SIGNER = _record(
    _texts("name")
    | dict.fromkeys(("kind", "nationalId"), TEXT_OR_NULL)
    | dict.fromkeys(("profession", "speciality"), _or_null(CODED))
    | {
        "structure": _or_null(STRUCTURE),
        "certificate": _record(_texts("subject", "issuer", "serialNumber", "notBefore", "notAfter")),
        "trusted": BOOLEAN,
        "test": BOOLEAN,
    }
)
VERIFIED_SIGNATURE = _record(
    {"valid": BOOLEAN, "status": {"enum": list(verification.Status)}, "format": {"enum": list(Format)}}
    | {"level": {"enum": [*Level, None]}, "signer": _or_null(SIGNER), "covers": _list(TEXT)}
    | dict.fromkeys(("claimedAt", "provenAt", "timestampAuthority"), TEXT_OR_NULL)
    | {"revocation": STATE_OF_CERTIFICATE["revocation"]}
    | _texts("sentence", "sentenceFr"),
    _texts("profile", "hint") | {"reason": {"enum": list(findings.Reason)}},
)
VERIFIED_DOCUMENT = _record(
    _texts("name") | {"signatures": _list(VERIFIED_SIGNATURE)},
    _texts("hint", "sentence", "sentenceFr") | {"reason": {"enum": list(verification.DocumentReason)}},
)
WEB_EID_TOKEN = _record(_texts("unverifiedCertificate", "algorithm", "signature", "format", "appVersion"))
BATCH = _record(
    {"id": TEXT, "state": {"enum": list(BatchState)}, "problem": {"oneOf": [_ref("Problem"), {"type": "null"}]}}
    | dict.fromkeys(("count", "signed", "failed", "left"), NUMBER)
)
BATCH_DOCUMENT = _record(
    {"name": TEXT, "state": {"enum": list(ItemState)}, "problem": BATCH["properties"]["problem"]}
    | dict.fromkeys(("needsContent", "seen"), BOOLEAN)
)
BATCH_IN_FULL = _record(BATCH["properties"] | {"documents": _list(BATCH_DOCUMENT)})
SERVICE = _record(
    _texts("name", "title", "url")
    | {"certificate": {"enum": list(ClientCertificate)}, "assertion": {"enum": [*Assertion, None]}}
    | {"methods": _list(TEXT), "localPort": NUMBER_OR_NULL, "confirmed": BOOLEAN}
)
CHANNEL = _record(
    _texts("service", "caller", "openedAt", "endsAt") | {"kind": KIND, "cardNumber": TEXT_OR_NULL, "requests": NUMBER}
)
PSC_PERSON = _record(
    {"nationalId": TEXT, "roles": _list(TEXT)} | dict.fromkeys(("familyName", "givenName", "sector"), TEXT_OR_NULL)
)
PSC_SESSION = _record(
    _texts("id", "client", "caller", "acr", "openedAt", "expiresAt")
    | {"own": BOOLEAN, "person": PSC_PERSON}
    | dict.fromkeys(("authMode", "cardNumber"), TEXT_OR_NULL)
)
MAIL_BRIDGE = _record({"running": BOOLEAN} | dict.fromkeys(("imapPort", "smtpPort"), NUMBER_OR_NULL))
MAILBOX = _record(
    _texts("address", "holder", "client"), {"hasPassword": BOOLEAN, "person": TEXT_OR_NULL, "connections": NUMBER}
)
CODE_STATE = _record({"cardNumber": TEXT_OR_NULL, "pin": PIN})

COMPONENTS: Final[dict[str, Schema]] = {
    "Problem": PROBLEM,
    "Reader": READER,
    "Card": CARD,
    "Situation": SITUATION,
    "Certificate": CERTIFICATE,
    "SoftwareCertificate": SOFTWARE_CERTIFICATE,
    "Product": PRODUCT,
    "Order": ORDER,
    "Renewal": RENEWAL,
    "Session": SESSION,
    "Means": MEANS,
    "Bearer": BEARER,
    "State": STATE,
    "Event": EVENT,
    "Grant": GRANT,
    "DirectoryEntry": DIRECTORY_ENTRY,
    "JournalEntry": JOURNAL_ENTRY,
    "Signature": SIGNATURE,
    "VerifiedDocument": VERIFIED_DOCUMENT,
    "Batch": BATCH,
    "BatchInFull": BATCH_IN_FULL,
    "WebEidToken": WEB_EID_TOKEN,
    "Service": SERVICE,
    "Channel": CHANNEL,
    "PscSession": PSC_SESSION,
}
ANSWERS: Final[dict[str, Schema]] = {
    "read-status": _record(_texts("name", "version"), DESK | {"refusedAuthorities": _list(TEXT), "tls": _or_null(TLS)}),
    "list-readers": _record({"readers": _list(_ref("Reader"))}),
    "read-cards": _record({"cards": _list(_ref("Card"))}),
    "read-card": _ref("Card"),
    "read-situations": _record({"situations": SITUATIONS}),
    "list-certificates": _record({"certificates": _list(_ref("Certificate"))}),
    "read-directory": _ref("DirectoryEntry"),
    "list-means": _record({"bearers": _list(_ref("Bearer"))}),
    "forget-certificates": _record({"forgotten": {"type": "object", "additionalProperties": NUMBER}}),
    "list-software": _record(
        {"certificates": _list(_ref("SoftwareCertificate")), "damaged": _list(TEXT), "pairs": _list(PAIR)}
    ),
    "list-products": _record({"products": _list(_ref("Product"))}),
    "list-orders": _record(
        {"orders": _list(_ref("Order")), "damaged": _list(TEXT), "renewals": _list(_ref("Renewal"))}
    ),
    "order-certificate": _ref("Order"),
    "deliver-certificate": _record({"certificates": _list(_ref("SoftwareCertificate"))}),
    "keep-certificate": _record({"certificates": _list(_ref("SoftwareCertificate"))}),
    "list-journal": _record({"entries": _list(_ref("JournalEntry"))}),
    "grant": _ref("Grant"),
    "list-grants": _record({"grants": _list(_ref("Grant"))}),
    "read-grant": _ref("Grant"),
    "verify-pin": CODE_STATE,
    "change-pin": CODE_STATE,
    "unblock-pin": CODE_STATE,
    "lock-pin": _record({"ended": NUMBER}),
    "read-denials": _record({"count": NUMBER}),
    "authenticate": {"oneOf": [_ref("WebEidToken"), _record({"session": _ref("PscSession")})]},
    "list-psc-sessions": _record({"sessions": _list(_ref("PscSession"))}),
    "psc-token": _record(_texts("accessToken", "expiresAt"), _texts("idToken")),
    "psc-exchange": _record(_texts("accessToken", "expiresAt")),
    "psc-logout": _record({"id": TEXT, "issuerTold": BOOLEAN}),
    "verify": _record({"documents": _list(_ref("VerifiedDocument"))}),
    "make-batch": _ref("Batch"),
    "list-batches": _record({"batches": _list(_ref("Batch"))}),
    "read-batch": _ref("BatchInFull"),
    "start-batch": _ref("Batch"),
    "stop-batch": _ref("Batch"),
    "read-batch-signature": _ref("Signature"),
    "list-gateway": _record({"services": _list(_ref("Service")), "channels": _list(_ref("Channel"))}),
    "close-channels": _record({"closed": NUMBER}),
    "sign": _record({"signatures": _list(_ref("Signature"))}),
    "sign-submission": _record({"signature": _ref("Signature")}),
    "sign-vihf": _record({"assertion": _ref("Signature")}),
    "sign-insi": _record({"assertion": _ref("Signature")}),
    "open-dmp": _record(
        {"link": TEXT, "opened": BOOLEAN}
        | {"needs": _list(_record({"browser": TEXT_OR_NULL} | _texts("code", "detail", "detailFr")))}
    ),
    "read-mail": _record({"bridge": MAIL_BRIDGE, "mailboxes": {"type": "object", "additionalProperties": MAILBOX}}),
    "start-mail-bridge": MAIL_BRIDGE,
    "give-mail-bearer": _record(_texts("user", "accessToken", "xoauth2", "expiresAt")),
    "make-mail-password": _record(_texts("user", "bridgePassword")),
}
"""By the names of the routes; a route that is not here answers 204, without a body."""
MESSAGES: Final[Schema] = {"oneOf": [_ref("State"), _ref("Event")]}
"""What /v1/events sends, each as one text message: the state first, then events."""
