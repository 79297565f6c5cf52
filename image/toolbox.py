# SPDX-License-Identifier: Apache-2.0
"""The image's own programs, run on the machine that builds: they make the disk the image lies on.

The versions of mke2fs, veritysetup and grub-mkimage decide over bytes, and GRUB's modules only
fit their own grub-mkimage. Taken from the root file system they are the same wherever the image
is built. They are started through that root's loader with its libraries: no chroot, no mounts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from image.recipe import BOOT_PACKAGES
from services.command import Output, run
from services.errors import Refused

LOADER = "usr/lib64/ld-linux-x86-64.so.2"
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/systemd")


@dataclass(frozen=True)
class Toolbox:
    """Programs of the unpacked root file system, and the boot loaders that lie beside it."""

    root: Path
    boot: Path
    """The unpacked packages of `recipe.BOOT_PACKAGES`."""

    def file(self, name: str, *, package: str) -> Path:
        """A file of the root; `Refused` names the package that should have brought it."""
        path = self.root / name
        if not path.exists():
            raise Refused(
                f"The root file system has no /{name}.",
                do=f"Add the package {package} to the image's elements and build the root again.",
            )
        return path

    def boot_file(self, name: str) -> Path:
        """A file of the boot loaders' packages."""
        path = self.boot / name
        if not path.exists():
            raise Refused(
                f"The packages of the boot loaders bring no /{name}.",
                do=f"Correct BOOT_PACKAGES of the recipe; it has {', '.join(BOOT_PACKAGES)}.",
            )
        return path

    async def run(
        self,
        program: str,
        *args: str | Path,
        package: str,
        timeout_s: float = 600,
        env: Mapping[str, str] | None = None,
    ) -> Output:
        """Run `program`, a path inside the root, and return what it said."""
        path = self.file(program, package=package)
        loader = self.file(LOADER, package="libc6")
        libraries = ":".join(str(self.root / each) for each in LIBRARIES)
        return await run(
            [str(loader), "--inhibit-cache", "--library-path", libraries, str(path)]
            + [str(arg) for arg in args],
            timeout_s=timeout_s,
            env=env,
            do="Its own words say what is wrong; nothing of the image was kept.",
        )
