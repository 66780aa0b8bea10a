"""What other services are answered about a guest that an operator ordered something of."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from tests.conformance.client import EVALUATION
from tests.decisions.serving import guest, policy, serving, world
from tests.decisions.test_point import CALLER, KNOWN, OPEN, WEB, ask, document
from trustd.daemon.access import boot_clock
from trustd.decisions import Question
from trustd.model import (
    Author,
    Bound,
    Mode,
    Ordered,
    Override,
    Pause,
    Protection,
    Term,
)
from trustd.pipeline.heeding import subject_under

ADA = Author(1000, 42, "ada")
TICKET = "ticket 812, the customer does not know yet"


def under(
    band,
    *,
    override=None,
    bound=Bound.PIN,
    protected=False,
    paused=False,
    seconds=60.0,
    who=WEB,
    text=None,
):
    """A world in which the guest is in a band by trust, under orders of so many seconds."""
    now, term = world(policy(text), {who: band}), Term(time.time(), boot_clock(), seconds)
    ordered = Ordered(
        None if override is None else Override(WEB.id, override, bound, term, ADA, TICKET),
        Protection(WEB.id, term, ADA, TICKET) if protected else None,
        Pause(keep=False, term=term, author=ADA, reason=TICKET) if paused else None,
    )
    plain = now.guests[who.id]
    seen = replace(
        plain,
        subject=subject_under(plain.subject, ordered, WEB.id),
        ordered=ordered,
        own=plain.subject,
    )
    return replace(now, guests={**now.guests, WEB.id: seen}, overridden=override is not None)


@pytest.fixture
def served(tmp_path):
    with serving(tmp_path, world(policy(), {WEB: "trusted"}), {"callers": [CALLER]}) as found:
        yield found


def decide(served, world, action="write"):
    served.point.publish(world)
    return served.run(served.point.decide(KNOWN, ask(WEB, action)))


def test_answer_goes_by_the_override_and_says_so(served):
    """A lift permits and a narrowing denies what trust would not; the detail names the bound, in
    the explanation too, and neither author nor reason reaches a service."""
    lifted = decide(served, under("isolated", override="trusted", bound=Bound.AT_LEAST))
    assert (lifted.permit, lifted.band) == (True, "trusted")
    assert lifted.detail["override"] == "at-least trusted"
    narrowed = decide(served, under("trusted", override="isolated"), "read")
    assert (narrowed.permit, narrowed.band) == (False, "isolated")
    assert narrowed.detail["override"] == "pin isolated"

    async def explain():
        return served.point.explain(KNOWN, ask(WEB, "read"))

    told = served.run(explain())
    assert told.decision == narrowed
    assert "pin isolated" in told.text
    answer = served.unix().post(EVALUATION, document(WEB, "read"))
    assert answer.document["decision"] is False
    assert TICKET not in str(answer.document)
    plain = decide(served, world(policy(), {WEB: "trusted"}))
    assert "override" not in plain.detail


def test_orders_end_on_time_between_ticks_and_without_them(served):
    """An override, a protection and a pause that have ended count no more; no tick is needed."""
    over = under("isolated", override="trusted", bound=Bound.AT_LEAST, seconds=0.0)
    answer = decide(served, over)
    assert (answer.permit, answer.band) == (False, "isolated")
    assert "override" not in answer.detail
    assert decide(served, under("isolated", protected=True)).permit
    assert not decide(served, under("isolated", protected=True, seconds=0.0)).permit
    enforcing = policy().mode
    assert decide(served, under("isolated", paused=True, seconds=0.0)).mode is enforcing


def test_override_lifts_over_silence_and_ends_there_too(served):
    """Where ticks stay away, an operator's lift holds over what the policy says of silence, until
    it ends."""
    stale = replace(under("trusted", override="trusted"), clock=boot_clock() - 700, fresh_for=15.0)
    assert decide(served, stale).band == "trusted"
    late = under("trusted", override="trusted", seconds=0.0)
    assert decide(served, replace(late, clock=boot_clock() - 700, fresh_for=15.0)).band == (
        "isolated"
    )


def test_pause_is_observe_mode_in_answers(served):
    """While enforcement is paused the answer is what it was and carries observe."""
    paused = decide(served, under("isolated", paused=True))
    assert (paused.permit, paused.mode) == (False, Mode.OBSERVE)


BARRED = OPEN.replace(
    "forbid:\n",
    "types:\n  - {label: tenant, types: [volume]}\nforbid:\n"
    "  - {actions: [write], object: volumes, reason: sealed, subject: {select: {sealed: yes}}}\n",
)


@pytest.mark.parametrize(("labels", "reason"), [({"sealed": "yes"}, "forbid"), ({}, "type")])
@pytest.mark.parametrize("order", ["override", "protection"])
def test_no_order_crosses_what_is_forbidden_or_a_type(served, labels, reason, order):
    """A guest that is pinned to the best band, or protected, is denied what forbid and types deny
    a trusted one, with their reason."""
    who = guest(1, app="web", **labels)
    text = (
        BARRED
        if reason == "type"
        else BARRED.replace("types:\n  - {label: tenant, types: [volume]}\n", "")
    )
    assert text != OPEN
    orders = {"override": "trusted"} if order == "override" else {"protected": True}
    answer = decide(served, under("isolated", who=who, text=text, **orders))
    assert (answer.permit, answer.reason) == (False, reason)


def test_no_order_opens_a_wall(served):
    """A guest that is bound behind a wall stays behind it, pinned to the best band or protected."""
    text = OPEN.replace(
        "{actions: [read, write], object: volumes}",
        "{actions: [read, write], object: volumes}\n      - {actions: [can_view], object: studies}",
    )
    assert text != OPEN

    def study(world, name):
        served.point.publish(world)
        question = Question("guest", WEB.id, "can_view", "study", name)
        return served.run(served.point.decide(KNOWN, question))

    assert study(under("trusted", text=text), "study-a").permit
    for orders in ({"override": "trusted"}, {"protected": True}):
        denied = study(under("isolated", text=text, **orders), "study-b")
        assert (denied.permit, denied.reason) == (False, "wall")
