"""Why a request to a service came to nothing, apart from what TLS and the card say themselves."""

from __future__ import annotations

from agent.services.channels.values import ChannelEnd


class ChannelError(Exception):
    """No answer of the service can be given; the message says why, in English, for a developer."""


class CertificateUnnamedError(ChannelError):
    """The service is for software certificates, and the caller named none."""


class CertificateKindError(ChannelError):
    """The service takes no key of that kind: a card's where a software certificate was named, or the other way."""


class ChannelEndedError(ChannelError):
    """The channel ended while the request was under way; it may have been carried out."""

    def __init__(self, end: ChannelEnd) -> None:
        super().__init__(str(end))
        self.end = end


class ChannelBusyError(ChannelError):
    """Too many requests of this caller to this service are under way."""


class ServiceTimeoutError(ChannelError):
    """The service took the connection and then said, or took, nothing for too long."""


class AnswerCutError(ChannelError):
    """The connection ended before the answer did, or before it began; the request may have been carried out."""


class AnswerBrokenError(ChannelError):
    """What came back is no HTTP, or larger than was asked for."""
