# SPDX-License-Identifier: Apache-2.0
"""The options of `ballast vip` and `ballast rip` are the model's fields, no more and no less."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field

from services.cli.settings import amended, settings
from services.errors import ConfigInvalid
from services.model import Model, RealServer, VirtualService
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


@pytest.mark.parametrize(("group", "model"), [("vip", VirtualService), ("rip", RealServer)])
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
