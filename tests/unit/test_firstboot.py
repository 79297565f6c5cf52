# SPDX-License-Identifier: Apache-2.0
"""A unit's own keys: made once, each whole, no two units alike, nobody else's to read."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from services.drivers import files
from services.errors import Unable
from services.firstboot import making
from services.firstboot.making import make, paths

pytestmark = pytest.mark.needs("ssh-keygen")


@pytest.fixture
def unit(tmp_path: Path) -> tuple[Path, Path]:
    """Folders as the image has them: no state, an empty machine id."""
    etc = tmp_path / "etc"
    (etc / "ssh").mkdir(parents=True)
    (etc / "machine-id").write_text("")
    return tmp_path / "data" / "ballast", etc


def everything(unit: tuple[Path, Path]) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for folder in unit
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def public_half(path: Path) -> str:
    """What OpenSSH itself makes of a private key."""
    argv = ["ssh-keygen", "-y", "-P", "", "-f", str(path)]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


async def test_everything_is_made_and_fit_for_its_daemon(unit: tuple[Path, Path]) -> None:
    state, etc = unit
    await make(state, etc)
    assert all(path.stat().st_size for path in paths(state, etc))
    for kind in making.HOST_KEYS:
        path = etc / "ssh" / f"ssh_host_{kind}_key"
        assert kind in public_half(path)
        assert path.with_name(f"{path.name}.pub").read_text().strip() == public_half(path)
    keys = (state / "secrets" / "heartbeat-authkeys").read_text()
    assert re.fullmatch(r"auth 1\n1 sha1 [0-9a-f]{40}\n", keys)
    password = (state / "secrets" / "haproxy-stats-password").read_text()
    assert re.fullmatch(r"[A-Za-z0-9_-]{24}\n", password)
    assert re.fullmatch(r"[0-9a-f]{32}\n", (etc / "machine-id").read_text())


async def test_what_is_secret_is_nobody_elses_to_read(unit: tuple[Path, Path]) -> None:
    state, etc = unit
    await make(state, etc)
    for path in paths(state, etc):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((state / "secrets").stat().st_mode) == 0o700
    (state / "secrets").chmod(0o755)
    (state / "secrets" / "heartbeat-authkeys").chmod(0o644)
    await make(state, etc)
    assert stat.S_IMODE((state / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "secrets" / "heartbeat-authkeys").stat().st_mode) == 0o600


async def test_again_makes_nothing_and_changes_nothing(unit: tuple[Path, Path]) -> None:
    assert await make(*unit)
    before = everything(unit)
    assert await make(*unit) == ()
    assert everything(unit) == before


async def test_only_what_is_missing_or_empty_is_made_anew(unit: tuple[Path, Path]) -> None:
    state, etc = unit
    await make(state, etc)
    before = everything(unit)
    gone = etc / "ssh" / "ssh_host_ed25519_key"
    gone.write_bytes(b"")
    assert await make(state, etc) == (gone,)
    after = everything(unit)
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {str(gone), f"{gone}.pub"}


async def test_two_units_share_nothing(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        (tmp_path / name / "ssh").mkdir(parents=True)
        await make(tmp_path / name / "state", tmp_path / name)
        found = everything((tmp_path / name / "state", tmp_path / name))
        contents.append(set(found.values()))
    assert contents[0] & contents[1] == set()


class PowerCut(BaseException):
    """Nothing can be done about it."""


@pytest.mark.parametrize("step", range(29))
async def test_a_power_cut_at_any_step_leaves_what_the_next_start_makes_whole(
    step: int, unit: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut before the n-th write, flush or rename, whichever file it is of."""
    left = step

    def cut_before(module: ModuleType, name: str) -> None:
        real = getattr(module, name)

        def counted(*args: object, **kwargs: object) -> object:
            nonlocal left
            if left == 0:
                raise PowerCut
            left -= 1
            return real(*args, **kwargs)

        power.setattr(module, name, counted)

    with monkeypatch.context() as power:
        cut_before(files, "_fill")
        cut_before(os, "rename")
        cut_before(os, "fsync")
        try:
            await make(*unit)
        except PowerCut:
            survived = {path: path.read_bytes() for path in paths(*unit) if path.exists()}
        else:
            pytest.fail("everything is made in fewer steps")
    assert all(survived.values())
    await make(*unit)
    for path, data in survived.items():
        assert path.read_bytes() == data
    assert all(path.stat().st_size for path in paths(*unit))
    for kind in making.HOST_KEYS:
        path = unit[1] / "ssh" / f"ssh_host_{kind}_key"
        assert path.with_name(f"{path.name}.pub").read_text().strip() == public_half(path)


async def test_a_link_in_the_place_of_a_key_is_refused(unit: tuple[Path, Path]) -> None:
    state, etc = unit
    (etc / "ssh" / "ssh_host_ecdsa_key").symlink_to(etc / "nowhere")
    with pytest.raises(Unable, match="is a symbolic link"):
        await make(state, etc)


async def test_a_folder_that_cannot_be_made_is_told(
    unit: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(Unable, match="is no folder"):
        await make(*unit)


async def test_the_machine_id_that_systemd_made_stays(unit: tuple[Path, Path]) -> None:
    state, etc = unit
    (etc / "machine-id").write_text("0" * 32 + "\n")
    assert etc / "machine-id" not in await make(state, etc)
