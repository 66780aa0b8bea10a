"""Questions to the base policy."""

from trustd.model import ObjectRef
from trustd.policy import decide

WEB = {"app": "web", "tenant": "acme"}
DB = {"app": "db", "env": "prod"}
VOLUME = ObjectRef("volume", "/v")
NET = ObjectRef("network", "lan")
NOW = 1_000_000.0


def ask(
    policy,
    action,
    ref=VOLUME,
    labels=None,
    *,
    guest=WEB,
    kind="guest",
    identity="g",
    band="trusted",
    at=NOW,
    **more,
):
    return decide(
        policy,
        policy.subject(kind, identity, guest),
        action,
        policy.target(ref, WEB if labels is None else labels),
        band=band,
        at=at,
        **more,
    )


def reason(*args, **more):
    return ask(*args, **more).decision.reason
