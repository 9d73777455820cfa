"""Meter messages: the one accepted form, and a refusal for every other."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from nacl.signing import SigningKey

from domain.authenticity import ForgedMessage, MeterKeyNotValid, UnknownMeter, read_message
from domain.hashing import canonical_json
from domain.jws import MalformedMessage, MessageRefused, sign_compact
from domain.messages import MESSAGE_BYTES_MAX, READINGS_MAX, make_message
from domain.metering_area import MeteringArea
from domain.parties import Meter
from domain.registers import RegisterReading
from tests.metered import meter_at, registered

pytestmark = pytest.mark.unit

FIRST = 1_900_000
KEY = SigningKey(b"\x01" * 32)
OTHER = SigningKey(b"\x02" * 32)


def key_of(code: str, key: SigningKey, *, valid_from: int = FIRST, point: str | None = None) -> Meter:
    return meter_at(code, point or f"P-{code}", bytes(key.verify_key), area="TEST", valid_from_mtu=valid_from)


def area_with(*meters: Meter) -> MeteringArea:
    return MeteringArea(
        code="TEST",
        zone="Europe/Berlin",
        attesters=(),
        threshold=2,
        attest_seconds=3_600,
        horizon_seconds=86_400,
        chain_id=1,
        readings_contract=b"\x11" * 20,
        settlement_contract=b"\x22" * 20,
        **registered(*meters, power_w=10_000),
        periods=(),
    )


METERING = area_with(key_of("M1", KEY), key_of("M2", OTHER))


def reading(sequence: int = 1, **changes: Any) -> RegisterReading:
    values = {
        "mtu": FIRST + sequence - 1,
        "import_register_wh": 100 * sequence,
        "export_register_wh": 0,
        "sequence": sequence,
        "nonce": bytes([sequence % 256]) * 32,
    }
    return RegisterReading(**{**values, **changes})


def signed(payload: Any, *, kid: str = "M1", key: SigningKey = KEY) -> bytes:
    data = payload if isinstance(payload, bytes) else canonical_json(payload)
    return sign_compact(kid=kid, payload=data, key=key)


def payload_of(**changes: Any) -> dict[str, Any]:
    record = {**reading().as_json(), **changes}
    return {"meter": "M1", "readings": [record]}


def test_read_message__signed_by_registered_key__gives_its_readings() -> None:
    readings = [reading(1), reading(2)]

    message = read_message(make_message(meter_code="M1", readings=readings, key=KEY), area=METERING, meter_code="M1")

    assert message.meter_code == "M1"
    assert list(message.readings) == readings


def test_make_message__decoded_by_pyjwt__is_a_standard_jws() -> None:
    token = make_message(meter_code="M1", readings=[reading()], key=KEY).decode()
    public = {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": base64.urlsafe_b64encode(bytes(KEY.verify_key)).rstrip(b"=").decode(),
    }

    decoded = jwt.PyJWS().decode(token, jwt.PyJWK(public, algorithm="EdDSA"), algorithms=["EdDSA"])

    assert json.loads(decoded) == {"meter": "M1", "readings": [reading().as_json()]}
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "kid": "M1", "typ": "meter+jws"}


def test_read_message__encoded_by_pyjwt_with_the_same_header__is_accepted() -> None:
    private = {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": base64.urlsafe_b64encode(bytes(KEY.verify_key)).rstrip(b"=").decode(),
        "d": base64.urlsafe_b64encode(bytes(KEY)).rstrip(b"=").decode(),
    }
    body = canonical_json({"meter": "M1", "readings": [reading().as_json()]})
    headers = {"kid": "M1", "typ": "meter+jws"}

    token = jwt.PyJWS().encode(body, jwt.PyJWK(private, algorithm="EdDSA").key, algorithm="EdDSA", headers=headers)

    assert read_message(token.encode(), area=METERING).readings == (reading(),)


@pytest.mark.parametrize(
    ("jws", "error"),
    [
        (signed(payload_of(), key=OTHER), ForgedMessage),
        (signed(payload_of(), kid="M2"), ForgedMessage),
        (signed({"meter": "M2", "readings": [reading().as_json()]}), ForgedMessage),
        (b"", MalformedMessage),
        (b"a.b", MalformedMessage),
        (b"a.b.c.d", MalformedMessage),
        (b"\xff\xfe.\xff.\xff", MalformedMessage),
        (b"x" * (MESSAGE_BYTES_MAX + 1), MalformedMessage),
        (signed(b'{"meter":"M1","readings":[NaN]}'), MalformedMessage),
        (signed(b"[" * 10_000), MalformedMessage),
        (signed(b'{"meter":"M1","readings":' + b"[" * 5_000 + b"]" * 5_000 + b"}"), MalformedMessage),
        (signed(b'{"meter":"M1","meter":"M1","readings":[]}'), MalformedMessage),
        (signed(json.dumps(payload_of()).encode()), MalformedMessage),
        (signed({"meter": "M1", "readings": []}), MalformedMessage),
        (signed({"meter": "M1", "readings": [], "name": "Anna"}), MalformedMessage),
        (signed({"meter": "M1", "readings": [1]}), MalformedMessage),
        (signed(payload_of(import_wh=-1)), MalformedMessage),
        (signed(payload_of(import_wh=True)), MalformedMessage),
        (signed(payload_of(import_wh="100")), MalformedMessage),
        (signed(payload_of(import_wh=None)), MalformedMessage),
        (
            signed(json.dumps(payload_of(import_wh=1.5), sort_keys=True, separators=(",", ":")).encode()),
            MalformedMessage,
        ),
        (signed(json.dumps(payload_of(import_wh=2**64), sort_keys=True).encode()), MalformedMessage),
        (signed(payload_of(sequence=0)), MalformedMessage),
        (signed(payload_of(nonce="0x00")), MalformedMessage),
        (signed(payload_of(nonce="0x" + "zz" * 32)), MalformedMessage),
        (signed(payload_of(nonce="0x" + "AB" * 32)), MalformedMessage),
    ],
)
def test_read_message__bad_input__is_refused(jws: bytes, error: type[MessageRefused]) -> None:
    with pytest.raises(error):
        read_message(jws, area=METERING, meter_code="M1")


def test_read_message__header_of_another_algorithm__is_refused() -> None:
    genuine = make_message(meter_code="M1", readings=[reading()], key=KEY)
    header = base64.urlsafe_b64encode(canonical_json({"alg": "none", "kid": "M1", "typ": "meter+jws"})).rstrip(b"=")

    with pytest.raises(ForgedMessage):
        read_message(header + b"." + genuine.split(b".", 1)[1], area=METERING, meter_code="M1")


def test_read_message__any_single_bit_of_the_signature_flipped__is_refused() -> None:
    genuine = make_message(meter_code="M1", readings=[reading()], key=KEY)
    head, signature = genuine.rsplit(b".", 1)
    raw = bytearray(base64.urlsafe_b64decode(signature + b"=="))

    for bit in range(0, 512, 37):
        raw[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ForgedMessage):
            read_message(head + b"." + base64.urlsafe_b64encode(raw).rstrip(b"="), area=METERING, meter_code="M1")
        raw[bit // 8] ^= 1 << bit % 8


def test_read_message__unknown_meter__is_refused() -> None:
    with pytest.raises(UnknownMeter):
        read_message(signed(payload_of(), kid="M9"), area=METERING, meter_code="M9")


def test_read_message__readings_not_consecutive__is_refused() -> None:
    records = [reading(1).as_json(), reading(3).as_json()]

    with pytest.raises(MalformedMessage):
        read_message(signed({"meter": "M1", "readings": records}), area=METERING, meter_code="M1")


def test_read_message__more_readings_than_allowed__is_refused() -> None:
    records = [reading(number, nonce=b"\x07" * 32).as_json() for number in range(1, READINGS_MAX + 2)]

    with pytest.raises(MalformedMessage):
        read_message(signed({"meter": "M1", "readings": records}), area=METERING, meter_code="M1")


def test_read_message__key_replaced__old_one_signs_only_earlier_mtus() -> None:
    area = area_with(key_of("M1", KEY), key_of("M1", OTHER, valid_from=FIRST + 10))
    early = make_message(meter_code="M1", readings=[reading(mtu=FIRST + 9)], key=KEY)
    late = make_message(meter_code="M1", readings=[reading(mtu=FIRST + 10)], key=KEY)
    renewed = make_message(meter_code="M1", readings=[reading(mtu=FIRST + 10)], key=OTHER)

    assert read_message(early, area=area).meter_code == "M1"
    assert read_message(renewed, area=area).meter_code == "M1"
    with pytest.raises(MeterKeyNotValid):
        read_message(late, area=area)


def test_read_message__meter_swapped_at_its_point__old_meter_ends() -> None:
    area = area_with(key_of("M1", KEY, point="P"), key_of("M2", OTHER, valid_from=FIRST + 10, point="P"))
    late = make_message(meter_code="M1", readings=[reading(mtu=FIRST + 10)], key=KEY)

    assert [key.meter_code for key in area.meters_at(FIRST + 9)] == ["M1"]
    assert [key.meter_code for key in area.meters_at(FIRST + 10)] == ["M2"]
    with pytest.raises(MeterKeyNotValid):
        read_message(late, area=area)


def test_read_message__before_the_baseline_of_its_key__is_refused() -> None:
    with pytest.raises(MeterKeyNotValid):
        read_message(make_message(meter_code="M1", readings=[reading(mtu=FIRST - 2)], key=KEY), area=METERING)


def test_metering_area__to_json_and_back__is_equal() -> None:
    assert MeteringArea.from_json(json.loads(json.dumps(METERING.as_json()))) == METERING
    assert replace(METERING, threshold=3) != METERING
