"""One POST with a deadline for all of it, for channels that speak HTTP."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp

from trustd.notify.channel import Declined, NotifyError
from trustd.notify.text import plain

_MOST_SECRET = 4096
_MOST_ANSWER = 2048
_USELESS = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Answers that are about this notice; others are about the receiver, who may recover."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret in a file of its own. It is read at each use, so that it can be exchanged."""

    path: Path

    def read(self) -> bytes:
        """The secret, without a line end.

        Raises:
            NotifyError: it cannot be read, is empty, or others can read it.
        """
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & (stat.S_IROTH | stat.S_IWOTH):
                    raise NotifyError(f"{self.path}: everybody can read it: chmod it to 0600")
                secret = file.read(_MOST_SECRET).strip()
        except OSError as error:
            raise NotifyError(f"{self.path}: cannot be read: {error.strerror}") from error
        if not secret:
            raise NotifyError(f"{self.path}: there is no secret in it")
        return secret


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a receiver listens.

    Args:
        url: https, or http on loopback.
        timeout: seconds for the name, the connection, TLS, the request and the answer together.
        token: shown as a bearer token; None for none.
        ca: certificates that vouch for the receiver; None for those of the system.
    """

    url: str
    timeout: float
    token: Credential | None = None
    ca: Path | None = None

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send and have it confirmed. No redirect is followed and no proxy is used.

        Raises:
            Declined: the answer is that the body will not do.
            NotifyError: anything else but success.
        """
        sent = dict(headers)
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token.read().decode('latin-1')}"
        try:
            asyncio.run(self._post(f"{self.url}{path}", body, sent))
        except TimeoutError as error:
            raise NotifyError(f"no answer within {self.timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotifyError(plain(f"{type(error).__name__}: {error}", _MOST_ANSWER)) from error

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        limit = aiohttp.ClientTimeout(total=self.timeout)
        verify = ssl.create_default_context(cafile=self.ca) if self.ca else True
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.post(
                url, data=body, headers=headers, ssl=verify, allow_redirects=False
            ) as answer,
        ):
            if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
                return
            said = (await answer.content.read(_MOST_ANSWER)).decode("utf-8", "replace")
            told = plain(f"answered {answer.status}: {said}", _MOST_ANSWER)
            raise (Declined if answer.status in _USELESS else NotifyError)(told)
