"""Packet filters of trustd's own, each named by what is in it; and those of the host."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self
from xml.etree.ElementTree import Element, SubElement, tostring

import libvirt
from defusedxml import ElementTree

from trustd.errors import Refused

OURS = "trustd-"
DIRECTIONS = {"receive": "in", "send": "out"}
"""What a guest loses, and the direction in libvirt's words, as the guest sees it."""

_FIRST = -1000
"""The priority before which no rule and no chain can stand."""
_SPACE = uuid.UUID("6f1a5c1e-3f0b-5d7c-9d54-0b7d0f0c8a11")
_VARIABLE = re.compile(r"\$(\w+)")


@dataclass(frozen=True, slots=True)
class Filter:
    """Drops every frame of some directions, and leaves the others to filters of the host.

    The rules look at no address, no protocol and no state: ARP, IPv6 and flows that
    exist already end like everything else.

    Args:
        denied: of ``receive`` and ``send``, in this order.
        chained: names of the host's own filters, whose rules hold as well.
    """

    denied: tuple[str, ...] = ()
    chained: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it does, and the beginning of the hash of its rules.

        >>> Filter(("send",)).name
        'trustd-send-d9279bd5ca8e'
        """
        what = {"": "chain", "receive send": "all"}.get(" ".join(self.denied))
        return f"{OURS}{what or self.denied[0]}-{self._digest[:12]}"

    @property
    def document(self) -> str:
        """The definition that libvirt takes. The same rules always have the same UUID."""
        root = Element("filter", name=self.name, chain="root")
        SubElement(root, "uuid").text = str(uuid.uuid5(_SPACE, self._digest))
        root.extend(self._rules())
        return tostring(root, "unicode")

    @classmethod
    def of(cls, document: str) -> Self | None:
        """The filter that a definition is; None where trustd did not write it so."""
        root = ElementTree.fromstring(document)
        dropped = {rule.get("direction", "") for rule in root.iterfind("rule")}
        own = cls(
            tuple(lost for lost, direction in DIRECTIONS.items() if direction in dropped),
            tuple(each.get("filter", "") for each in root.iterfind("filterref")),
        )
        same = root.get("name") == own.name and _text(root) == _text(own._rules())
        return own if same else None

    @property
    def _digest(self) -> str:
        return hashlib.sha256(_text(self._rules()).encode()).hexdigest()

    def _rules(self) -> list[Element]:
        drops = [
            Element("rule", action="drop", direction=DIRECTIONS[each], priority=str(_FIRST))
            for each in self.denied
        ]
        return [*drops, *(Element("filterref", filter=each) for each in self.chained)]


def own(connection: libvirt.virConnect, name: str) -> Filter | None:
    """The filter of trustd's own that has this name; None where it is somebody else's."""
    document = _document(connection, name) if name.startswith(OURS) else ""
    return Filter.of(document) if document else None


def at_once(connection: libvirt.virConnect, name: str, given: Iterable[str]) -> bool:
    """Whether a filter of the host can be chained without a harm to what ours drops.

    A filter with a variable that nobody gave waits, with everything that it is in,
    until libvirt has learned the guest's address; a chain of the lowest priority is
    asked before any rule, and may accept.

    Args:
        given: names of the parameters that its reference gives it.
    """
    return all(
        root is not None
        and (root.get("chain") == "root" or int(root.get("priority", "0")) > _FIRST)
        and {"MAC", *known} >= set(_variables(root))
        for root, known in _tree(connection, name, frozenset(given), {})
    )


def define(connection: libvirt.virConnect, wanted: Filter) -> None:
    """Have a filter on the host; one that is there as it should be is not touched.

    Raises:
        Refused: a filter that it chains is not there, or something else has its name.
    """
    missing = [each for each in wanted.chained if not _document(connection, each)]
    if missing:
        raise Refused(f"the host has no packet filter {', '.join(missing)}")
    there = _document(connection, wanted.name)
    if not there:
        connection.nwfilterDefineXML(wanted.document)
    elif Filter.of(there) != wanted:
        raise Refused(
            f"the host's filter {wanted.name} is not as trustd defines it; "
            f"undefine it (virsh nwfilter-undefine {wanted.name})"
        )


def undefine(connection: libvirt.virConnect, name: str) -> None:
    """Remove a filter of trustd's own, unless somebody may still need it.

    A saved image or a snapshot names the filter that was in force when it was made,
    and cannot be restored without it: while there are any on the host, it stays. One
    that is in use, libvirt itself keeps.
    """
    if own(connection, name) is None:
        return
    keeping = (
        libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE,
        libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT,
    )
    if any(connection.listAllDomains(each) for each in keeping):
        return
    try:
        connection.nwfilterLookupByName(name).undefine()
    except libvirt.libvirtError:
        return  # another guest has it, or it has just gone


def _document(connection: libvirt.virConnect, name: str) -> str:
    """A filter's definition; empty where there is none of this name."""
    try:
        document: str = connection.nwfilterLookupByName(name).XMLDesc()
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_NWFILTER:
            return ""
        raise
    return document


def _tree(
    connection: libvirt.virConnect,
    name: str,
    given: frozenset[str],
    seen: dict[tuple[str, frozenset[str]], None],
) -> Iterator[tuple[Element | None, frozenset[str]]]:
    """A filter and all that it refers to, each with the parameters that it is given."""
    if (name, given) in seen:
        return
    seen[name, given] = None
    document = _document(connection, name)
    root = ElementTree.fromstring(document) if document else None
    yield root, given
    for each in root.iterfind("filterref") if root is not None else ():
        more = {parameter.get("name", "") for parameter in each.iterfind("parameter")}
        yield from _tree(connection, each.get("filter", ""), given | more, seen)


def _variables(root: Element) -> Iterator[str]:
    for rule in root.iterfind("rule"):
        for condition in rule:
            for value in condition.attrib.values():
                yield from _VARIABLE.findall(value)


def _text(rules: Iterable[Element]) -> str:
    """The rules and references, canonically: what the name is the hash of."""
    return "\n".join(_line(each) for each in rules if each.tag != "uuid")


def _line(element: Element) -> str:
    attributes: Mapping[str, str] = element.attrib
    words = [element.tag, *(f"{key}={value!r}" for key, value in sorted(attributes.items()))]
    return " ".join((*words, *(f"({_line(each)})" for each in element)))
