# SPDX-License-Identifier: Apache-2.0
"""The options of `ballast vip` and `ballast rip` are the model's fields, no more and no less."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, get_args

import pytest
import typer
from pydantic import Field

from services.cli.layers import Layer
from services.cli.settings import Option, amended, options, settings
from services.errors import ConfigInvalid
from services.model import Layer4Server, Layer4Service, Model, RealServer, VirtualService
from services.model.base import IPAddress, field_help
from tests.fakes import scenes
from tests.unit.cli import against


class Inner(Model):
    depth: Annotated[int, Field(ge=1)] = 3
    """How deep."""


class Thing(Model):
    label: str
    """Its name."""

    friends: tuple[IPAddress, ...] = ()
    """Several with commas."""

    way_out: IPAddress | None = None
    """Where to."""

    inner: Inner = Inner(depth=7)


def test_a_field_of_a_model_is_an_option_by_itself() -> None:
    by_flag = {setting.flag: setting for setting in settings(Thing)}
    assert list(by_flag) == ["--label", "--friends", "--way-out", "--inner-depth"]
    assert [each.default for each in by_flag.values()] == [None, "empty", "none", "7"]
    assert by_flag["--inner-depth"].words == "How deep."


def test_what_was_typed_takes_the_fields_shape() -> None:
    thing = amended(
        Thing,
        {"label": "a", "way_out": "192.0.2.1"},
        {
            ("friends",): "192.0.2.2, 192.0.2.3",
            ("way_out",): "none",
            ("inner", "depth"): "9",
        },
    )
    assert [str(each) for each in thing.friends] == ["192.0.2.2", "192.0.2.3"]
    assert thing.way_out is None
    assert thing.inner.depth == 9
    assert amended(Thing, thing.model_dump(mode="json"), {("friends",): ""}).friends == ()


def test_an_edit_leaves_what_it_was_given_alone() -> None:
    start = {"label": "a", "inner": {"depth": 2}}
    amended(Thing, start, {("inner", "depth"): "4"})
    assert start == {"label": "a", "inner": {"depth": 2}}


def test_every_problem_is_told_at_the_option_that_was_typed() -> None:
    with pytest.raises(ConfigInvalid) as raised:
        amended(Thing, {}, {("inner", "depth"): "0", ("friends",): "192.0.2.2,,x"})
    assert sorted({problem.where for problem in raised.value.problems}) == [
        "--friends",
        "--inner-depth",
        "--label",
    ]


class Stranger(Model):
    label: str
    """Its name."""

    friends: tuple[IPAddress, ...] = ()
    """Who else."""

    alone: bool = False
    """Nobody."""


def test_objects_of_two_layers_share_their_options() -> None:
    shared = options({Layer.FOUR: Stranger, Layer.SEVEN: Thing})
    help_by_name = {
        each.name: get_args(each.parameter(defaults=True).annotation)[1].help for each in shared
    }
    assert help_by_name == {
        "label": "Its name.  [needed]",
        "friends": "Layer 4: Who else. Layer 7: Several with commas.  [default: empty]",
        "alone": "Layer 4: Nobody.  [default: no]",
        "way_out": "Layer 7: Where to. `none` for none.  [default: none]",
        "inner_depth": "Layer 7: How deep.  [default: 7]",
    }


def _with(option: Option) -> Callable[[], None]:
    """A verb that has the option."""

    def verb() -> None:
        """Do nothing."""

    verb.__signature__ = inspect.Signature([option.parameter(defaults=True)])  # type: ignore[attr-defined]
    return verb


def test_choices_that_differ_by_layer_all_complete() -> None:
    class Fruit(StrEnum):
        APPLE = "apple"

    class Vegetable(StrEnum):
        LEEK = "leek"

    class Sweet(Model):
        kind: Fruit = Fruit.APPLE
        """Which."""

    class Savoury(Model):
        kind: Vegetable = Vegetable.LEEK
        """Which."""

    (both,) = options({Layer.FOUR: Sweet, Layer.SEVEN: Savoury})
    kind, option = get_args(both.parameter(defaults=True).annotation)
    assert kind == str | None
    assert option.metavar == "[apple|leek]"
    assert option.autocompletion("l") == ["leek"]
    app = typer.Typer()
    app.command()(_with(both))
    assert typer.main.get_command(app).params[0].name == "kind"
    assert option.help == "Which.  [default in layer 4: apple, default in layer 7: leek]"


def test_a_setting_of_another_layer_is_refused_by_its_option() -> None:
    with pytest.raises(ConfigInvalid) as raised:
        amended(Layer4Service, {"label": "a"}, {("x_forwarded_for",): True})
    assert [str(problem) for problem in raised.value.problems] == [
        "--x-forwarded-for: A layer 4 service has no such setting. Leave it out."
    ]


@pytest.mark.parametrize(
    ("group", "model"),
    [
        ("vip", Layer4Service),
        ("vip", VirtualService),
        ("rip", Layer4Server),
        ("rip", RealServer),
    ],
)
@pytest.mark.parametrize("verb", ["add", "edit"])
def test_help_shows_every_field_in_the_models_own_words(
    group: str, model: type[Model], verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = against(scenes.small(), capsys)(group, verb, "--help")
    page = " ".join(ran.out.split())
    assert ran.status == 0
    for setting in settings(model):
        if (verb, setting.name) == ("add", "label"):
            continue
        assert setting.flag in page
    for name in model.model_fields.keys() - {"id", "label", "check", "servers"}:
        assert field_help(model, name) in page
    assert ("[default: 100]" in page) is ((group, verb) == ("rip", "add"))
