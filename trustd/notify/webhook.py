"""A webhook: CloudEvents 1.0 in JSON, with a signature that proves sender, body and time."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from trustd.model import Notice
from trustd.notify.http import Credential, Endpoint
from trustd.notify.text import document, moment

SIGNATURE = "Trustd-Signature"


class Webhook:
    """Posts one event a notice.

    Args:
        secret: signs; None for no signature.
        clock: epoch seconds.
    """

    at_once = 1
    renew = 0.0

    def __init__(
        self,
        endpoint: Endpoint,
        host: str,
        secret: Credential | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._endpoint = endpoint
        self._host = host
        self._secret = secret
        self._clock = clock

    def send(self, notices: Sequence[Notice]) -> None:
        """Tell them, a request each."""
        for notice in notices:
            body = orjson.dumps(_event(notice, self._host))
            headers = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
            if self._secret is not None:
                headers[SIGNATURE] = signature(self._secret.read(), int(self._clock()), body)
            self._endpoint.post("", body, headers)


def signature(secret: bytes, at: int, body: bytes) -> str:
    """HMAC-SHA256 over the time, a full stop and the body.

    Args:
        at: epoch seconds; a receiver refuses what is too old.

    >>> signature(b"secret", 1790000000, b"{}")[:32]
    't=1790000000,v1=d0cadd434460d4af'
    """
    made = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={made}"


def _event(notice: Notice, host: str) -> dict[str, Any]:
    """The same news has the same ``id``, however often it is sent."""
    state = "ended" if notice.ended else "begun"
    return {
        "specversion": "1.0",
        "id": hashlib.sha256(f"{host}\n{notice.key}\n{notice.stamp}".encode()).hexdigest()[:32],
        "source": f"/trustd/{host}",
        "type": f"org.trustd.notice.{state}",
        "subject": notice.key,
        "time": moment(notice.ends if notice.ended else notice.starts),
        "datacontenttype": "application/json",
        "data": document(notice),
    }
