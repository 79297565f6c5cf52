# SPDX-License-Identifier: Apache-2.0
"""Build the root file system: choose, fetch, stage, let diskimage-builder work, tidy, judge, keep.

diskimage-builder runs in namespaces of its own: what it mounts is gone with its last process, it
sees no network, and its processes die with this one. pip and dpkg give files the modes that the
umask leaves, so the build has one of its own: the caller's may keep everybody else out. Its result
is kept by the hash of everything that went in, so a second build of the same inputs is a copy.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from image import mirrors, packages, recipe, roottar, sbom, stage, verify, wheels
from image.manifest import Manifest, read
from services.command import CLEAN_ENV, run
from services.errors import CommandFailed, Unable

log = logging.getLogger(__name__)

BUILD_S = 3600.0
WAIT_S = 1200.0
"""For another build in the same cache: from nothing, on a busy machine, it takes half of that."""
LOOK_S = 0.5
ROOM_MIB = 8 * 1024
"""Free space a build asks for: the packages, the tree, and it as an archive twice."""
PROGRAMS = ("apt-get", "dpkg-deb", "mmdebstrap", "setpriv", "sudo", "unshare")
SBIN = CLEAN_ENV["PATH"]

DECIDING = tuple(
    recipe.TREE / "image" / f"{name}.py"
    for name in ("accounts", "recipe", "root", "roottar", "sbom", "stage", "wheels")
)
"""The modules that have a say in the bytes of the archive."""

UMASK = 0o022
"""Files of the image may be read by every account unless the recipe says otherwise."""

ARCHIVE = "root.tar"
MANIFEST = "manifest.json"
BILL = "sbom.spdx.json"
LOG = "root.log"
WORK = "work-"
"""Folders of the cache in which something is being built begin with this."""

TELLING = ("E: ", "ERROR", "dpkg: error", "Traceback")
AFTERWARDS = ("Unmount ", "INFO diskimage_builder.")
LAST = 40
"""Lines of the log among which the reason of a failure is looked for."""


@dataclass(frozen=True)
class Inputs:
    """What a build is made from, and the hash under which its result is kept."""

    manifest: Manifest
    product: Path
    """Ballast's own wheel."""
    key: str


@dataclass(frozen=True)
class Built:
    """The products of one build."""

    archive: Path
    manifest: Path
    bill: Path
    boot_debs: tuple[Path, ...]
    """The packages of `recipe.BOOT_PACKAGES`, as files."""
    reused: bool
    """True if nothing had to be built."""


async def build(
    products: Path = recipe.PRODUCTS,
    *,
    repeat: Path | None = None,
    cache: Path = recipe.CACHE,
    fresh: bool = False,
) -> Built:
    """Make root.tar and its lists in `products`; raises `Unable` and leaves nothing half-made.

    `repeat` is a manifest whose packages and wheels are used again instead of today's newest;
    `fresh` builds although the result is there.
    """
    _look_ahead(cache, products)
    with workshop(cache) as work, _umask():
        inputs = await _gather(work, cache, repeat)
        kept = cache / f"root-{inputs.key}"
        reused = kept.is_dir() and not fresh
        if not reused:
            await _make(inputs, work, cache, kept, products)
        boot = tuple(packages.kept(cache / "debs", deb) for deb in inputs.manifest.boot)
        return deliver(kept, products, boot=boot, reused=reused)


def _look_ahead(cache: Path, products: Path) -> None:
    """Find out now what would stop the build in ten minutes."""
    if os.geteuid() != 0:
        raise Unable(
            "Only root can build the image: its files belong to root and to daemons.",
            do="Start the same command as root.",
        )
    path = f"{Path(sys.executable).parent}:{SBIN}"
    wanted = (*PROGRAMS, "disk-image-create")
    if missing := [each for each in wanted if shutil.which(each, path=path) is None]:
        raise Unable(
            f"Programs are missing: {', '.join(missing)}.",
            do="Type `make image`, which installs what it needs.",
        )
    for folder in (cache, products):
        folder.mkdir(parents=True, exist_ok=True)
    free_mib = shutil.disk_usage(cache).free >> 20
    if free_mib < ROOM_MIB:
        raise Unable(
            f"{cache} has {free_mib} MiB of free space and the build needs {ROOM_MIB}.",
            do="Make room there, or let XDG_CACHE_HOME name a folder on a larger disk.",
        )


@contextmanager
def workshop(cache: Path) -> Iterator[Path]:
    """A folder that is gone afterwards, whatever happens, and the only one below `cache`.

    What a build that was killed has left is removed by the next one. One that is at work is
    waited for: it may be making the very root that is wanted.
    """
    with (cache / "lock").open("w") as lock:
        _take_turn(lock, cache)
        _sweep(cache)
        try:
            yield Path(tempfile.mkdtemp(prefix=WORK, dir=cache))
        finally:
            _sweep(cache)


def _take_turn(lock: TextIO, cache: Path) -> None:
    """Hold the cache; raises `Unable` if somebody else keeps it for `WAIT_S`."""
    give_up_at = time.monotonic() + WAIT_S
    told = False
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > give_up_at:
                raise Unable(
                    f"Another build has been at work in {cache} for {WAIT_S / 60:.0f} minutes.",
                    do="End it if it hangs, or let XDG_CACHE_HOME name another folder.",
                ) from error
        if not told:
            log.info("another build is at work in %s; waiting for it", cache)
            told = True
        time.sleep(LOOK_S)


@contextmanager
def _umask() -> Iterator[None]:
    before = os.umask(UMASK)
    try:
        yield
    finally:
        os.umask(before)


def _sweep(cache: Path) -> None:
    """Remove every working folder. Mounts are gone with the last process that saw them."""
    for folder in cache.glob(f"{WORK}*"):
        shutil.rmtree(folder, ignore_errors=True)


async def _gather(work: Path, cache: Path, repeat: Path | None) -> Inputs:
    debs, wheelhouse = cache / "debs", cache / "wheels"
    found = mirrors.of_this_machine(os.environ)
    if repeat is not None:
        manifest = read(repeat.read_text(encoding="utf-8"), where=str(repeat))
        wheels.whole(manifest.wheels, wheelhouse)
    else:
        log.info("choosing packages of Debian %s", recipe.DEBIAN)
        apt = packages.Apt(cache / "apt", found, suite=recipe.SUITE, arch=recipe.ARCH)
        asked_for = packages.asked_for(recipe.ELEMENTS)
        debs_of_root, boot = await apt.choose(asked_for, alone=recipe.BOOT_PACKAGES)
        manifest = Manifest(
            suite=recipe.SUITE,
            arch=recipe.ARCH,
            epoch=recipe.source_date_epoch(),
            debs=debs_of_root,
            boot=boot,
            wheels=await wheels.fetch(recipe.TREE, wheelhouse),
        )
    every = (*manifest.debs, *manifest.boot)
    fetched = await packages.fetch(every, found, debs)
    log.info("%d packages, %d MB of them fetched", len(every), fetched // 1_000_000)
    product = await wheels.own(recipe.TREE, work, epoch=manifest.epoch)
    return Inputs(manifest, product, _key(manifest, product))


def _key(manifest: Manifest, product: Path) -> str:
    """The hash of everything that decides about the bytes of the archive."""
    digest = hashlib.sha256(manifest.text().encode())
    digest.update(importlib.metadata.version("diskimage-builder").encode())
    digest.update(wheels.digest(product).encode())
    for path in (*_files(recipe.ELEMENTS, recipe.OVERLAYS), *DECIDING):
        mode = "x" if path.lstat().st_mode & 0o100 else "-"
        what = str(path.readlink()) if path.is_symlink() else wheels.digest(path)
        digest.update(f"{path.relative_to(recipe.TREE)} {mode} {what}\n".encode())
    return digest.hexdigest()[:32]


def _files(*folders: Path) -> Iterable[Path]:
    found = {path for folder in folders for path in folder.rglob("*")}
    return (
        path
        for path in sorted(found)
        if (path.is_symlink() or path.is_file()) and "__pycache__" not in path.parts
    )


async def _make(inputs: Inputs, work: Path, cache: Path, kept: Path, products: Path) -> None:
    manifest = inputs.manifest
    staged = work / "stage"
    staged.mkdir()
    repository = staged / "packages"
    repository.mkdir()
    await packages.offer(
        manifest.debs, cache / "debs", repository, suite=manifest.suite, arch=manifest.arch
    )
    stage.people(staged)
    stage.overlays(recipe.TREE, staged, modes=recipe.MODES)
    stage.identity(staged)
    stage.wheels(manifest.wheels, cache / "wheels", inputs.product, staged)
    log.info("building the root file system; its words are in %s", products / LOG)
    began = time.monotonic()
    raw = await _disk_image_create(work, staged, epoch=manifest.epoch, words=products / LOG)
    log.info("built in %.0f s; tidying", time.monotonic() - began)
    result = work / "result"
    result.mkdir()
    archive = result / ARCHIVE
    roottar.normalise(raw, archive, epoch=manifest.epoch, tidying=recipe.TIDYING)
    raw.unlink()
    (result / MANIFEST).write_text(manifest.text())
    (result / BILL).write_text(json.dumps(sbom.of(archive, manifest), indent=1) + "\n")
    verify.demand(verify.problems(archive, manifest))
    for old in cache.glob("root-*"):
        shutil.rmtree(old)
    result.rename(kept)


async def _disk_image_create(work: Path, staged: Path, *, epoch: int, words: Path) -> Path:
    """Run the elements; the archive as diskimage-builder leaves it."""
    home = work / "home"
    temporary = work / "tmp"
    for each in (home, temporary):
        each.mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{SBIN}",
        "HOME": str(home),
        "ARCH": recipe.ARCH,
        "ELEMENTS_PATH": str(recipe.ELEMENTS),
        "SOURCE_DATE_EPOCH": str(epoch),
        "TMP_DIR": str(temporary),
        "DIB_BALLAST_STAGE": str(staged),
        "DIB_CHECKSUM": "0",
        "DIB_IMAGE_CACHE": str(home / "image-create"),
        "DIB_LOCKFILES": str(home / "locks"),
    }
    made = work / "raw.tar"
    apart = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--uts",
        "--ipc",
        "--net",
    ]
    apart += ["--pid", "--fork", "--kill-child", "--mount-proc"]
    argv = [*apart, "disk-image-create", "-n", "-t", "tar", "-o", str(made.with_suffix(""))]
    argv += ["-a", recipe.ARCH, "--logfile", str(words), "ballast"]
    words.unlink(missing_ok=True)
    do = f"Read the end of {words}; nothing was built."
    try:
        await run(argv, timeout_s=BUILD_S, env=environment, do=do)
    except CommandFailed as error:
        raise Unable(f"The root file system was not built: {_last_words(words)}", do=do) from error
    return made


def _last_words(words: Path) -> str:
    """The line of the log that most likely says why; what follows it is the cleaning up."""
    lines = words.read_text(errors="replace").splitlines() if words.is_file() else []
    said = [line.partition("| ")[2] for line in lines]
    said = [line for line in said if line and not line.startswith(AFTERWARDS)]
    telling = [line for line in said[-LAST:] if line.startswith(TELLING)]
    return (telling or said or ["diskimage-builder said nothing."])[-1]


def deliver(kept: Path, products: Path, *, boot: tuple[Path, ...], reused: bool) -> Built:
    """Put the kept result beside the other products, each file whole or not at all."""
    for name in (ARCHIVE, MANIFEST, BILL):
        partial = products / f".{name}.partial"
        partial.unlink(missing_ok=True)
        try:
            partial.hardlink_to(kept / name)
        except OSError:  # another file system
            shutil.copyfile(kept / name, partial)
        partial.replace(products / name)
        partial.unlink(missing_ok=True)  # a rename between two names of one file does nothing
    return Built(products / ARCHIVE, products / MANIFEST, products / BILL, boot, reused)
