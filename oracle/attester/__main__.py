"""`python -m oracle.attester --config FILE`: one attester until it is told to stop (SIGTERM or Ctrl-C)."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from pathlib import Path

import httpx
from eth_account import Account

from contracts.rpc import Rpc
from domain.eip712 import Domain
from domain.errors import DominoesError
from domain.signing import SigningKey
from oracle.attester.chain import NodeChain
from oracle.attester.config import AttesterConfig, read_config
from oracle.attester.http import HttpService
from oracle.attester.process import Attester, Timing
from oracle.attester.settlement import SettlementSigner

LIFE_S = 1.0
"""Wall seconds between looks at whether all threads still run."""


def _key(config: AttesterConfig) -> SigningKey:
    keystore = json.loads(config.keystore.read_text(encoding="utf-8"))
    return SigningKey(bytes(Account.decrypt(keystore, config.password_file.read_text(encoding="utf-8").strip())))


def build(config: AttesterConfig) -> Attester:
    """An attester with its own HTTP sessions and node connection, not started."""
    key = _key(config)
    rpc = Rpc(config.rpc_url)
    chain_id = int(rpc.call("eth_chainId"), 16)
    signer = SettlementSigner(
        key=key,
        store_path=config.store,
        service=HttpService(client=httpx.Client(base_url=config.service_url), key=key),
        chain=NodeChain(rpc=rpc, contracts=config.contracts),
        market_domain=Domain(chain_id=chain_id, verifying_contract=config.contracts.market),
        settlement_domain=Domain(chain_id=chain_id, verifying_contract=config.contracts.settlement),
        terms_s=config.registry_s,
    )
    return Attester(
        name=config.name,
        area=config.area,
        key=key,
        store_path=config.store,
        broker=config.broker,
        service=HttpService(client=httpx.Client(base_url=config.service_url), key=key),
        chain=NodeChain(rpc=Rpc(config.rpc_url), contracts=config.contracts),
        timing=Timing(
            cut_off_s=config.cut_off_s,
            proposer_timeout_s=config.proposer_timeout_s,
            poll_s=config.poll_s,
            registry_s=config.registry_s,
            settlement_s=config.settlement_s,
        ),
        settlement=signer,
    )


def main() -> int:
    """Run until a signal comes (0 afterwards), or until a thread ends by itself (1: better restarted than deaf)."""
    parser = argparse.ArgumentParser(prog="python -m oracle.attester", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="TOML file with the attester's settings")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    attester = build(read_config(arguments.config))
    stop = threading.Event()

    def end(*_: object) -> None:
        attester.interrupt()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        attester.start(timeout_s=None)
        while not stop.wait(LIFE_S):
            if not attester.is_alive():
                logging.getLogger(__name__).error("attester %s lost a thread and ends; start it again", attester.name)
                return 1
    except DominoesError:
        if not stop.is_set():
            raise
    finally:
        attester.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
