"""What is measured beside trustd is asked as trustd is, and judged as trustd is."""

from __future__ import annotations

import doctest
import http.server
import importlib
import subprocess
import sys
import threading

import pytest

from bench import scrape
from bench.peers import seen
from bench.watchers import Scrape, Watcher, running
from tests.lab.hypervisor import Hypervisor
from tests.lab.waiting import wait_until

TRUSTD = """\
trustd_tick_timestamp_seconds 1000.5
trustd_guest_info{uuid="u1",guest="web",roles="a,b"} 1
trustd_guest_info{uuid="u2",guest="db",roles=""} 1
trustd_guest_sample_age_seconds{uuid="u1"} 0
trustd_guest_sample_age_seconds{uuid="u2"} 12.5
"""
EXPORTER = """\
libvirt_domain_info_cpu_time_seconds_total{domain="web",uuid="u1"} 3.2
libvirt_domain_info_maximum_memory_bytes{domain="db",uuid="u2"} 1e+08
"""
COLLECTD = """\
collectd_virt_virt_cpu_total_total{instance="web"} 4150000000 1000242
collectd_virt_memory{virt="total",instance="db"} 1 1000242
"""


@pytest.mark.parametrize(
    ("kind", "page", "times"),
    [
        ("trustd", TRUSTD, {"web": 1000.5, "db": 988.0}),
        ("trustd", "trustd_guests 0\n", {}),
        ("libvirt_exporter", EXPORTER, {"web": 77.0}),
        ("collectd", COLLECTD, {"web": 1000.242}),
    ],
)
def test_each_page_gives_the_time_of_each_guests_newest_sample(kind, page, times):
    """A guest of which a page has no processor time, or trustd no whole sample, has no time."""
    assert scrape.KINDS[kind](page, 77.0) == times


MODULES = ["peers", "scrape", "processor", "reaction", "gather", "tables", "rows", "stages"]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_the_measurements_hold(module):
    """What the docstrings compute comes out."""
    found = doctest.testmod(importlib.import_module(f"bench.{module}"))
    assert found.attempted
    assert not found.failed


def test_a_sample_is_lost_when_it_is_missing_or_too_old():
    """What a failed scrape, a missing guest and an old value cost counts once for each guest."""
    good = Scrape(0.0, 0.0, 0.1, "", {"a": 0.0, "b": 0.0})
    without = Scrape(5.0, 5.0, 5.1, "", {"a": 5.0})
    old = Scrape(10.0, 10.0, 10.2, "", {"a": 10.0, "b": 0.0})
    found = seen([good, without, old], ["a", "b"])
    assert (found["samples"], found["lost"], found["failed_scrapes"]) == (6, 2, 0)
    assert found["oldest_s"] == pytest.approx(10.2)


@pytest.fixture
def slow():
    """The address of a page that never comes, and below it of one that comes drop by drop."""

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/drops":
                self.send_response(200)
                self.end_headers()
                for line in TRUSTD.splitlines():
                    self.wfile.write(f"{line}\n".encode())
                    gone.wait(0.6)
            else:
                gone.wait(60)

        def log_message(self, *_):
            pass

    gone = threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        gone.set()
        server.shutdown()


@pytest.mark.parametrize(("page", "reason"), [("never", "timed out"), ("drops", "too late")])
def test_a_page_that_comes_too_late_has_no_times(slow, page, reason):
    """A scrape has a limit as Prometheus' has; what comes after it does not count, and the reason
    is kept."""
    found = scrape.scrape(slow + page, "trustd", due=0.0, limit=2.0)
    assert found["times"] == {}
    assert reason in str(found["error"])
    patient = scrape.scrape(f"{slow}drops", "trustd", due=0.0, limit=60.0)
    assert patient["times"] == {"web": 1000.5, "db": 988.0}


def test_two_measurements_on_real_guests_never_run_at_once(tmp_path):
    """The second ends at once and says why; when the first has ended, another may begin."""
    hold = f"""
from pathlib import Path
from bench.alone import alone
with alone(Path({str(tmp_path)!r})):
    print("held", flush=True)
    input()
"""
    one = [sys.executable, "-c", hold]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(one, text=True, **pipes) as first:
        assert first.stdout.readline() == "held\n"
        second = subprocess.run(one, text=True, capture_output=True, input="\n", check=False)
        assert second.returncode == 1
        assert "another measurement on real guests runs" in second.stderr
        first.communicate("\n")
    third = subprocess.run(one, text=True, capture_output=True, input="\n", check=False)
    assert third.stdout == "held\n", third.stderr


@pytest.mark.lab
@pytest.mark.timeout(900)
def test_a_scraper_inside_sees_what_is_served_inside(tmp_path):
    """A watcher's page on the hypervisor's loopback is read there, and the watcher ends with it."""
    page = tmp_path / "metrics"
    serve = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "9747")
    with Hypervisor("watched") as hypervisor:
        inside = hypervisor.path("/var/lib/bench")
        inside.mkdir()
        (inside / "metrics").write_text(TRUSTD, "utf-8")
        watcher = Watcher(
            "trustd",
            "http://127.0.0.1:9747/metrics",
            ("sh", "-c", f"cd /var/lib/bench; exec {' '.join(serve)}"),
        )
        with running(hypervisor, watcher, page) as watched:
            times = {"web": 1000.5, "db": 988.0}
            # a busy machine takes its time to begin to serve, and to scrape
            wait_until(lambda: watched.scrape(10.0)[0].times == times, "it is read", seconds=60)
            assert watched.alive
        assert not watched.alive
