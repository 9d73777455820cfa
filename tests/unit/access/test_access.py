"""Keys of tokens, login challenges and the directory, without a web server."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from domain.hashing import keccak, to_hex
from domain.parties import Participant
from domain.signing import BadSignature, SigningKey, personal_message_digest
from ledger_service.access.challenges import (
    CHALLENGE_SECONDS,
    NONCE_BYTES,
    ChallengeBook,
    ChallengeRefused,
)
from ledger_service.access.directory import Directory, OrganisationKey, UnknownAccount
from ledger_service.access.roles import Role
from ledger_service.access.tokens import TOKEN_SECONDS, TokenIssuer, TokenRefused, load_or_create_key

pytestmark = pytest.mark.unit

ALICE, BOB = SigningKey(keccak(b"alice")), SigningKey(keccak(b"bob"))
NOW = 1_800_000_000


def issuer(path: Path, *, audience: str = "a") -> TokenIssuer:
    """A token issuer with its key in a folder."""
    return TokenIssuer(key=load_or_create_key(path / "key.pem"), issuer="i", audience=audience)


def test_key__first_run_then_next__same_key_readable_by_the_owner_only(tmp_path: Path) -> None:
    token, claims = issuer(tmp_path).issue(address=ALICE.address, role=Role.DSO, now=NOW)

    assert issuer(tmp_path).verify(token, now=NOW) == claims
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_key__file_of_another_curve__refused(tmp_path: Path) -> None:
    pem = ec.generate_private_key(ec.SECP256K1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)

    with pytest.raises(ValueError, match="no P-256 key"):
        load_or_create_key(tmp_path / "key.pem")


def test_token__of_another_audience_with_the_same_key__refused(tmp_path: Path) -> None:
    token, _ = issuer(tmp_path, audience="b").issue(address=ALICE.address, role=Role.DSO, now=NOW)

    with pytest.raises(TokenRefused):
        issuer(tmp_path).verify(token, now=NOW)


def test_token__verified_before_and_expired_since__refused(tmp_path: Path) -> None:
    tokens = issuer(tmp_path)
    token, _ = tokens.issue(address=ALICE.address, role=Role.DSO, now=NOW)
    tokens.verify(token, now=NOW)

    with pytest.raises(TokenRefused):
        tokens.verify(token, now=NOW + 2 * TOKEN_SECONDS)


def test_jwks__public_part_only(tmp_path: Path) -> None:
    (key,) = issuer(tmp_path).jwks()["keys"]

    assert (key["kty"], key["crv"], key["alg"]) == ("EC", "P-256", "ES256")
    assert "d" not in key


def test_challenge__digest__as_personal_sign() -> None:
    """The vector of EIP-191 as wallets compute it: keccak of the prefix, the length and the text."""
    assert to_hex(personal_message_digest("hello")) == (
        "0x50b2c43fd39106bafbba0da34fc430e1f91e3c96ea2acee2bc34119f92b37750"
    )


def test_challenge__signed_by_its_account__gives_the_address_once() -> None:
    book = ChallengeBook(audience="a")
    asked = book.issue(address=ALICE.address, now=NOW)
    signature = ALICE.sign(personal_message_digest(asked.text))

    assert book.signer(nonce=asked.nonce, signature=signature, now=NOW) == ALICE.address
    book.use_up(nonce=asked.nonce, now=NOW)
    for again in (asked.nonce, asked.nonce.upper()):
        with pytest.raises(ChallengeRefused):
            book.use_up(nonce=again, now=NOW + CHALLENGE_SECONDS - 1)
    with pytest.raises(ChallengeRefused):
        book.use_up(nonce=asked.nonce, now=NOW + CHALLENGE_SECONDS)


def test_challenge__wrong_signer_or_time__refused_and_the_holder_still_gets_in() -> None:
    book = ChallengeBook(audience="a")
    asked = book.issue(address=ALICE.address, now=NOW)
    for signer, now in ((BOB, NOW), (ALICE, NOW + CHALLENGE_SECONDS)):
        with pytest.raises(ChallengeRefused):
            book.signer(nonce=asked.nonce, signature=signer.sign(personal_message_digest(asked.text)), now=now)

    right = ALICE.sign(personal_message_digest(asked.text))
    assert book.signer(nonce=asked.nonce, signature=right, now=NOW) == ALICE.address


@pytest.mark.parametrize("at", range(NONCE_BYTES))
def test_challenge__any_byte_of_the_nonce_changed__refused(at: int) -> None:
    book = ChallengeBook(audience="a")
    nonce = bytearray.fromhex(book.issue(address=ALICE.address, now=NOW).nonce)
    nonce[at] ^= 1

    with pytest.raises(ChallengeRefused):
        book.use_up(nonce=nonce.hex(), now=NOW)


@pytest.mark.parametrize("nonce", ["", "x", "00", "é" * 120, "00" * 61, "0x" + "00" * 60])
def test_challenge__of_no_form_of_ours__refused(nonce: str) -> None:
    with pytest.raises(ChallengeRefused):
        ChallengeBook(audience="a").use_up(nonce=nonce, now=NOW)


def test_challenge__of_another_process__refused() -> None:
    asked = ChallengeBook(audience="a").issue(address=ALICE.address, now=NOW)

    with pytest.raises(ChallengeRefused):
        ChallengeBook(audience="a").use_up(nonce=asked.nonce, now=NOW)


def test_challenge__text_names_account_audience_and_end() -> None:
    text = ChallengeBook(audience="market.example").issue(address=ALICE.address, now=NOW).text

    assert text.startswith("DOMINOES login\n")
    assert to_hex(ALICE.address) in text
    assert "market.example" in text
    assert "2027-01-15T08:05:00Z" in text


def test_challenge__strangers_ask_for_many__nobody_is_driven_out() -> None:
    book = ChallengeBook(audience="a")
    asked = book.issue(address=ALICE.address, now=NOW)
    for _ in range(20_000):
        book.issue(address=BOB.address, now=NOW)

    with pytest.raises(BadSignature):
        book.signer(nonce=asked.nonce, signature=bytes(65), now=NOW)
    book.use_up(nonce=asked.nonce, now=NOW)


def test_challenge__used_ones__forgotten_once_they_end() -> None:
    book = ChallengeBook(audience="a")
    for at in range(3):
        now = NOW + at * CHALLENGE_SECONDS
        book.use_up(nonce=book.issue(address=ALICE.address, now=now).nonce, now=now)

    assert len(book._used) == len(book._ends) == 1


def participant(kind: str) -> Participant:
    """A registered party."""
    return Participant("p", kind, "area", to_hex(ALICE.address), "point", 0, 0, 0, bytes(65), bytes(65))


@pytest.mark.parametrize(("kind", "role"), [("household", Role.PROSUMER), ("retailer", Role.RETAILER)])
def test_directory__participant__role_of_its_kind(kind: str, role: Role) -> None:
    directory = Directory(organisations=[], participant_of=lambda _: participant(kind), is_agent=lambda _: False)

    assert directory.find(ALICE.address).role is role


@pytest.mark.parametrize("found", [None, participant("dso"), participant("tax")])
def test_directory__nobody_or_an_account_without_login__refused(found: Participant | None) -> None:
    directory = Directory(organisations=[], participant_of=lambda _: found, is_agent=lambda _: False)

    with pytest.raises(UnknownAccount):
        directory.find(ALICE.address)


def test_directory__organisation__before_the_record() -> None:
    key = OrganisationKey(address=ALICE.address, role=Role.DSO, name="grid", area="area")
    directory = Directory(
        organisations=[key], participant_of=lambda _: participant("household"), is_agent=lambda _: False
    )

    assert directory.find(ALICE.address).role is Role.DSO
    assert directory.organisations(Role.DSO) == [key]
    assert not directory.needs_record(ALICE.address)
