"""``cpu-quota``: limits the processor time of a guest's threads."""

from __future__ import annotations

from pathlib import Path

import libvirt

from trustd.enforce.cgroups import CGROUPS, CpuGroups
from trustd.enforce.live import definition
from trustd.errors import Refused
from trustd.model import Guest, Setting

_PERIOD = 100_000
_LEAST_QUOTA = 1000
_LEAST_EMULATOR = 20
"""Per cent of a processor that the emulator keeps: its monitor must answer whoever measures."""


class CpuQuota:
    """The quotas of a guest's processors, its emulator and its I/O threads.

    Each kind of thread is limited on its own: one quota for the whole guest would
    let a busy processor starve the emulator, and nothing could be measured. The
    state holds microseconds a period, -1 for no limit; libvirt reads them from the
    kernel.

    They are set in the guest's control groups where trustd may write those, and
    through libvirt elsewhere. libvirt remembers every quota that it ever set, so
    that a definition without any says ``<quota>-1</quota>`` ever after; the control
    groups leave no trace in it.

    Args:
        cgroups: where the control groups of the hypervisor's host are mounted.
    """

    name = "cpu-quota"

    def __init__(self, cgroups: Path = CGROUPS) -> None:
        self._cgroups = cgroups

    def probe(self, domain: libvirt.virDomain) -> str:
        """Whether libvirt has the kernel's processor controller."""
        try:
            domain.schedulerType()
        except libvirt.libvirtError as error:
            return f"libvirt has no processor controller: {error.get_error_message()}"
        return ""

    def read(self, domain: libvirt.virDomain, device: str, *, config: bool = False) -> Setting:  # noqa: ARG002
        """The quotas that the kernel has now."""
        where = libvirt.VIR_DOMAIN_AFFECT_CONFIG if config else libvirt.VIR_DOMAIN_AFFECT_LIVE
        told = domain.schedulerParametersFlags(where)
        kinds = ["global", "vcpu", "emulator"]
        if definition(domain).find("iothreads") is not None:
            kinds.append("iothread")
        # where a definition says nothing libvirt reports 0
        return {
            f"{kind}_{part}": told[f"{kind}_{part}"] or none
            for kind in kinds
            for part, none in (("quota", -1), ("period", _PERIOD))
        }

    def tightened(self, prior: Setting, wanted: Setting, device: str) -> Setting:  # noqa: ARG002
        """The tighter of each quota.

        A quota above the guest's whole is lowered to that: the kernel refuses it.

        >>> prior = {"global_quota": -1, "global_period": 100000,
        ...          "vcpu_quota": 60000, "vcpu_period": 100000}
        >>> CpuQuota().tightened(prior, {"percent": 20}, "")["vcpu_quota"]
        20000
        """
        percent = int(wanted["percent"])
        whole = _share(prior, "global")
        state = dict(prior)
        for kind in ("vcpu", "emulator", "iothread"):
            if f"{kind}_quota" in prior:
                asked = max(percent, _LEAST_EMULATOR) if kind == "emulator" else percent
                share = min(asked / 100, whole, _share(prior, kind))
                period = int(prior[f"{kind}_period"])
                state[f"{kind}_quota"] = max(round(share * period), _LEAST_QUOTA)
        return state

    def loosens(self, before: Setting, after: Setting) -> bool:
        """Whether any kind of thread gets more."""
        return any(
            _share(after, key.removesuffix("_quota")) > _share(before, key.removesuffix("_quota"))
            for key in before
            if key.endswith("_quota")
        )

    def facet(self, key: str) -> str:
        """A quota means nothing without its period."""
        return key.partition("_")[0]

    def as_before(self, guest: Guest, device: str, prior: Setting) -> Guest:  # noqa: ARG002
        """The same: a limit moves no device."""
        return guest

    def write(self, domain: libvirt.virDomain, device: str, state: Setting) -> None:
        """Set the quotas that differ, where that leaves the fewest traces."""
        present = self.read(domain, device)
        changed = {
            key: int(value)
            for key, value in state.items()
            if key.endswith("_quota") and present.get(key) != value
        }
        groups = CpuGroups.of(domain, self._cgroups)
        if groups is None:
            domain.setSchedulerParametersFlags(changed, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        else:
            groups.set_quotas(changed)
        after = self.read(domain, device)
        wrong = [key for key in changed if after[key] != state[key]]
        if wrong:
            raise Refused(f"the kernel did not take {', '.join(wrong)}")


def _share(state: Setting, kind: str) -> float:
    """A quota as a share of one processor; infinite where there is none."""
    quota = int(state.get(f"{kind}_quota", -1))
    return quota / int(state[f"{kind}_period"]) if quota > 0 else float("inf")
