# SPDX-License-Identifier: Apache-2.0
"""What the docstring below a field says, read from the source when somebody asks.

pydantic keeps these words itself if it is told to (`use_attribute_docstrings`), but then it reads
the source of every class while it loads. That was an eighth of what the models cost each program,
and a start of the machine, for which several load them, asks for none.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


@cache
def descriptions(model: type[BaseModel]) -> Mapping[str, str]:
    """The words of every field that has some, the inherited ones included, by its name.

    Raises `OSError` where the source is not at hand.
    """
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel:
            found |= _own(each)
    return found


def _own(model: type[BaseModel]) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    declared = next(node for node in tree.body if isinstance(node, ast.ClassDef))
    found = {}
    for field, below in pairwise(declared.body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                found[name] = inspect.cleandoc(words)
    return found
