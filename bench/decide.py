"""Time one decision in process, beside other engines on the same policy and questions.

50 roles, 200 object labels, 1,000 subjects, four bands, a history wall, and a reason
with every answer. Peers are measured where they are installed; each must give the
same answers. Microseconds are of CPU, so that a busy machine does not distort them.

    python -m bench.decide     # with pycasbin, cedarpy and regopy installed, also those
"""

import importlib.util
import json
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.results import write
from trustd.model import ObjectRef
from trustd.policy import Policy, Subject, Target, decide, load_policy

ROLES, LABELS, SUBJECTS, SETS_A_ROLE, CLIENTS = 50, 200, 1_000, 8, 5
ACTIONS = ("read", "list", "write", "flush")
CAPS = {
    "trusted": ACTIONS,
    "guarded": ("read", "list", "write"),
    "restricted": ("read", "list"),
    "isolated": (),
}
QUESTIONS, BATCHES, SEED = 1_000, 50, 7


@dataclass(frozen=True)
class World:
    """Who has which role, what each role may touch, and what is asked."""

    permits: dict[str, list[str]]
    role_of: dict[str, str]
    questions: list[tuple[str, str, str, str]]  # subject, action, label, band


def world() -> World:
    rng = random.Random(SEED)  # noqa: S311 - a fixed workload, not a secret
    labels = [f"label{n}" for n in range(LABELS)]
    permits = {f"role{n}": rng.sample(labels, SETS_A_ROLE) for n in range(ROLES)}
    role_of = {f"guest{n}": f"role{n % ROLES}" for n in range(SUBJECTS)}
    questions = []
    for _ in range(QUESTIONS):
        subject = rng.choice(sorted(role_of))
        # Two of three questions are about something that the role may touch.
        near = rng.random() < 2 / 3
        label = rng.choice(permits[role_of[subject]] if near else labels)
        questions.append((subject, rng.choice(ACTIONS), label, rng.choice(sorted(CAPS))))
    return World(permits, role_of, questions)


def policy_of(given: World) -> Policy:
    bands = [
        {"name": "trusted", "enter": 0.8, "leave": 0.7},
        {"name": "guarded", "enter": 0.6, "leave": 0.5, "cap": list(CAPS["guarded"])},
        {"name": "restricted", "enter": 0.4, "leave": 0.3, "cap": list(CAPS["restricted"])},
        {"name": "isolated", "cap": []},
    ]
    document = {
        "apiVersion": "trustd/v1",
        "name": "bench",
        "actions": {"all": list(ACTIONS)},
        "subjects": [{"select": {"role": role}, "roles": [role]} for role in given.permits],
        "objects": {
            f"label{n}": {"type": "volume", "select": {"app": f"label{n}"}} for n in range(LABELS)
        },
        "roles": {
            role: {"permits": [{"actions": ["all"], "object": label} for label in labels]}
            for role, labels in given.permits.items()
        },
        "trust": {"bands": bands},
        "walls": [
            {
                "name": "clients",
                "label": "client",
                "conflicts": [[f"mine{n}", f"rival{n}"] for n in range(CLIENTS)],
                "mode": "history",
            }
        ],
    }
    return load_policy(json.dumps(document), "bench.yaml")


Run = Callable[[], Sequence[bool]]


def ours(given: World) -> Run:
    policy = policy_of(given)
    subjects: dict[str, Subject | None] = {
        name: policy.subject("guest", name, {"role": role}) for name, role in given.role_of.items()
    }
    targets: dict[str, Target | None] = {
        f"label{n}": policy.target(
            ObjectRef("volume", f"label{n}"),
            {"app": f"label{n}", "client": f"mine{n % CLIENTS}"},
        )
        for n in range(LABELS)
    }
    # Everybody has touched all of its clients before, and none of their rivals.
    history = {"clients": frozenset(f"mine{n}" for n in range(CLIENTS))}
    questions = given.questions

    def run() -> Sequence[bool]:
        return [
            decide(
                policy,
                subjects[subject],
                action,
                targets[label],
                band=band,
                at=0.0,
                history=history,
            ).decision.permit
            for subject, action, label, band in questions
        ]

    return run


def casbin(given: World) -> Run:
    import casbin  # noqa: PLC0415 - a peer that need not be there

    model = """
[request_definition]
r = sub, act, obj, band
[policy_definition]
p = sub, act, obj
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.obj == p.obj && r.act == p.act && g(r.sub, p.sub) && capped(r.band, r.act)
"""
    rows = [
        f"p, {role}, {action}, {label}"
        for role, labels in given.permits.items()
        for label in labels
        for action in ACTIONS
    ]
    rows += [f"g, {subject}, {role}" for subject, role in given.role_of.items()]
    with tempfile.TemporaryDirectory() as folder:
        model_path, rows_path = Path(folder, "model.conf"), Path(folder, "policy.csv")
        model_path.write_text(model)
        rows_path.write_text("\n".join(rows))
        # The index by action and object is what makes it quick.
        enforcer = casbin.FastEnforcer(str(model_path), str(rows_path), cache_key_order=[1, 2])
    enforcer.add_function("capped", lambda band, action: action in CAPS[band])
    return lambda: [enforcer.enforce(s, a, o, b) for s, a, o, b in given.questions]


def cedar(given: World) -> Run:
    import cedarpy  # noqa: PLC0415 - a peer that need not be there

    rules = [
        f'permit(principal in Role::"{role}", action, resource == Label::"{label}") '
        "when { context.capped };"
        for role, labels in given.permits.items()
        for label in labels
    ]
    policies = "\n".join(rules)
    requests = [
        {
            "principal": f'Guest::"{subject}"',
            "action": f'Action::"{action}"',
            "resource": f'Label::"{label}"',
            "context": {"capped": action in CAPS[band]},
        }
        for subject, action, label, band in given.questions
    ]
    entities = json.dumps(
        [
            {
                "uid": {"type": "Guest", "id": subject},
                "attrs": {},
                "parents": [{"type": "Role", "id": role}],
            }
            for subject, role in given.role_of.items()
        ]
    )
    # One batch, so that policies and entities are parsed once for all questions.
    return lambda: [
        answer.allowed for answer in cedarpy.is_authorized_batch(requests, policies, entities)
    ]


def rego(given: World) -> Run:
    import regopy  # noqa: PLC0415 - a peer that need not be there

    engine = regopy.Interpreter()
    engine.add_module(
        "bench",
        """package bench
import rego.v1
allow if {
    input.action in data.actions
    input.label in data.permits[data.role_of[input.subject]]
    input.action in data.caps[input.band]
}
""",
    )
    engine.add_data(
        {
            "actions": list(ACTIONS),
            "permits": given.permits,
            "role_of": given.role_of,
            "caps": {band: list(cap) for band, cap in CAPS.items()},
        }
    )
    # compiled once: parsing the query anew costs ten times as much
    bundle = engine.build("data.bench.allow", [])

    def ask(subject: str, action: str, label: str, band: str) -> bool:
        engine.set_input({"subject": subject, "action": action, "label": label, "band": band})
        found = engine.query_bundle(bundle).results
        return bool(found) and found[0].expressions == [True]

    return lambda: [ask(*question) for question in given.questions]


PEERS = {
    "pycasbin": ("casbin", casbin, 5),
    "cedarpy": ("cedarpy", cedar, 5),
    "regopy": ("regopy", rego, 3),
}


def measured(run: Run, batches: int) -> float:
    """Microseconds of CPU a decision: the median over batches."""
    took = []
    for _ in range(batches):
        began = time.process_time()
        run()
        took.append((time.process_time() - began) / QUESTIONS * 1e6)
    return statistics.median(took)


def main() -> None:
    given = world()
    run = ours(given)
    answers = list(run())
    figures: dict[str, float | int | str] = {
        "machine": f"{platform.machine()} {platform.python_version()}",
        "roles": ROLES,
        "labels": LABELS,
        "subjects": SUBJECTS,
        "permit_ratio": sum(answers) / len(answers),
        "trustd_us": measured(run, BATCHES),
    }
    for name, (module, prepare, batches) in PEERS.items():
        if importlib.util.find_spec(module) is None:
            print(f"{name} is not installed")
            continue
        peer = prepare(given)
        assert list(peer()) == answers, f"{name} answers otherwise"
        figures[f"{name}_us"] = measured(peer, batches)
        figures[f"{name}_times_trustd"] = figures[f"{name}_us"] / figures["trustd_us"]
    write("decide", figures)


if __name__ == "__main__":
    main()
