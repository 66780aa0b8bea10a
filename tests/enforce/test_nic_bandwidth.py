"""The limits of an interface: felt on real guests, given back, and refused where there are none."""

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.enforce.conftest import SETTINGS
from tests.enforce.nics import queues, send, tap
from tests.enforce.shaping import supply
from tests.enforce.standing import MemoryLedger, action, everything, reconciled, statuses
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
from tests.lab.waiting import wait_until
from trustd.enforce import Enforcer, standard_actuators
from trustd.enforce.actuators import NicBandwidth
from trustd.enforce.kernel import lacking
from trustd.hypervisor import ControlConnection, HypervisorSettings
from trustd.model import Setting

lab = pytest.mark.lab
NEEDED = {"NET_SCH_SFQ": "sch_sfq", "NET_CLS_FW": "cls_fw", "NET_ACT_POLICE": "act_police"}
SLOW: Setting = {"receive_bytes_sec": 100_000, "send_bytes_sec": 50_000}


@pytest.fixture(scope="module")
def _shaping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guest, Guest]]:
    directory = tmp_path_factory.mktemp("shaping")
    with Hypervisor("shaping", shared=[directory]) as hypervisor:
        if lacking(NEEDED):
            supply(hypervisor)
        one, other = hypervisor.start(GuestSpec("limited"), GuestSpec("unlimited"))
        yield one, other


@pytest.fixture
def limited(_shaping: tuple[Guest, Guest]) -> Guest:
    _shaping[0].quiet()
    return _shaping[0]


@pytest.fixture
def unlimited(_shaping: tuple[Guest, Guest]) -> Guest:
    _shaping[1].quiet()
    return _shaping[1]


@pytest.fixture
def enforcer_on(ledger: MemoryLedger) -> Iterator[Callable[[Hypervisor], Enforcer]]:
    started: list[tuple[Enforcer, ControlConnection]] = []

    def start(hypervisor: Hypervisor) -> Enforcer:
        door = ControlConnection(HypervisorSettings(uri=hypervisor.uri))
        started.append((Enforcer(door, ledger, standard_actuators(), SETTINGS), door))
        return started[-1][0]

    yield start
    for enforcer, door in started:
        enforcer.restore_all(at=9.0, within=60)
        enforcer.close()
        door.close()


def narrowed(enforcer: Enforcer, guest: Guest, setting: Setting) -> list[str]:
    told = reconciled(enforcer, guest, action(guest, "nic-bandwidth", setting, guest.spec.mac(0)))
    return statuses(told)


@lab
def test_both_limits_are_felt_and_given_back_to_the_byte(
    limited: Guest, unlimited: Guest, enforcer_on: Callable[[Hypervisor], Enforcer]
) -> None:
    """Each direction has its own limit; afterwards definition and queues are as before."""
    enforcer = enforcer_on(limited.hypervisor)
    before, queued = everything(limited), queues(limited)
    for sender, receiver in ((limited, unlimited), (unlimited, limited)):
        sender.flood(1000, size=1400, to=receiver.address)  # as large as goes in one piece

    def both_arrive() -> None:
        wait_until(lambda: limited.rates().received > 200_000, "much to it", seconds=60)
        wait_until(lambda: unlimited.rates().received > 200_000, "much from it", seconds=60)

    both_arrive()
    assert narrowed(enforcer, limited, SLOW) == ["applied"]
    wait_until(
        lambda: 10_000 < limited.rates(seconds=2.0).received < 130_000, "slow to it", seconds=60
    )
    wait_until(
        lambda: 5_000 < unlimited.rates(seconds=2.0).received < 70_000, "slow from it", seconds=60
    )
    assert statuses(reconciled(enforcer, limited)) == ["restored"]
    assert everything(limited) == before
    assert queues(limited) == queued
    both_arrive()


@lab
def test_limits_of_the_operator_hold_and_come_back(
    limited: Guest, enforcer_on: Callable[[Hypervisor], Enforcer]
) -> None:
    """What was limited more tightly stays so; peak and burst are given back as they were."""
    enforcer = enforcer_on(limited.hypervisor)
    plain, queued = everything(limited), queues(limited)
    limits = {"inbound.average": 400, "inbound.peak": 600, "inbound.burst": 700}
    port = tap(limited)
    with limited.domain() as domain:
        domain.setInterfaceParameters(port, {**limits, "outbound.average": 20}, 1)
        try:
            before = everything(limited)
            assert narrowed(enforcer, limited, SLOW) == ["applied"]
            during = everything(limited)["live"]
            assert "<inbound average='100'/>" in during
            assert "<outbound average='20'/>" in during
            assert statuses(reconciled(enforcer, limited)) == ["restored"]
            assert everything(limited) == before
        finally:
            none = dict.fromkeys([*limits, "outbound.average", "outbound.burst"], 0)
            domain.setInterfaceParameters(port, none, 1)
    assert everything(limited) == plain
    assert queues(limited) == queued


@lab
@pytest.mark.skipif(
    not lacking(NEEDED),
    reason="this kernel shapes traffic",
)
@pytest.mark.parametrize("way", ["receive", "send"])
def test_a_kernel_that_declines_leaves_nothing_behind(
    guest: Guest, enforcer_on: Callable[[Hypervisor], Enforcer], way: str
) -> None:
    """Refused aloud, and the queue that libvirt had begun with is gone again."""
    before, queued = everything(guest), queues(guest)
    enforcer = enforcer_on(guest.hypervisor)
    assert narrowed(enforcer, guest, {f"{way}_bytes_sec": 100_000}) == ["refused"]
    assert everything(guest) == before
    assert queues(guest) == queued
    wait_until(guest.reaches, "the network", seconds=60)
    send(guest.hypervisor, guest.address)
    assert statuses(reconciled(enforcer, guest)) in (["restored"], [])


@lab
def test_the_probe_says_what_this_kernel_lacks(guest: Guest) -> None:
    """What it names is what the kernel was built without; where it has all, it says nothing."""
    config = Path("/proc/config.gz")
    if not config.exists():
        pytest.skip("this kernel does not show how it was built")
    built = gzip.decompress(config.read_bytes()).decode()
    with guest.domain() as domain:
        told = NicBandwidth().probe(domain)
    for option, name in NEEDED.items():
        assert (name in told) is (f"CONFIG_{option}=" not in built)
    assert "sch_htb" not in told or "CONFIG_NET_SCH_HTB=" not in built


PARTS = {"NET_SCH_HTB": "sch_htb", "NET_SCH_SFQ": "sch_sfq"}


def test_the_kernel_is_known_by_its_configuration_or_its_modules(tmp_path: Path) -> None:
    """A module counts as much as what is built in; who can see nothing says nothing."""
    assert lacking(PARTS, tmp_path) == []
    modules = tmp_path / "lib/modules" / os.uname().release
    modules.mkdir(parents=True)
    (modules / "modules.dep").write_text("kernel/net/sched/sch_sfq.ko.xz:\n", "utf-8")
    assert lacking(PARTS, tmp_path) == ["sch_htb"]
    (modules / "modules.builtin").write_text("kernel/net/sched/sch_htb.ko\n", "utf-8")
    assert lacking(PARTS, tmp_path) == []
    (tmp_path / "boot").mkdir()
    text = "CONFIG_NET_SCH_HTB=m\n# CONFIG_NET_SCH_SFQ is not set\n"
    (tmp_path / f"boot/config-{os.uname().release}").write_text(text, "utf-8")
    assert lacking(PARTS, tmp_path) == ["sch_sfq"]


rates = st.integers(1, 10**9)
numbers = st.integers(1, 10**6)


@st.composite
def limits(draw: st.DrawFn) -> Setting:
    """A state that libvirt accepts."""
    state: dict[str, int | str | bool] = {}
    for way in ("inbound", "outbound"):
        if draw(st.booleans()):
            state[f"{way}_average"] = draw(numbers)
            for number in ("peak", "burst"):
                if draw(st.booleans()):
                    state[f"{way}_{number}"] = draw(
                        st.integers(int(state[f"{way}_average"]), 10**7)
                    )
    return state


wishes = st.dictionaries(st.sampled_from(["receive_bytes_sec", "send_bytes_sec"]), rates)


@given(limits(), wishes)
def test_a_limit_is_never_looser_than_before_or_than_wanted(
    prior: Setting, wanted: Setting
) -> None:
    """Neither the average nor a peak exceeds what was there or what is asked for."""
    lever = NicBandwidth()
    state = lever.tightened(prior, wanted, "")
    assert not lever.loosens(prior, state)
    for way, word in (("inbound", "receive_bytes_sec"), ("outbound", "send_bytes_sec")):
        if word in wanted:
            most = max(1, int(wanted[word]) // 1000)
            assert 1 <= int(state[f"{way}_average"]) <= most
            assert int(state.get(f"{way}_peak", 0)) <= most
    assert lever.tightened(state, wanted, "") == state
