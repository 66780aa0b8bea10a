"""The addresses of notices."""

from __future__ import annotations

from trustd.api import notices
from trustd.api.notice_shapes import NoticeList, TrialDoc, TrialRequest
from trustd.api.route import Route

NOTICE_ROUTES = (
    Route(
        "/v1/notices",
        "notices",
        notices.notices,
        "Who is told of what; over the unix socket only",
        NoticeList,
        problems=(403, 503),
    ),
    Route(
        "/v1/notices/test",
        "notice-test",
        notices.try_out,
        "Try out a receiver; over the unix socket only, for whoever may",
        TrialDoc,
        method="POST",
        body=TrialRequest,
        problems=(400, 403, 404, 415, 503),
    ),
)
