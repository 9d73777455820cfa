"""EIP-712 typed data: the shapes people, the operator, the DSO and attesters sign (docs/protocol.md section 2).

Each shape is declared once, by its type string; hashing, the JSON that a wallet displays, and the vectors come from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.hashing import MAX_SAFE_INTEGER, from_hex, keccak, to_hex
from domain.units import check_range

DOMAIN_NAME = "DOMINOES"
DOMAIN_VERSION = "1"
_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_DOMAIN_FIELDS = (
    ("string", "name"),
    ("string", "version"),
    ("uint256", "chainId"),
    ("address", "verifyingContract"),
)


def _encode_uint(bits: int) -> Callable[[Any], bytes]:
    highest = 2**bits - 1

    def encode(value: Any) -> bytes:
        return check_range(field=f"uint{bits}", value=value, lowest=0, highest=highest).to_bytes(32, "big")

    return encode


def _encode_int(bits: int) -> Callable[[Any], bytes]:
    bound = 2 ** (bits - 1)

    def encode(value: Any) -> bytes:
        checked = check_range(field=f"int{bits}", value=value, lowest=-bound, highest=bound - 1)
        return (checked % 2**256).to_bytes(32, "big")

    return encode


def _encode_fixed(length: int, *, left: bool) -> Callable[[Any], bytes]:
    def encode(value: Any) -> bytes:
        data = value if isinstance(value, bytes) else from_hex(value)
        if len(data) != length:
            raise ValueError(f"expected {length} bytes, got {len(data)}")
        return data.rjust(32, b"\x00") if left else data.ljust(32, b"\x00")

    return encode


def _encoder(solidity_type: str) -> Callable[[Any], bytes]:
    if solidity_type == "string":
        return lambda value: keccak(str(value).encode("utf-8"))
    if solidity_type.endswith("[]"):
        encode = _encoder(solidity_type.removesuffix("[]"))
        return lambda values: keccak(b"".join(map(encode, values)))
    if solidity_type == "address":
        return _encode_fixed(20, left=True)
    match = re.fullmatch(r"(uint|int|bytes)(\d+)", solidity_type)
    if match is None:
        raise ValueError(f"type {solidity_type} is not used in this protocol")
    kind, size = match[1], int(match[2])
    if kind == "bytes":
        return _encode_fixed(size, left=False)
    return _encode_uint(size) if kind == "uint" else _encode_int(size)


@dataclass(frozen=True)
class Shape:
    """A signed struct: its EIP-712 type string gives its name, fields and hash."""

    type_string: str
    name: str = field(init=False)
    fields: tuple[tuple[str, str], ...] = field(init=False)
    type_hash: bytes = field(init=False)
    _encoders: tuple[tuple[str, Callable[[Any], bytes]], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        match = re.fullmatch(r"(\w+)\((.*)\)", self.type_string)
        if match is None:
            raise ValueError(f"not a type string: {self.type_string}")
        pairs = tuple((part.split(" ")[0], part.split(" ")[1]) for part in match[2].split(","))
        object.__setattr__(self, "name", match[1])
        object.__setattr__(self, "fields", pairs)
        object.__setattr__(self, "type_hash", keccak(self.type_string.encode("ascii")))
        object.__setattr__(self, "_encoders", tuple((name, _encoder(kind)) for kind, name in pairs))

    def struct_hash(self, values: Mapping[str, Any]) -> bytes:
        """hashStruct of EIP-712. Raises KeyError for a missing field, OutOfRange or ValueError for a bad one."""
        return keccak(self.type_hash + b"".join(encode(values[name]) for name, encode in self._encoders))

    def typed_data(self, *, domain: Domain, values: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON a wallet signs with `eth_signTypedData_v4`: integers as numbers or, beyond 2^53, as text."""
        return {
            "types": {
                "EIP712Domain": [{"name": name, "type": kind} for kind, name in _DOMAIN_FIELDS],
                self.name: [{"name": name, "type": kind} for kind, name in self.fields],
            },
            "primaryType": self.name,
            "domain": domain.as_json(),
            "message": {name: _plain(values[name]) for _, name in self.fields},
        }


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return to_hex(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER:
        return str(value)
    return value


@dataclass(frozen=True)
class Domain:
    """Where a signature counts: one contract on one chain."""

    chain_id: int
    verifying_contract: bytes
    separator: bytes = field(init=False)

    def __post_init__(self) -> None:
        encoded = (
            keccak(_DOMAIN_TYPE.encode("ascii"))
            + keccak(DOMAIN_NAME.encode("ascii"))
            + keccak(DOMAIN_VERSION.encode("ascii"))
            + self.chain_id.to_bytes(32, "big")
            + self.verifying_contract.rjust(32, b"\x00")
        )
        object.__setattr__(self, "separator", keccak(encoded))

    def digest(self, shape: Shape, values: Mapping[str, Any]) -> bytes:
        """The 32 bytes that are signed."""
        return keccak(b"\x19\x01" + self.separator + shape.struct_hash(values))

    def as_json(self) -> dict[str, Any]:
        """The `domain` member of typed data."""
        return {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": self.chain_id,
            "verifyingContract": to_hex(self.verifying_contract),
        }


ORDER = Shape(
    "Order(bytes32 market,uint64 session,uint32 mtu,uint8 side,int32 limitPriceNeurPerWh,uint32 quantityLots,"
    "address account,bytes16 orderId,uint32 revision,bytes32 salt)"
)
CANCEL = Shape("Cancel(bytes32 market,uint64 session,uint32 mtu,bytes16 orderId,uint32 revision)")
SCHEDULE = Shape(
    "Schedule(bytes32 market,uint64 session,uint32 firstMtu,bytes32 point,bytes32 valuesHash,uint32 revision)"
)
RECEIPT = Shape(
    "Receipt(bytes32 market,uint64 session,uint32 mtu,bytes16 tag,uint32 revision,uint8 kind,uint64 sequence,"
    "bytes32 journalHead,uint64 marketTime)"
)
PROGRAM = Shape(
    "Program(bytes32 market,uint64 session,uint32 firstMtu,uint32 count,bytes32 booksRoot,bytes32 resultsRoot,"
    "uint128 tradedMask,uint128 emptiedMask,bytes32 gridModelHash,bytes32 reportHash,uint64 deadline)"
)
REFUSAL = Shape("Refusal(bytes32 market,uint64 session,uint32 firstMtu,uint32 count,bytes32 resultsRoot,string reason)")
ATTESTATION = Shape(
    "Attestation(bytes32 area,uint32 mtu,uint32 revision,bytes32 root,uint32 count,uint64 importWh,uint64 exportWh)"
)
READING_RECEIPT = Shape("ReadingReceipt(bytes32 messagesRoot)")
SETTLEMENT = Shape(
    "Settlement(bytes32 area,uint32 period,uint32 revision,bytes32 wordsHash,bytes32 clearingRoot,"
    "bytes32 readingsRoot,bytes32 statementsRoot,bytes32 tariffHash)"
)
KEY_REGISTRATION = Shape("KeyRegistration(address account,address orderKey,bytes32 point,uint32 validFromMtu)")
AGREEMENT = Shape(
    "Agreement(string agreement,uint32 version,address account,address retailer,string tariff,uint32 validFromMtu)"
)
SUPPLY_PRICES = Shape(
    "SupplyPrices(string tariff,uint32 version,string area,address retailer,uint32 validFromMtu,"
    "int32 supplyNeurPerWh,int32 feedInNeurPerWh,int32 imbalanceSurplusNeurPerWh,int32 imbalanceShortfallNeurPerWh)"
)
GRID_PRICES = Shape(
    "GridPrices(string tariff,uint32 version,string area,uint32 validFromMtu,int32 excessNeurPerWh,"
    "int32 gridFeeNeurPerWh,int32 gridFeeLocalNeurPerWh,int32 compensationNeurPerWh)"
)
TAXES = Shape("Taxes(string tariff,uint32 version,string area,uint32 validFromMtu,int32 levyNeurPerWh,uint16 vatBp)")
PARTICIPATION = Shape(
    "Participation(string participant,string kind,string area,address account,string point,"
    "uint64 connectionImportW,uint64 connectionExportW,uint32 validFromMtu)"
)
METER_REGISTRATION = Shape(
    "MeterRegistration(string meter,string point,string area,bytes32 publicKey,uint32 validFromMtu)"
)
TERM_END = Shape("TermEnd(string term,string name,string area,address account,address retailer,uint32 endMtu)")
GUARANTEE = Shape("Guarantee(address guarantor,address account,uint64 creditNeur,uint64 nonce,uint64 deadline)")
COVER = Shape("Cover(address guarantor,address account,uint96 amountNeur,uint96 debtNeur,bytes32 ref,uint64 deadline)")
REDEMPTION = Shape("Redemption(address account,uint96 amountNeur,bytes32 ref,uint64 deadline)")
ACCOUNT_REPLACEMENT = Shape("AccountReplacement(address account,address successor,uint64 deadline)")
HANDOVER = Shape("Handover(bytes32 area,uint32 period,address successor,bytes32 codesHash,uint64 deadline)")
AUDIT = Shape("Audit(uint64 sequence,bytes32 head)")
ERASURE = Shape("Erasure(address account,uint32 beforeMtu,uint64 deadline)")
SIGNING_POLICY = Shape("SigningPolicy(string area,uint32 version,uint32 validFromMtu,bytes32 policyHash)")
MANDATE = Shape(
    "Mandate(address account,address agent,string[] points,string[] markets,int32 highestBuyNeurPerWh,"
    "int32 lowestSellNeurPerWh,uint64 mtuBuyWh,uint64 mtuSellWh,uint64 dayBuyWh,uint64 daySellWh,string zone,"
    "uint32 fromMtu,uint32 toMtu,uint64 nonce)"
)
MANDATE_REVOCATION = Shape("MandateRevocation(address account,address agent,bytes16 mandate)")

MARKET_SHAPES = (ORDER, CANCEL, SCHEDULE, RECEIPT, PROGRAM, REFUSAL, MANDATE, MANDATE_REVOCATION)
"""Shapes whose verifying contract is Market."""

READINGS_SHAPES = (ATTESTATION, READING_RECEIPT)
"""Shapes whose verifying contract is Readings."""

GUARANTEES_SHAPES = (GUARANTEE, COVER)
"""Shapes whose verifying contract is Guarantees."""

SUCCESSIONS_SHAPES = (ACCOUNT_REPLACEMENT,)
"""Shapes whose verifying contract is Successions."""

HANDOVERS_SHAPES = (HANDOVER,)
"""Shapes whose verifying contract is Handovers."""

SETTLEMENT_SHAPES = (
    SETTLEMENT,
    KEY_REGISTRATION,
    PARTICIPATION,
    METER_REGISTRATION,
    AGREEMENT,
    SUPPLY_PRICES,
    GRID_PRICES,
    TAXES,
    SIGNING_POLICY,
    TERM_END,
)
"""Shapes whose verifying contract is Settlement."""

REDEMPTIONS_SHAPES = (REDEMPTION,)
"""Shapes whose verifying contract is Redemptions."""

ANCHORS_SHAPES = (AUDIT, ERASURE)
"""Shapes whose verifying contract is Anchors, which itself looks at none: the journal's readers do."""

SHAPES_OF: Mapping[str, tuple[Shape, ...]] = {
    "Market": MARKET_SHAPES,
    "Readings": READINGS_SHAPES,
    "Guarantees": GUARANTEES_SHAPES,
    "Successions": SUCCESSIONS_SHAPES,
    "Handovers": HANDOVERS_SHAPES,
    "Settlement": SETTLEMENT_SHAPES,
    "Redemptions": REDEMPTIONS_SHAPES,
    "Anchors": ANCHORS_SHAPES,
}
"""Every shape, by the contract that verifies it."""

SHAPES = {shape.name: shape for shapes in SHAPES_OF.values() for shape in shapes}
"""Every shape by its name."""

CONTRACT_OF = {shape.name: contract for contract, shapes in SHAPES_OF.items() for shape in shapes}
"""The verifying contract of each shape, by the shape's name."""
