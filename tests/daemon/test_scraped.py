"""Figures that cannot be made cost nobody the fleet."""

from __future__ import annotations

import time

import pytest
from structlog.testing import capture_logs

from tests.pipeline.scripted import CALM, Scripted, web
from trustd.config import Settings
from trustd.daemon.build import build
from trustd.daemon.scraped import Scraped
from trustd.metrics import MetricsPage

FIRST, SECOND = MetricsPage(b"1", b"1"), MetricsPage(b"2", b"2")


def failing(*_):
    raise RuntimeError("a mistake of ours")


def test_the_page_before_stays_and_it_is_told_once():
    """However many pages fail in a row, the log has one line when it begins and one at its end."""
    scraped = Scraped()
    with capture_logs() as logs:
        pages = [scraped.page(made) for made in (lambda: FIRST, failing, failing, failing)]
        pages.append(scraped.page(lambda: SECOND))
    assert pages == [FIRST] * 4 + [SECOND]
    assert [(each["log_level"], each.get("missed")) for each in logs] == [
        ("error", None),
        ("info", 3),
    ]


@pytest.fixture
def daemon(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(CALM)
    settings = Settings.model_validate(
        {
            "policy": str(policy),
            "state": str(tmp_path / "state"),
            "collectors": {"disabled": ["emulator", "host"]},
        }
    )
    hypervisor = Scripted([web(1)])
    hypervisor.at = time.time() + 1
    daemon = build(settings, hypervisor)
    yield daemon
    daemon.close()


def test_a_tick_outlives_its_meters_and_its_page(daemon, monkeypatch):
    """The fleet is there, tick after tick, and the last good page with it; then both go on."""
    before = daemon.page(daemon.tick())
    assert before.plain
    with monkeypatch.context() as broken:
        broken.setattr(type(daemon.meters), "observe", failing)
        broken.setattr(type(daemon.exposition), "render", failing)
        for _ in range(6):
            fleet = daemon.tick()
            assert len(fleet.guests) == 1
            assert daemon.page(fleet) is before
    assert daemon.page(daemon.tick()) is not before
