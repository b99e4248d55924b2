"""Why a batch is refused something, or stands still."""

from __future__ import annotations


class BatchError(Exception):
    """Something about a batch."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class BatchNotFoundError(BatchError):
    """There is no such batch, or it is another caller's: nobody is told which."""


class BatchIncompleteError(BatchError):
    """Contents are missing that the formats need."""


class BatchStateError(BatchError):
    """The batch is not at the point for this: it was started, runs, or is done."""


class BatchUnsignedError(BatchError):
    """The document has no signature yet."""


class DigestMismatchError(BatchError):
    """The content is not the one that the manifest announced."""


class BatchRoomError(BatchError):
    """All batches together would hold more bytes than the agent keeps in memory."""


class TooManyBatchesError(BatchError):
    """The caller has as many batches as it may have, or as many run as can."""


class OtherCardError(BatchError):
    """The batch was begun with another certificate than the one of this card."""


class BatchStoppedError(BatchError):
    """The person, or whoever owns the batch, has stopped it."""
