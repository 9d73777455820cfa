"""ABI coding by name."""

from __future__ import annotations

import pytest

from contracts.abi import Abi, AbiUnknown, AnswerInvalid, ArgumentsInvalid
from contracts.artifacts import load_artifacts
from domain.hashing import keccak, to_hex
from verifier.chain import abi_decode, journalled_args

pytestmark = pytest.mark.unit

PAIR = {
    "name": "pair",
    "type": "tuple",
    "components": [{"name": "who", "type": "address"}, {"name": "amount", "type": "int96"}],
}
ABI = Abi(
    contract="Sample",
    entries=[
        {
            "type": "function",
            "name": "move",
            "inputs": [PAIR, {"name": "refs", "type": "bytes32[]"}, {"name": "text", "type": "string"}],
            "outputs": [{"name": "left", "type": "uint256"}, {"name": "done", "type": "bool"}],
        },
        {
            "type": "event",
            "name": "Moved",
            "inputs": [
                {"name": "amount", "type": "uint256", "indexed": False},
                {"name": "who", "type": "address", "indexed": True},
            ],
        },
        {"type": "error", "name": "TooMuch", "inputs": [{"name": "given", "type": "uint256"}]},
    ],
)
WHO, REF = "0x" + "ab" * 20, "0x" + "cd" * 32


def test_encode_call__struct_as_array_or_object__is_the_same() -> None:
    as_array = ABI.encode_call("move", [[WHO, "-5"], [REF], "Zählpunkt"])
    as_object = ABI.encode_call(
        "move", [{"amount": -5, "who": bytes.fromhex("ab" * 20)}, [bytes.fromhex("cd" * 32)], "Zählpunkt"]
    )

    assert as_array == as_object
    assert as_array[:4] == keccak(b"move((address,int96),bytes32[],string)")[:4]


def test_topic_of__event__is_that_of_its_signature() -> None:
    assert ABI.topic_of("Moved") == keccak(b"Moved(uint256,address)")
    with pytest.raises(AbiUnknown):
        ABI.topic_of("Stolen")


@pytest.mark.parametrize(
    "args",
    [
        [],
        [[WHO], [REF], ""],
        [[WHO, 2**95], [REF], ""],
        [[WHO, 1.5], [REF], ""],
        [["0x00", 1], [REF], ""],
        [[WHO, "one"], [REF], ""],
        [[WHO, 1], ["0x" + "cd" * 33], ""],
        [[WHO, 1], ["0x" + "cd" * 31], ""],
        [[WHO, 1], 7, ""],
        [None, [REF], ""],
    ],
)
def test_encode_call__arguments_that_do_not_fit__are_refused(args: list[object]) -> None:
    with pytest.raises(ArgumentsInvalid):
        ABI.encode_call("move", args)


def test_encode_call__unknown_function__is_refused() -> None:
    with pytest.raises(AbiUnknown):
        ABI.encode_call("steal", [])


def test_decode_result__large_number__is_decimal_text() -> None:
    data = (2**60).to_bytes(32, "big") + (1).to_bytes(32, "big")

    assert ABI.decode_result("move", data) == {"left": str(2**60), "done": True}


def test_decode_result__no_code_at_the_address__is_refused() -> None:
    with pytest.raises(AnswerInvalid):
        ABI.decode_result("move", b"")


def test_decode_event__indexed_and_other_members__come_in_the_order_of_the_interface() -> None:
    topic = keccak(b"Moved(uint256,address)")
    event = ABI.decode_event([topic, bytes.fromhex("ab" * 20).rjust(32, b"\x00")], (7).to_bytes(32, "big"))

    assert event is not None
    assert (event.name, list(event.args.items())) == ("Moved", [("amount", 7), ("who", WHO)])


def test_decode_event__name_that_is_no_text__is_read_nevertheless() -> None:
    abi = load_artifacts()["Registry"].abi
    parts = (64, 0, 2)
    data = b"".join(part.to_bytes(32, "big") for part in parts) + b"\xff\xfe".ljust(32, b"\x00")

    event = abi.decode_event([abi.topic_of("ContractRegistered"), b"\x01".rjust(32, b"\x00"), bytes(32)], data)

    assert event is not None
    assert event.args["name"] == "\ufffd" * 2 == abi_decode(["string", "bytes32"], data)[0]


@pytest.mark.parametrize("name", ["12", "-7", "--5", "²", "0x12"])
def test_journalled_args__name_that_looks_like_a_number__stays_text(name: str) -> None:
    assert journalled_args({"name": name, "version": "2"}) == {"name": name, "version": 2}


def test_decode_event__other_contracts_event__is_none() -> None:
    assert ABI.decode_event([bytes(32)], b"") is None
    assert ABI.decode_event([], b"") is None


def test_decode_error__known_and_unknown_selectors__are_told_apart() -> None:
    selector = keccak(b"TooMuch(uint256)")[:4]

    assert ABI.decode_error(selector + (9).to_bytes(32, "big")) == "TooMuch(given=9)"
    assert ABI.decode_error(selector) == "TooMuch"
    assert ABI.decode_error(b"\x00\x00\x00\x00") is None
    assert to_hex(selector).startswith("0x")
