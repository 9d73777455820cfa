"""What `dominoes verify` says before the verifier is asked at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts.cli.main import app

pytestmark = pytest.mark.unit


def test_verify__archive_as_the_api_gives_it__says_to_unpack_it(tmp_path: Path) -> None:
    archive = tmp_path / "dominoes-personal.tar"
    archive.write_bytes(b"tar")

    done = CliRunner().invoke(app, ["verify", str(archive)])

    assert (done.exit_code, "unpack it and give its folder" in done.output) == (2, True)


def test_verify__folder_without_manifest__asks_for_that_of_a_bundle(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["verify", str(tmp_path)])

    assert (done.exit_code, "give the folder of a bundle, unpacked" in done.output) == (2, True)


def test_verify__neither_node_nor_chain_state__names_the_option(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")

    done = CliRunner().invoke(app, ["verify", str(tmp_path)])

    assert (done.exit_code, "--rpc URL" in done.output) == (2, True)
