"""Mosquitto for production: TLS with client certificates, and an access list that leaves each client its own topics.

The certificate's common name is the MQTT user name and the client id, so one certificate has one session. A meter `M`
publishes on its own reading topic and reads its own receipts and requests; an attester reads all readings and answers
under its own name; nobody else has any topic.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from oracle.topics import Topics, check_code

PACKET_BYTES_MAX = 1_048_576
"""Longest packet the broker takes: a proposal of 2,000 leaves is about 400 KB; a 10 MB message is cut off unread."""

AUTOSAVE_S = 5
"""Seconds between saves of sessions and queues; what a crash loses, meters send again for want of receipts."""

CERTIFICATE_DAYS = 825
"""Validity of certificates made here: the longest that common TLS stacks take for a leaf."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its private key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A small certificate authority for one broker and its clients, in a folder. Its key stays in memory."""

    def __init__(self, *, folder: Path, name: str, now: dt.datetime) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._now = folder, now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self._subject, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        self.certificate = folder / "ca.pem"
        self.certificate.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - dt.timedelta(minutes=5))
            .not_valid_after(self._now + dt.timedelta(days=CERTIFICATE_DAYS))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def _issue(self, name: str, usage: x509.ObjectIdentifier, hosts: Iterable[str]) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        names = [_host(host) for host in hosts]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        identity = Identity(certificate=self._folder / f"{name}.pem", key=self._folder / f"{name}.key")
        identity.certificate.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM))
        identity.key.touch(mode=0o600)
        identity.key.write_bytes(
            key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return identity

    def server(self, *, hosts: Iterable[str]) -> Identity:
        """The broker's certificate for these host names or addresses."""
        return self._issue("broker", ExtendedKeyUsageOID.SERVER_AUTH, hosts)

    def client(self, name: str) -> Identity:
        """A client's certificate; its common name is the meter code or attester name. Raises UnsafeCode."""
        return self._issue(check_code(name), ExtendedKeyUsageOID.CLIENT_AUTH, ())


_PEM = serialization.Encoding.PEM


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


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


def write_configuration(
    *,
    folder: Path,
    area: str,
    host: str,
    port: int,
    authority: Authority,
    server: Identity,
    meters: Iterable[str],
    attesters: Iterable[str],
) -> Path:
    """Write `mosquitto.conf` and `acl` into a folder and return the former; start with `mosquitto -c FILE`."""
    folder.mkdir(parents=True, exist_ok=True)
    acl = folder / "acl"
    acl.touch(mode=0o600)
    acl.write_text(access_list(area=area, meters=meters, attesters=attesters), encoding="utf-8")
    path = folder / "mosquitto.conf"
    text = configuration(folder=folder, host=host, port=port, authority=authority.certificate, server=server, acl=acl)
    path.write_text(text, encoding="utf-8")
    return path
