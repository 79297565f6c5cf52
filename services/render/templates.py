# SPDX-License-Identifier: Apache-2.0
"""The templates of HAProxy's files."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from services.render.quote import haq

TEMPLATES = Environment(
    loader=PackageLoader("services.render", package_path=""),
    undefined=StrictUndefined,
    # every field passes the quoting, so a template cannot forget it
    finalize=haq,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701  not HTML; `haq` is this format's escaping
)
