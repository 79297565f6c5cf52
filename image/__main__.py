# SPDX-License-Identifier: Apache-2.0
"""`python -m image`: build the appliance, look at what was built, start it."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from image import recipe
from image.qemu import Firmware
from services.errors import ApplianceError, Refused

app = typer.Typer(
    name="image",
    help="Build the appliance, look at what was built, start it.",
    epilog="Exit status: 0 done, 1 refused, 2 wrong usage, 3 it could not be done.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Boots = Annotated[Firmware, typer.Option("--firmware", help="What starts the boot loader.")]
Repeats = Annotated[
    Path | None,
    typer.Option("--manifest", help="Repeat the build that wrote this manifest.json."),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Build although the result of these inputs is kept.")
]
Products = Annotated[Path, typer.Option("--products", help="Where the products lie.")]


@app.callback()
def _image() -> None:
    """Build the appliance, look at what was built, start it."""


@app.command()
def build(
    *, products: Products = recipe.PRODUCTS, manifest: Repeats = None, fresh: Fresh = False
) -> None:
    """Build the appliance: root file system, disk, every format, checksums."""

    async def every() -> list[Path]:
        from image.disk import assembly
        from image.formats.products import make, raw_of, write_sums
        from image.medium import iso
        from image.root import build as build_root

        root = await build_root(products, repeat=manifest, fresh=fresh)
        assembled = await assembly.build(root.archive, products, boot_debs=root.boot_debs)
        made = await make(assembled, products)
        image = raw_of(products)
        made.append(
            await iso.make(assembled, image, root.archive, products, boot_debs=root.boot_debs)
        )
        sums = write_sums(products, [*made, root.manifest, root.bill])
        return [*made, sums]

    for path in asyncio.run(every()):
        typer.echo(path)


@app.command()
def disk(*, products: Products = recipe.PRODUCTS) -> None:
    """Make disk.raw from the root.tar that is there."""
    from image import root
    from image.disk import assembly

    debs = _boot_debs(products)
    typer.echo(asyncio.run(assembly.build(products / root.ARCHIVE, products, boot_debs=debs)))


@app.command()
def medium(*, products: Products = recipe.PRODUCTS) -> None:
    """Make the installer medium from the root.tar and the disk.raw that are there."""
    from image import root
    from image.disk import assembly
    from image.formats.products import make_raw
    from image.medium import iso

    async def both() -> Path:
        assembled = products / assembly.DISK
        image = await make_raw(assembled, products)
        return await iso.make(assembled, image, products / root.ARCHIVE, products, boot_debs=debs)

    debs = _boot_debs(products)
    typer.echo(asyncio.run(both()))


def _boot_debs(products: Path) -> list[Path]:
    """The packages of the boot loaders which the manifest names."""
    from image import packages, root
    from image.manifest import read

    listed = products / root.MANIFEST
    if not listed.exists():
        raise Refused(f"There is no {listed}.", do="Build it first: python -m image root")
    lists = read(listed.read_text(encoding="utf-8"), where=str(listed))
    return [packages.kept(recipe.CACHE / "debs", deb) for deb in lists.boot]


@app.command()
def root(
    *,
    products: Products = recipe.PRODUCTS,
    manifest: Repeats = None,
    fresh: Fresh = False,
) -> None:
    """Build the root file system: root.tar, its manifest, its bill of materials."""
    from image.root import build

    built = asyncio.run(build(products, repeat=manifest, fresh=fresh))
    typer.echo(built.archive)


@app.command()
def verify(*, products: Products = recipe.PRODUCTS) -> None:
    """Judge root.tar by the recipe; every problem is named."""
    from image import manifest, root
    from image.verify import demand, problems

    listed = products / root.MANIFEST
    text = listed.read_text(encoding="utf-8")
    demand(problems(products / root.ARCHIVE, manifest.read(text, where=str(listed))))


@app.command()
def run(
    *,
    products: Products = recipe.PRODUCTS,
    firmware: Boots = Firmware.BIOS,
    port: Annotated[int, typer.Option("--port", help="Port of this machine for its SSH.")] = 2222,
    keep: Annotated[
        bool, typer.Option("--keep", help="Go on with the disk of the last time.")
    ] = False,
) -> None:
    """Start the virtual appliance in this terminal."""
    from image import tryout

    folder, options = tryout.FOLDER, tryout.TEXT_MODE
    prepared = asyncio.run(tryout.prepare(products, folder, keep=keep, options=options))
    typer.echo(
        f"SSH: ssh -p {port} loadbalancer@127.0.0.1 (refused until its password was changed).\n"
        "Off: F12, or Alt+2 and the word quit. What is changed is forgotten without --keep."
    )
    tryout.in_terminal(prepared, folder, firmware=firmware, port=port)


@app.command()
def picture(
    *,
    products: Products = recipe.PRODUCTS,
    firmware: Boots = Firmware.BIOS,
    target: Annotated[Path, typer.Option("--target", help="The PNG to write.")] = recipe.TREE
    / "build"
    / "vm.png",
    within_s: Annotated[float, typer.Option("--within", help="Seconds to wait.")] = 300,
) -> None:
    """Start the virtual appliance unseen and write a picture of its status screen."""
    from image import tryout
    from image.root import ARCHIVE

    folder = tryout.FOLDER.with_name("vm-picture")
    prepared = asyncio.run(tryout.prepare(products, folder))
    took = tryout.photograph(
        *(prepared, folder, target),
        firmware=firmware,
        root=products / ARCHIVE,
        within_s=within_s,
    )
    typer.echo(f"{target} (painted {took:.0f} s after power-on)")


def main() -> int:
    """Run one verb; an error is a sentence with its remedy, never a traceback."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        app(standalone_mode=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except ApplianceError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
