# SPDX-License-Identifier: Apache-2.0
"""The bill of materials, SPDX 2.3 as JSON: every Debian and Python package of the image.

Debian's part is read from the image's own dpkg status, Python's from what lies in the product's
virtual environment: the bill says what is there, not what was asked for.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from image import recipe
from image.manifest import Manifest
from image.packages import paragraphs
from image.roottar import contents, entries

STATUS = "var/lib/dpkg/status"
"""The image's own list of what dpkg installed."""

_METADATA = re.compile(
    re.escape(recipe.PRODUCT_HOME.strip("/")) + r"/lib/python[^/]+/site-packages/[^/]+/METADATA"
)


def of(archive: Path, manifest: Manifest) -> dict[str, Any]:
    """The bill of the root file system in `archive`."""
    python = [entry.name for entry in entries(archive) if _METADATA.fullmatch(entry.name)]
    found = contents(archive, [STATUS, *python])
    installed = paragraphs(found.get(STATUS, b"").decode())
    debian = [_debian(each, manifest) for each in installed]
    wheels = [_wheel(paragraphs(found[name].decode())[0]) for name in sorted(python)]
    return document([*debian, *wheels], epoch=manifest.epoch)


def document(parts: Sequence[dict[str, Any]], *, epoch: int) -> dict[str, Any]:
    """The SPDX document around the packages."""
    made = dt.datetime.fromtimestamp(epoch, tz=dt.UTC)
    name = f"{recipe.NAME}-{recipe.version()}"
    whole = {
        "SPDXID": "SPDXRef-image",
        "name": recipe.NAME,
        "versionInfo": recipe.version(),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseDeclared": "Apache-2.0",
    }
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"urn:uuid:{recipe.identifier(f'sbom/{name}/{epoch}')}",
        "creationInfo": {
            "created": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": [f"Tool: {name}"],
        },
        "packages": [whole, *parts],
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": "SPDXRef-image",
            },
            *(
                {
                    "spdxElementId": "SPDXRef-image",
                    "relationshipType": "CONTAINS",
                    "relatedSpdxElement": part["SPDXID"],
                }
                for part in parts
            ),
        ],
    }


def _debian(fields: Mapping[str, str], manifest: Manifest) -> dict[str, Any]:
    name, version, arch = fields["Package"], fields["Version"], fields["Architecture"]
    source, _, of_version = fields.get("Source", name).partition(" ")
    where = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}"
    known = next((deb for deb in manifest.debs if (deb.name, deb.version) == (name, version)), None)
    part = _part("deb", name, version, f"{where}?arch={arch}&distro=debian-{recipe.DEBIAN}")
    part["sourceInfo"] = f"built from {source} {of_version.strip('()') or version}"
    if known:
        part["checksums"] = [{"algorithm": "SHA256", "checksumValue": known.sha256}]
    return part


def _wheel(fields: Mapping[str, str]) -> dict[str, Any]:
    name, version = fields["Name"].lower().replace("_", "-"), fields["Version"]
    return _part("pypi", name, version, f"pkg:pypi/{quote(name)}@{quote(version, safe='')}")


def _part(kind: str, name: str, version: str, purl: str) -> dict[str, Any]:
    identifier = re.sub(r"[^A-Za-z0-9.-]", "-", name.replace("+", "-plus"))
    return {
        "SPDXID": f"SPDXRef-{kind}-{identifier}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl,
            }
        ],
    }
