"""Why the directory tells nothing: each a problem of its own, with something else to do about it."""

from __future__ import annotations


class DirectoryError(Exception):
    """The directory tells nothing."""


class DirectoryOffError(DirectoryError):
    """The setting `directory` is off: nothing is asked of anybody."""


class ApiKeyAbsentError(DirectoryError):
    """No API key was given to this agent: nothing is asked of anybody."""


class ApiKeyUnreadableError(DirectoryError):
    """The system's key store, which has the API key, cannot be used now."""


class ApiKeyRefusedError(DirectoryError):
    """The directory does not accept the API key."""


class DirectoryUnavailableError(DirectoryError):
    """The directory cannot be reached, is too slow, or is out of order."""


class DirectoryBusyError(DirectoryError):
    """The ceiling of calls is reached, here or there."""


class DirectoryAnswerError(DirectoryError):
    """What answers does not answer as the directory is documented to."""


class OtherProfessionalError(DirectoryError):
    """A page asks about somebody whose card is in no reader."""


PASSING = (DirectoryUnavailableError, DirectoryBusyError, DirectoryAnswerError)
"""What may be over tomorrow: what was known before is better than nothing."""
