"""Signatures: EIP-712 under the domains of one deployment (docs/protocol.md section 2), and meters' JWS (section 4)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coincurve import PublicKey
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from verifier.cache import Cache
from verifier.form import Json, parse, record, unhex, whole
from verifier.hashes import keccak, tohex, word32

HIGHEST_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""Half the order of secp256k1: of the two forms of a signature only the one with the lower s counts."""

DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"

SHAPES = (
    (
        "Market",
        "Order(bytes32 market,uint64 session,uint32 mtu,uint8 side,int32 limitPriceNeurPerWh,uint32 quantityLots,"
        "address account,bytes16 orderId,uint32 revision,bytes32 salt)",
    ),
    ("Market", "Cancel(bytes32 market,uint64 session,uint32 mtu,bytes16 orderId,uint32 revision)"),
    (
        "Market",
        "Schedule(bytes32 market,uint64 session,uint32 firstMtu,bytes32 point,bytes32 valuesHash,uint32 revision)",
    ),
    (
        "Market",
        "Receipt(bytes32 market,uint64 session,uint32 mtu,bytes16 tag,uint32 revision,uint8 kind,uint64 sequence,"
        "bytes32 journalHead,uint64 marketTime)",
    ),
    (
        "Market",
        "Program(bytes32 market,uint64 session,uint32 firstMtu,uint32 count,bytes32 booksRoot,bytes32 resultsRoot,"
        "uint128 tradedMask,uint128 emptiedMask,bytes32 gridModelHash,bytes32 reportHash,uint64 deadline)",
    ),
    (
        "Market",
        "Refusal(bytes32 market,uint64 session,uint32 firstMtu,uint32 count,bytes32 resultsRoot,string reason)",
    ),
    (
        "Readings",
        "Attestation(bytes32 area,uint32 mtu,uint32 revision,bytes32 root,uint32 count,uint64 importWh,"
        "uint64 exportWh)",
    ),
    (
        "Settlement",
        "Settlement(bytes32 area,uint32 period,uint32 revision,bytes32 wordsHash,bytes32 clearingRoot,"
        "bytes32 readingsRoot,bytes32 statementsRoot,bytes32 tariffHash)",
    ),
    ("Settlement", "KeyRegistration(address account,address orderKey,bytes32 point,uint32 validFromMtu)"),
    (
        "Settlement",
        "Agreement(string agreement,uint32 version,address account,address retailer,string tariff,uint32 validFromMtu)",
    ),
    (
        "Settlement",
        "SupplyPrices(string tariff,uint32 version,string area,address retailer,uint32 validFromMtu,"
        "int32 supplyNeurPerWh,int32 feedInNeurPerWh,int32 imbalanceSurplusNeurPerWh,"
        "int32 imbalanceShortfallNeurPerWh)",
    ),
    (
        "Settlement",
        "GridPrices(string tariff,uint32 version,string area,uint32 validFromMtu,int32 excessNeurPerWh,"
        "int32 gridFeeNeurPerWh,int32 gridFeeLocalNeurPerWh,int32 compensationNeurPerWh)",
    ),
    (
        "Settlement",
        "Taxes(string tariff,uint32 version,string area,uint32 validFromMtu,int32 levyNeurPerWh,uint16 vatBp)",
    ),
    (
        "Settlement",
        "Participation(string participant,string kind,string area,address account,string point,"
        "uint64 connectionImportW,uint64 connectionExportW,uint32 validFromMtu)",
    ),
    (
        "Settlement",
        "MeterRegistration(string meter,string point,string area,bytes32 publicKey,uint32 validFromMtu)",
    ),
    ("Settlement", "SigningPolicy(string area,uint32 version,uint32 validFromMtu,bytes32 policyHash)"),
    (
        "Settlement",
        "TermEnd(string term,string name,string area,address account,address retailer,uint32 endMtu)",
    ),
    ("Guarantees", "Guarantee(address guarantor,address account,uint64 creditNeur,uint64 nonce,uint64 deadline)"),
    (
        "Guarantees",
        "Cover(address guarantor,address account,uint96 amountNeur,uint96 debtNeur,bytes32 ref,uint64 deadline)",
    ),
    ("Handovers", "Handover(bytes32 area,uint32 period,address successor,bytes32 codesHash,uint64 deadline)"),
    ("Anchors", "Audit(uint64 sequence,bytes32 head)"),
    (
        "Market",
        "Mandate(address account,address agent,string[] points,string[] markets,int32 highestBuyNeurPerWh,"
        "int32 lowestSellNeurPerWh,uint64 mtuBuyWh,uint64 mtuSellWh,uint64 dayBuyWh,uint64 daySellWh,string zone,"
        "uint32 fromMtu,uint32 toMtu,uint64 nonce)",
    ),
    ("Market", "MandateRevocation(address account,address agent,bytes16 mandate)"),
    ("Redemptions", "Redemption(address account,uint96 amountNeur,bytes32 ref,uint64 deadline)"),
)
"""Verifying contract and shape of all that is signed (protocol.md section 2)."""


def abi_encode(kind: str, value: Any) -> bytes:
    """One member of a signed struct as its ABI word. Raises ValueError where the value does not fit its type."""
    if kind.endswith("[]"):
        return keccak(b"".join(abi_encode(kind.removesuffix("[]"), item) for item in value))
    if kind == "string":
        return keccak(str(value).encode())
    if kind == "address":
        return unhex(value, 20).rjust(32, b"\0")
    if kind.startswith("bytes"):
        return unhex(value, int(kind.removeprefix("bytes"))).ljust(32, b"\0")
    bits, signed = int(kind.lstrip("uint")), kind.startswith("i")
    lowest = -(2 ** (bits - 1)) if signed else 0
    return word32(whole(value, lowest, 2 ** (bits - signed) - 1))


def recover(digest: bytes, signature: str) -> str:
    """Address that signed a digest; only the one accepted form of a signature counts. Raises ValueError."""
    raw = unhex(signature, 65)
    if raw[64] not in (27, 28) or not 0 < int.from_bytes(raw[32:64], "big") <= HIGHEST_S:
        raise ValueError("signature has a wrong v or a high s")
    try:
        key = PublicKey.from_signature_and_message(raw[:64] + bytes([raw[64] - 27]), digest, hasher=None)
    except Exception as error:  # coincurve raises bare Exception
        raise ValueError("signature recovers to no key") from error
    return tohex(keccak(key.format(compressed=False)[1:])[-20:])


@dataclass(frozen=True)
class Shape:
    """A signed shape under its domain: what precedes the struct's hash, the type's hash, and the members' types."""

    prefix: bytes
    type_hash: bytes
    kinds: tuple[str, ...]


class Signing:
    """EIP-712 digests and signers under the domains of one deployment."""

    def __init__(self, chain_id: int, contracts: Mapping[str, str], cache: Cache) -> None:
        self.chain_id = chain_id
        self._cache = cache
        self._shapes: dict[str, Shape] = {}
        fixed = keccak(DOMAIN.encode()) + keccak(b"DOMINOES") + keccak(b"1") + word32(chain_id)
        for contract, shape in SHAPES:
            name, members = shape.rstrip(")").split("(")
            separator = keccak(fixed + abi_encode("address", contracts[contract]))
            kinds = tuple(member.split()[0] for member in members.split(","))
            self._shapes[name] = Shape(b"\x19\x01" + separator, keccak(shape.encode()), kinds)

    def digest(self, name: str, *values: Any) -> bytes:
        """What is signed: the shape's members in their order."""
        shape = self._shapes[name]
        body = b"".join(abi_encode(kind, value) for kind, value in zip(shape.kinds, values, strict=True))
        return keccak(shape.prefix + keccak(shape.type_hash + body))

    def recover(self, digest: bytes, signature: str) -> str:
        """Address that signed a digest."""
        return self._cache.of(recover, digest, signature)

    def signer(self, signature: str, name: str, *values: Any) -> str:
        """Address that signed these values under this shape."""
        return self.recover(self.digest(name, *values), signature)


# ---- meters


@dataclass(frozen=True, slots=True)
class Registers:
    """Cumulative registers of a meter at the end of an MTU, as its message tells them."""

    mtu: int
    sequence: int
    import_wh: int
    export_wh: int
    nonce: str


@dataclass(frozen=True, slots=True)
class MeterMessage:
    """The payload of a meter's message."""

    meter: str
    readings: tuple[Registers, ...]


def _parts(jws: str) -> list[bytes]:
    """Header, payload and signature of a compact JWS in its one spelling; nothing is verified yet."""
    parts = [base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True) for part in jws.split(".")]
    again = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    if again != jws or len(parts) != 3:
        raise ValueError("it is no compact JWS")
    return parts


def jws_meter(jws: str) -> str:
    """Code of the meter that a message says it is from; nothing is verified yet."""
    return str(json.loads(_parts(jws)[0])["kid"])


def open_jws(jws: str, public_keys: tuple[str, ...]) -> tuple[MeterMessage, str]:
    """A meter's message, and which of the Ed25519 keys signed it. Raises ValueError."""
    header, payload, signature = _parts(jws)
    key = next((key for key in public_keys if _signed(jws, signature, key)), None)
    if key is None:
        raise ValueError("no key of the meter signed it")
    body: Json = parse(payload)
    if json.loads(header) != {"alg": "EdDSA", "kid": body["meter"], "typ": "meter+jws"}:
        raise ValueError("its header names another algorithm, meter or type")
    return record(MeterMessage, body), key


def _signed(jws: str, signature: bytes, public_key: str) -> bool:
    """Whether this Ed25519 key signed the message."""
    try:
        VerifyKey(unhex(public_key, 32)).verify(jws.rpartition(".")[0].encode(), signature)
    except CryptoError:
        return False
    return True
