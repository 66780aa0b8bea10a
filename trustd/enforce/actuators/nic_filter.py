"""``nic-filter``: drops what a network interface sends, or receives, or what a filter says."""

from __future__ import annotations

import json
import os
import shutil
from xml.etree.ElementTree import Element, SubElement

import libvirt

from trustd.enforce.filters import DIRECTIONS, Filter, at_once, define, own, undefine
from trustd.enforce.interfaces import interface, update
from trustd.model import Guest, Setting

_PROGRAMS = ("ebtables", "iptables", "ip6tables")
_WHERE = ("/usr/local/sbin", "/usr/sbin", "/sbin")


class NicFilter:
    """The packet filter of one interface, by libvirt's ``<filterref>``.

    The state is ``filter`` (a filter of the host's that the definition refers to),
    ``parameters`` (what it gives to it, as JSON), and, where the filter is one of
    trustd's own instead, ``deny`` (``send``, ``receive`` or ``receive send``) and
    ``chain`` (the filters of the host that hold as well, as JSON). ``alone`` is there
    where the host's filter cannot stand beside ours. A device is known by its MAC
    address.

    Args:
        path: the directories in which the host's programs are, as in ``PATH``.
    """

    name = "nic-filter"
    deadline = 8.0
    """Seconds: an overloaded host takes 3 to put the rules of one interface in force."""

    def __init__(self, path: str = "") -> None:
        self._path = path or os.pathsep.join((*_WHERE, os.environ.get("PATH", "")))

    def probe(self, domain: libvirt.virDomain) -> str:
        """Whether libvirt has its filter driver, and the programs which that runs."""
        try:
            domain.connect().numOfNWFilters()
        except libvirt.libvirtError as error:
            return f"libvirt has no packet filters: {error.get_error_message()}"
        missing = [each for each in _PROGRAMS if shutil.which(each, path=self._path) is None]
        return f"the host has no {', '.join(missing)}" if missing else ""

    def read(self, domain: libvirt.virDomain, device: str, *, config: bool = False) -> Setting:
        """What the definition refers to, with trustd's own filters taken apart."""
        reference = interface(domain, device, config=config).find("filterref")
        if reference is None:
            return _state("", "")
        connection, name, given = domain.connect(), reference.get("filter", ""), _given(reference)
        parameters = json.dumps(given) if given else ""
        ours = own(connection, name)
        if ours is not None:
            return _state("", parameters, ours.denied, ours.chained)
        state = _state(name, parameters)
        if at_once(connection, name, (key for key, _ in given)):
            return state
        return {**state, "alone": True}

    def tightened(self, prior: Setting, wanted: Setting, device: str) -> Setting:  # noqa: ARG002
        """All filters together, and neither of the directions that are denied.

        Where a filter cannot stand beside ours nothing passes, which is tighter.

        >>> prior = {"filter": "lan-only", "parameters": "", "deny": "", "chain": ""}
        >>> lever, mac = NicFilter(), "52:54:00:00:00:01"
        >>> lever.tightened(prior, {"deny_send": True}, mac)
        {'filter': '', 'parameters': '', 'deny': 'send', 'chain': '["lan-only"]'}
        >>> lever.tightened({**prior, "alone": True}, {"deny_send": True}, mac)
        {'filter': '', 'parameters': '', 'deny': 'receive send', 'chain': ''}
        """
        lost = {each for each in DIRECTIONS if wanted.get(f"deny_{each}")} | set(_denied(prior))
        asked = [str(wanted["filter"])] if "filter" in wanted else []
        if not lost and asked == [prior["filter"]]:
            return dict(prior)
        # nobody has looked into a filter that is only asked for yet
        if lost and (asked or prior.get("alone")):
            lost = set(DIRECTIONS)
        chain = [] if lost == set(DIRECTIONS) else [*_names(prior), *asked]
        denied = tuple(each for each in DIRECTIONS if each in lost)
        return _state("", str(prior["parameters"]), denied, tuple(dict.fromkeys(chain)))

    def loosens(self, before: Setting, after: Setting) -> bool:
        """Whether a direction is no longer denied, or a filter no longer holds."""
        if set(_denied(before)) - set(_denied(after)):
            return True
        if len(_denied(after)) == len(DIRECTIONS):
            return False
        gone = set(_names(before)) - set(_names(after))
        return bool(gone) or before["parameters"] != after["parameters"]

    def facet(self, key: str) -> str:  # noqa: ARG002
        """There is one reference to change, with all that it says."""
        return "filterref"

    def as_before(self, guest: Guest, device: str, prior: Setting) -> Guest:  # noqa: ARG002
        """The same: a filter moves no device."""
        return guest

    def write(self, domain: libvirt.virDomain, device: str, state: Setting) -> None:
        """Send the whole live interface with only its reference changed."""
        connection = domain.connect()
        changed = interface(domain, device)
        name = str(state["filter"])
        if state["deny"] or state["chain"]:
            wanted = Filter(_denied(state), _names(state))
            define(connection, wanted)
            name = wanted.name
        before = changed.find("filterref")
        old = ""
        if before is not None:
            old = before.get("filter", "")
            changed.remove(before)
        if name:
            _refer(changed, name, str(state["parameters"]))
        try:
            update(domain, changed)
        except libvirt.libvirtError:
            undefine(connection, name)
            raise
        if old != name:
            undefine(connection, old)


def _state(
    name: str, parameters: str, denied: tuple[str, ...] = (), chain: tuple[str, ...] = ()
) -> Setting:
    return {
        "filter": name,
        "parameters": parameters,
        "deny": " ".join(denied),
        "chain": json.dumps(chain) if chain else "",
    }


def _denied(state: Setting) -> tuple[str, ...]:
    return tuple(str(state["deny"]).split())


def _names(state: Setting) -> tuple[str, ...]:
    """The host's filters that hold, one referred to or several chained."""
    name = str(state["filter"])
    return (name,) if name else tuple(json.loads(str(state["chain"]) or "[]"))


def _given(reference: Element) -> list[tuple[str, str]]:
    return [
        (each.get("name", ""), each.get("value", "")) for each in reference.iterfind("parameter")
    ]


def _refer(changed: Element, name: str, parameters: str) -> None:
    reference = SubElement(changed, "filterref", filter=name)
    for key, value in json.loads(parameters or "[]"):
        SubElement(reference, "parameter", name=key, value=value)
