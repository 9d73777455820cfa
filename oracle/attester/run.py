"""One attester as a process of its own, until it is told to stop (SIGTERM or Ctrl-C)."""

from __future__ import annotations

import logging
import signal
import threading

from contracts.keystore import read_key
from contracts.rpc import Rpc
from domain.eip712 import Domain
from domain.errors import DominoesError
from domain.signing import SigningKey
from oracle.attester.chain import NodeChain
from oracle.attester.http import HttpService
from oracle.attester.process import AttesterProcess
from oracle.attester.settings import AttesterSettings
from oracle.attester.settlement import SettlementSigner

_log = logging.getLogger(__name__)

LIFE_S = 1.0
"""Wall seconds between looks at whether all threads still run."""


def _service(settings: AttesterSettings, key: SigningKey) -> HttpService:
    return HttpService(url=settings.service_url, key=key, trusted=settings.service_ca)


def build(settings: AttesterSettings) -> AttesterProcess:
    """An attester with its own HTTP sessions and node connection, not started."""
    key = read_key(keystore=settings.keystore, password_file=settings.password_file)
    rpc = Rpc(settings.rpc_url)
    chain_id = int(rpc.call("eth_chainId"), 16)
    signer = SettlementSigner(
        key=key,
        store_path=settings.store,
        service=_service(settings, key),
        chain=NodeChain(rpc=rpc, contracts=settings.contracts),
        market_domain=Domain(chain_id=chain_id, verifying_contract=settings.contracts.market),
        settlement_domain=Domain(chain_id=chain_id, verifying_contract=settings.contracts.settlement),
        terms_s=settings.timing.registry_s,
    )
    return AttesterProcess(
        name=settings.name,
        area=settings.area,
        key=key,
        store_path=settings.store,
        broker=settings.broker,
        service=_service(settings, key),
        chain=NodeChain(rpc=Rpc(settings.rpc_url), contracts=settings.contracts),
        timing=settings.timing,
        settlement=signer,
    )


def run(settings: AttesterSettings) -> int:
    """Run one attester until SIGTERM or SIGINT. Call it on the main thread: it takes over both signals.

    Returns 0 after a signal and 1 where a thread ended by itself: better started again than deaf. Raises
    NodeUnavailable where its node does not answer at the start, KeystoreUnusable where its key can't be unlocked.
    """
    attester = build(settings)
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
                _log.error("attester %s lost a thread and ends; start it again", attester.name)
                return 1
    except DominoesError:
        if not stop.is_set():
            raise
    finally:
        attester.stop()
    return 0
