"""Mosquitto for production: TLS with client certificates, and an access list that leaves each client its own topics.

The certificate's common name is the MQTT user name and the client id, so one certificate has one session. A meter `M`
publishes on its own reading topic and reads its own receipts and requests; an attester reads all readings and answers
under its own name; nobody else has any topic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from oracle.topics import Topics, check_code

PACKET_BYTES_MAX = 1_048_576
"""Longest packet the broker takes: a proposal of 2,000 leaves is about 400 KB; a 10 MB message is cut off unread."""

AUTOSAVE_S = 5
"""Seconds between saves of sessions and queues; what a crash loses, meters send again for want of receipts."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its private key, as PEM files."""

    certificate: Path
    key: Path


def access_list(*, area: str, meters: Iterable[str], attesters: Iterable[str]) -> str:
    """The ACL file: each client's topics by name, so an attester's certificate is no meter's. Raises UnsafeCode."""
    topics = Topics(area)
    lines = []
    for meter in meters:
        check_code(meter)
        lines += [
            f"user {meter}",
            f"topic write {topics.reading(meter)}",
            f"topic read {topics.receipt(meter, '+')}",
            f"topic read {topics.request(meter, '+')}",
            "",
        ]
    for attester in attesters:
        check_code(attester)
        lines += [
            f"user {attester}",
            f"topic read {topics.reading('+')}",
            f"topic write {topics.receipt('+', attester)}",
            f"topic write {topics.request('+', attester)}",
            f"topic write {topics.attest(attester, '+')}",
            f"topic read {topics.attest('+', '+')}",
            "",
        ]
    return "\n".join(lines)


def configuration(*, folder: Path, host: str, port: int, authority: Path, server: Identity, acl: Path) -> str:
    """The configuration file: one TLS listener, certificates required, queues unbounded and kept over a restart."""
    return "\n".join(
        [
            "per_listener_settings false",
            f"listener {port} {host}",
            f"cafile {authority}",
            f"certfile {server.certificate}",
            f"keyfile {server.key}",
            "tls_version tlsv1.2",  # the oldest that is spoken; 1.3 is used where the client can
            "require_certificate true",
            "use_identity_as_username true",
            "use_username_as_clientid true",  # else any certificate could take over the session of another client
            "allow_anonymous false",
            f"acl_file {acl}",
            f"max_packet_size {PACKET_BYTES_MAX}",
            "max_queued_messages 0",
            "max_inflight_messages 1000",
            "retain_available false",
            "persistence true",
            f"persistence_location {folder}/",
            f"autosave_interval {AUTOSAVE_S}",
            "",
        ]
    )
