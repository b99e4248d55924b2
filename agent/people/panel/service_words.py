"""Words of the journal for what goes to health services."""

from __future__ import annotations

from gettext import NullTranslations


def action_words(words: NullTranslations) -> dict[str, str]:
    """By the names of routes, and what the agent notes of its channels."""
    return {
        "use-gateway": words.gettext("ask a health service"),
        "list-gateway": words.gettext("look at the health services"),
        "close-channels": words.gettext("close connections to a health service"),
        "use-local-port": words.gettext("ask a health service by its local port"),
        "service-fault": words.gettext("a health service refused, and said why"),
        "end-psc-session": words.gettext("login with Pro Santé Connect ended"),
        "open-channel": words.gettext("connect to a health service"),
        "end-channel": words.gettext("connection to a health service, with its number of requests"),
    }


def outcome_words(words: NullTranslations) -> dict[str, str]:
    """By the codes of refusals, and by why a channel ended."""
    return {
        "envelope-refused": words.gettext("the message takes no assertion"),
        "DMPInvalidCertificate": words.gettext("the DMP refuses the certificate"),
        "DMPAccessDeniedByRightsService": words.gettext("the DMP does not give this right"),
        "structure-unknown": words.gettext("the structure is unknown to the DMP"),
        "structure-not-linked": words.gettext("the professional is not linked to the structure"),
        "speciality-missing": words.gettext("the VIHF had no speciality"),
        "siram_100": words.gettext("the software is unknown to INSi"),
        "desir_550": words.gettext("the software is unknown to INSi"),
        "desir_560": words.gettext("INSi refuses the structure's certificate"),
        "service-unknown": words.gettext("there is no such service"),
        "target-refused": words.gettext("the address led away from the service"),
        "html-refused": words.gettext("the service answered with a web page"),
        "services-unreadable": words.gettext("the list of services cannot be used"),
        "certificate-unnamed": words.gettext("no software certificate was named"),
        "channel-ended": words.gettext("the connection was ended here"),
        "service-timeout": words.gettext("the service did not answer in time"),
        "service-cut": words.gettext("the service broke off"),
        "service-unreadable": words.gettext("the service's answer made no sense"),
        "tls-unavailable": words.gettext("the card cannot be used for TLS on this workstation"),
        "service-unreachable": words.gettext("the service was out of reach"),
        "server-certificate-refused": words.gettext("the server did not prove to be the service"),
        "client-certificate-refused": words.gettext("the service did not accept the certificate"),
        "tls-version-refused": words.gettext("the service and the key have no version of TLS in common"),
        "tls-failed": words.gettext("no protected connection came about"),
        "psc-replaced": words.gettext("ended: another login took its place"),
        "person-away": words.gettext("ended: screen locked, or nobody there"),
        "locked": words.gettext("ended by you"),
        "grant-revoked": words.gettext("ended: no longer allowed"),
        "time-over": words.gettext("ended: its time was over"),
        "closed": words.gettext("closed"),
        "agent-stopped": words.gettext("ended with the agent"),
    }
