"""The page that Prometheus scrapes: where a new one cannot be made the last one stays."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from trustd.metrics import MetricsPage

log = structlog.get_logger()


class Scraped:
    """Holds the last page. Belongs to the line's thread."""

    def __init__(self) -> None:
        self._last = MetricsPage(b"", b"")
        self._missed = 0

    def page(self, render: Callable[[], MetricsPage]) -> MetricsPage:
        """A new page, or the one before; told when that begins and when it is over."""
        try:
            self._last = render()
        except Exception:
            # a mistake in figures must not keep the fleet from whoever decides by it
            if not self._missed:
                log.exception("the metrics page cannot be made; the one before stays")
            self._missed += 1
        else:
            if self._missed:
                log.info("the metrics page is made again", missed=self._missed)
            self._missed = 0
        return self._last
