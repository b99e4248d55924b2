"""Files on their way to the agent: whole, in pieces, and never more or less than was announced."""

from __future__ import annotations

import asyncio
import os
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path

import pytest
from support.agent import running_agent

from agent.client import AgentProblemError, Client
from agent.sending import PIECE, FileChangedError, FileUpload, Sha256, SignOptions, ToSign, Upload


def test_an_upload_is_as_long_as_it_says_and_reads_back(tmp_path: Path) -> None:
    contents = [b"", b"--\r\n" * 9, os.urandom(PIECE + 7)]
    files = [tmp_path / f"é {index}" for index in range(3)]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    upload = Upload({"documents": ["é"]}, files)
    pieces = list(upload)
    assert sum(map(len, pieces)) == upload.length
    assert max(map(len, pieces)) <= PIECE
    head = f"Content-Type: {upload.content_type}\r\n\r\n".encode()
    message = message_from_bytes(head + b"".join(pieces), policy=HTTP)
    read = [part.get_payload(decode=True) for part in message.iter_parts()]
    assert read == [b'{"documents": ["\\u00e9"]}', *contents]


@pytest.mark.parametrize("length", [0, 5, 11])
def test_a_file_that_changes_on_the_way_is_not_sent_as_another(tmp_path: Path, length: int) -> None:
    file = tmp_path / "a"
    file.write_bytes(bytes(10))
    upload = Upload({}, [file])
    file.write_bytes(bytes(length))
    with pytest.raises(FileChangedError):
        list(upload)
    file.unlink()
    with pytest.raises(FileChangedError):
        list(upload)


def test_a_folder_is_called_one(tmp_path: Path) -> None:
    for start in (lambda: Upload({}, [tmp_path]), lambda: FileUpload(tmp_path)):
        with pytest.raises(IsADirectoryError) as refused:
            start()
        assert refused.value.filename == str(tmp_path)


def test_members_that_are_not_given_are_not_sent() -> None:
    assert SignOptions("jws").to_json() == {"format": "jws"}
    assert SignOptions("jades", claimed_role="x").to_json() == {"format": "jades", "claimedRole": "x"}
    assert ToSign("a", b"x").to_json() == {"name": "a", "content": "eA=="}
    assert ToSign("a", Path("/a"), "text/plain").to_json() == {"name": "a", "mediaType": "text/plain"}
    assert ToSign("a", Sha256(b"x")).to_json() == {"name": "a", "digest": "eA==", "digestAlgorithm": "sha256"}


async def test_a_refusal_before_the_end_of_a_file_is_told(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as made:
        made.truncate(200 * 1024 * 1024)
    async with running_agent(folder) as agent:
        with Client(agent.port, "A" * 43) as stranger:
            for _ in range(2):  # and the client goes on
                with pytest.raises(AgentProblemError) as refused:
                    await asyncio.to_thread(stranger.sign, [ToSign("large", file)])
                assert refused.value.code == "token-refused"
