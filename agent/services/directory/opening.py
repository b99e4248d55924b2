"""The directory that the settings describe: its address, its key in the system's key store, the agent's way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.access.database import Database
from agent.services.directory.cache import DirectoryCache
from agent.services.directory.ceiling import Ceiling
from agent.services.directory.client import DirectoryClient, Get, host_of
from agent.services.directory.directory import Directory
from agent.services.directory.errors import ApiKeyUnreadableError, DirectoryAnswerError, DirectoryUnavailableError
from agent.settings import Settings

if TYPE_CHECKING:
    from agent.fetching import Request, Response

KEY_NAME: Final = "esante-api-key"


def open_directory(settings: Settings, database: Database) -> Directory:
    """Nothing is asked, read or imported before the first look-up."""
    cache = DirectoryCache(database)
    if not settings.directory:
        return Directory(None, cache)
    url = settings.directory_url
    return Directory(DirectoryClient(url, read_key, way_out(url), Ceiling()), cache)


def read_key() -> bytearray | None:
    """The API key, which the caller wipes, or None. Blocks. Raises ApiKeyUnreadableError."""
    from agent.keystore import KeyStoreUnavailableError, open_key_store  # noqa: PLC0415 - it brings D-Bus

    try:
        return open_key_store().get(KEY_NAME)
    except KeyStoreUnavailableError as error:
        raise ApiKeyUnreadableError(str(error)) from error


def way_out(base_url: str) -> Get:
    """Exchanges with the directory's own host and no other."""

    def get(request: Request) -> Response:
        from agent.fetching import AnswerTooLargeError, Fetcher, FetchError  # noqa: PLC0415 - it brings ssl

        try:
            return Fetcher({host_of(base_url)}).fetch(request)
        except AnswerTooLargeError as error:
            raise DirectoryAnswerError(str(error)) from error
        except FetchError as error:
            raise DirectoryUnavailableError(str(error)) from error

    return get
