"""The examples in the documents are right: policies, settings, messages and command lines."""

import dataclasses
import json
import pwd
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
import yaml
from pydantic import TypeAdapter

from tests.documents.blocks import Block, blocks, commands
from tests.notify.conftest import notice
from trustd.api.routes import ROUTES
from trustd.config import Settings, load_settings
from trustd.ctl import main as trustctl
from trustd.daemon.cli import main as trustd
from trustd.notify.text import document
from trustd.policy.cases import load_cases
from trustd.policy.load import load_policy, load_registry
from trustd.policy.schema import PolicyDocument

PROJECT = Path(__file__).parents[2]
PAGES = (PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(PROJECT.glob("docs/**/*.md")))
BLOCKS = [block for page in PAGES for block in blocks(page)]
FOREIGN = {"volume:delete"}
"""Examples for another program's file, by a key, that no checker here understands."""

SPAN = re.compile(r"(?<!`)`(trust(?:ctl|d)\s[^`.…]+)`(?!`)")
"""A command line in a sentence, but for those with an ellipsis."""
LEAST = {"yaml": 10, "json": 1, "console": 10, "sh": 10}


def of(*languages: str) -> list[Any]:
    return [pytest.param(each, id=each.place) for each in BLOCKS if each.language in languages]


def test_there_is_something_to_check() -> None:
    """The blocks are found: an empty list would pass all that follows."""
    count = {name: len(of(name)) for name in LEAST}
    assert all(count[name] >= least for name, least in LEAST.items()), count


@pytest.mark.parametrize("block", of("yaml"))
def test_a_yaml_example_is_valid(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever copies an example into the file that it is for gets no error."""
    example = yaml.safe_load(block.text)
    keys = set(example)
    file = tmp_path / "example.yaml"
    file.write_text(block.text, "utf-8")
    if keys & FOREIGN:
        return
    if "scrape_configs" in keys:
        _well("promtool", "check", "config", "--syntax-only", file)
    elif keys & {"route", "receivers"}:
        _well("amtool", "check-config", file)
    elif "cases" in keys:
        load_cases(block.text, block.place)
    elif keys <= {"apiVersion", "objects", "subjects"} and isinstance(example["objects"], list):
        load_registry(block.text, block.place)
    elif keys <= set(Settings.model_fields):
        # the users of an example are none of this host's
        monkeypatch.setattr(pwd, "getpwnam", lambda _name: SimpleNamespace(pw_uid=1000))
        load_settings(file, {})
    else:
        load_policy(yaml.safe_dump(_whole(example)), block.place)


def _well(*command: str | Path) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def _whole(part: dict[str, Any]) -> dict[str, Any]:
    """A part of a policy, in the place of the same keys of the policy that is shipped."""
    assert set(part) <= {field.alias or name for name, field in PolicyDocument.model_fields.items()}
    if "name" in part:
        return part
    default = yaml.safe_load((PROJECT / "policies/default.yaml").read_text("utf-8"))
    for key, value in part.items():
        old = default.get(key)
        both = isinstance(old, dict) and isinstance(value, dict) and key != "trust"
        default[key] = old | value if both else value
    return default  # type: ignore[no-any-return]


@pytest.mark.parametrize("block", of("json"))
def test_a_json_example_is_json(block: Block) -> None:
    """Every JSON example can be read."""
    assert isinstance(json.loads(block.text), dict)


def test_the_notice_of_the_page_is_what_a_webhook_gets() -> None:
    """The example of an event has the members of one, in ``data`` and in all of its parts."""
    (shown,) = [
        each.text for each in BLOCKS if each.page.name == "notices.md" and each.language == "json"
    ]
    event = json.loads(shown)
    assert {"specversion", "id", "source", "type"} <= set(event)
    assert members(event["data"]) == members(document(notice()))


def members(value: object) -> object:
    """The names in a document, without what they hold."""
    if isinstance(value, dict):
        return {name: members(each) for name, each in value.items() if name != "labels"}
    return [members(each) for each in value[:1]] if isinstance(value, list) else None


def bodies() -> Iterator[Any]:
    """Each request's body that the API's page shows, with the address it stands under."""
    text = (PROJECT / "docs/api.md").read_text("utf-8")
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, rest = section.partition("\n")
        method, _, path = heading.partition(" ")
        if method in ("POST", "PUT"):
            for shown in re.findall(r"```json\n(\{.*?\})\n```|`(\{\".*?\})`", rest, re.DOTALL):
                yield pytest.param(method, path, "".join(shown), id=f"{heading}-{shown}")


@pytest.mark.parametrize(("method", "path", "shown"), list(bodies()))
def test_a_request_of_the_page_fits_the_api(method: str, path: str, shown: str) -> None:
    """A body that the page shows has the form that the address takes."""
    body = json.loads(re.sub(r"\bUUID\b", '"0"', shown))
    (route,) = [each for each in ROUTES if (each.method, each.path) == (method, path)]
    assert route.body is not None
    assert set(body) <= {field.name for field in dataclasses.fields(route.body)}
    TypeAdapter(route.body).validate_python(body)


def typed() -> Iterator[Any]:
    """Each command line of the documents that begins with one of our programs."""
    for block in BLOCKS:
        lines = [(command.place, command.typed) for command in commands(block)]
        if block.language == "":
            lines = [(block.place, line) for line in block.text.splitlines()]
        for place, line in lines:
            for each in re.findall(r"(?:^|\|\| |&& |; |until |while )(trust(?:ctl|d) .*)", line):
                cut = re.split(r" [|&>;]|2>|; ", re.sub(r"\$\([^)]*\)", "X", each))[0]
                yield pytest.param(cut.strip(), id=f"{place}-{cut.strip()}")
    for page in PAGES:
        for span in SPAN.findall(page.read_text("utf-8")):
            line = re.sub(r"[][]", "", " ".join(span.split()).partition(" | ")[0])
            if re.search(r" --\w+$", line):  # a sentence may name an option without its value
                line = line.rpartition(" --")[0]
            yield pytest.param(line, id=f"{page.name}-{line}")


@pytest.mark.parametrize("line", list(typed()))
def test_a_command_line_is_understood(line: str) -> None:
    """No document shows a command or an option that does not exist."""
    program, *arguments = shlex.split(line, comments=True)
    command: click.Command = {"trustctl": trustctl, "trustd": trustd}[program]
    while isinstance(command, click.Group):
        context = click.Context(command)
        _options, rest, _order = command.make_parser(context).parse_args(arguments)
        assert rest, f"{line}: which command?"
        found = command.get_command(context, rest[0])
        assert found is not None, f"{line}: there is no command {rest[0]}"
        command, arguments = found, rest[1:]
    _options, rest, _order = command.make_parser(click.Context(command)).parse_args(arguments)
    assert not rest, f"{line}: what is {rest[0]}?"
