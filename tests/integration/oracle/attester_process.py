"""`python -m tests.integration.oracle.attester_process FOLDER PORT NAME METERS MTUS NOW`: an attester to be killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from oracle.mqtt import BrokerAddress
from tests.integration.oracle.conftest import Community


def main() -> None:
    """Run the attester until the process is killed."""
    folder, port, name, meters, mtus, now = sys.argv[1:]
    community = Community(folder=Path(folder), meters=int(meters), mtus=int(mtus))
    community.address = BrokerAddress(host="127.0.0.1", port=int(port))
    community.service.now = int(now)
    community.start_attester(name)
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main()
