"""Why the registry refuses something, one class per cause."""

from __future__ import annotations

from domain.errors import DominoesError


class AlreadyRegistered(DominoesError):
    """The id is taken by something else."""

    status = 409
    code = "already-registered"
    remedy = "Read what stands under this name; register yours under another, or leave it as it is."

    def __init__(self, *, what: str, name: str) -> None:
        self.what, self.name = what, name
        super().__init__(
            f"{what} {name} is registered already with other content; choose another id or the next version"
        )


class NameAlike(DominoesError):
    """A reader could not tell the name from one that stands: they differ by case or spaces alone."""

    status = 409
    code = "name-alike"
    remedy = "Choose a name that differs from the one that `detail` names by more than case and spaces."

    def __init__(self, *, what: str, name: str, other: str) -> None:
        self.what, self.name, self.other = what, name, other
        super().__init__(f"{what} {name} differs by case or spaces alone from {other}, which is registered; rename it")


class AddressOfContract(DominoesError):
    """The address is one of the contracts of this deployment: nobody has its key, and what it receives is lost."""

    status = 409
    code = "address-of-contract"
    remedy = "Give the address of a key that somebody holds."

    def __init__(self, *, field: str, address: str) -> None:
        self.field, self.address = field, address
        super().__init__(f"{field} {address} is a contract of this deployment, which has no key; give a key's address")


class NotRegistered(DominoesError):
    """Something referred to is not in the registry."""

    status = 404
    code = "not-registered"
    remedy = "Have what `detail` names registered first, or correct its name."

    def __init__(self, *, what: str, name: str) -> None:
        self.what, self.name = what, name
        super().__init__(f"{what} {name} is not registered; register it first or correct the reference")


class Malformed(DominoesError):
    """A field has a form that can't be meant."""

    code = "malformed"
    remedy = "Write the field that `detail` names in the form it asks for."

    def __init__(self, *, field: str, value: object, expected: str) -> None:
        self.field, self.value, self.expected = field, value, expected
        super().__init__(f"{field} is {value!r}; give {expected}")


class NotAgreed(DominoesError):
    """The area's organisations agreed on something else before it began."""

    status = 409
    code = "not-agreed"
    remedy = "Give what the deployment's [[areas]] say, which is public and the same for all organisations."

    def __init__(self, *, field: str, value: str, agreed: str) -> None:
        self.field, self.value, self.agreed = field, value, agreed
        super().__init__(f"{field} is {value}, and the organisations agreed on {agreed}; evidence with it is wrong")


class GatesTooClose(DominoesError):
    """Two markets of an area have gates so near that the later one could not know the earlier one's trades."""

    code = "gates-too-close"
    remedy = "Keep the two gates as many seconds apart as `detail` says."

    def __init__(self, *, market: str, other: str, apart_seconds: int) -> None:
        self.market, self.other, self.apart_seconds = market, other, apart_seconds
        super().__init__(
            f"the gates of {market} and {other} must be {apart_seconds} s apart, so that the earlier one is decided; "
            "choose another gate or a shorter time to clear"
        )


class WrongParty(DominoesError):
    """A participant is of the wrong kind or area for the part it shall play."""

    code = "wrong-party"
    remedy = "Name a participant of the kind and area that `detail` asks for."

    def __init__(self, *, account: str, expected: str) -> None:
        self.account, self.expected = account, expected
        super().__init__(f"{account} can't take this part; it needs {expected}")


class WrongSigner(DominoesError):
    """The signature is by another key than the one that must consent."""

    status = 403
    code = "wrong-signer"
    remedy = "Let the party that consents sign, with the key of its own account."

    def __init__(self, *, expected: str, signer: str) -> None:
        self.expected, self.signer = expected, signer
        super().__init__(
            f"signed by {signer}, but {expected} must sign; "
            "check chain id, contract and key, and sign the typed data again"
        )


class VersionOutOfOrder(DominoesError):
    """Versions count up by one and begin to be valid later than the one before."""

    status = 409
    code = "version-out-of-order"
    remedy = "Number the version one above the last, and let it begin after that one."

    def __init__(self, *, what: str, name: str, version: int, reason: str) -> None:
        self.what, self.name, self.version, self.reason = what, name, version, reason
        super().__init__(
            f"version {version} of {what} {name} is refused: {reason}; publish the next version after the last"
        )


class AlreadyBegun(DominoesError):
    """A version would change what is in force: its first MTU has begun, or was traded, by now."""

    status = 409
    code = "already-begun"
    remedy = "Choose a first MTU that has not begun and in which nothing was traded yet."

    def __init__(self, *, what: str, name: str, valid_from_mtu: int, earliest_mtu: int) -> None:
        self.what, self.name, self.valid_from_mtu, self.earliest_mtu = what, name, valid_from_mtu, earliest_mtu
        super().__init__(
            f"{what} {name} can't begin at MTU {valid_from_mtu}, which has begun or whose gate has passed; "
            f"let it begin at MTU {earliest_mtu} or later"
        )


class EndsTooSoon(DominoesError):
    """A term would end while what was traded under it, or the notice due to whoever did not sign, still runs."""

    status = 409
    code = "ends-too-soon"
    remedy = "Let it end at the MTU that `detail` names or later; both parties together need no notice."

    def __init__(self, *, name: str, end_mtu: int, earliest_mtu: int) -> None:
        self.name, self.end_mtu, self.earliest_mtu = name, end_mtu, earliest_mtu
        super().__init__(f"{name} can't be at MTU {end_mtu}; let it be at MTU {earliest_mtu} or later")


class NoticeMissing(DominoesError):
    """A tariff's next version would bind accounts that agreed to the tariff without it, and gives them no time."""

    status = 409
    code = "notice-missing"
    remedy = "Let it begin at the MTU that `detail` names or later; or agree with the accounts on another tariff."

    def __init__(self, *, tariff: str, version: int, agreement: str, valid_from_mtu: int, earliest_mtu: int) -> None:
        self.tariff, self.version, self.agreement = tariff, version, agreement
        self.valid_from_mtu, self.earliest_mtu = valid_from_mtu, earliest_mtu
        super().__init__(
            f"version {version} of tariff {tariff} can't begin at MTU {valid_from_mtu}: agreement {agreement} was "
            f"signed before it; let it begin at MTU {earliest_mtu} or later"
        )


class TermOver(DominoesError):
    """What would begin, or go on, has ended for good by then."""

    status = 409
    code = "term-over"
    remedy = "Let it begin before the end that `detail` names, or register it under another name."

    def __init__(self, *, what: str, name: str, end_mtu: int) -> None:
        self.what, self.name, self.end_mtu = what, name, end_mtu
        super().__init__(f"{what} {name} ends with MTU {end_mtu}, for good; begin another one")


class TariffUnsafe(DominoesError):
    """Under these prices somebody would gain from deviating on purpose."""

    code = "tariff-unsafe"
    remedy = "Raise or lower one of the two prices that `detail` names."

    def __init__(self, *, lower: str, low: int, higher: str, high: int) -> None:
        self.lower, self.low, self.higher, self.high = lower, low, higher, high
        super().__init__(f"{lower} ({low}) must be at most {higher} ({high}), or deviating on purpose pays; change one")


class DeadlinePassed(DominoesError):
    """The signature may not be used any more."""

    code = "deadline-passed"
    remedy = "Sign again, with a deadline in the future."

    def __init__(self, *, deadline: int, now: int) -> None:
        self.deadline, self.now = deadline, now
        super().__init__(f"the deadline {deadline} is not after market time {now}; sign again with a later one")


class ConsentMissing(DominoesError):
    """A guarantor that an account did not have before needs the account's signature too."""

    status = 403
    code = "consent-missing"
    remedy = "Have the account sign the same guarantee, and send its signature as `account_signature`."

    def __init__(self, *, guarantor: str, account: str) -> None:
        self.guarantor, self.account = guarantor, account
        super().__init__(
            f"{account} did not agree to {guarantor} as its guarantor; send its signature over the same guarantee"
        )


class NonceUsed(DominoesError):
    """A guarantee's nonce must rise."""

    status = 409
    code = "nonce-used"
    remedy = "Sign the guarantee with a higher nonce than the last one of this account."

    def __init__(self, *, last: int, given: int) -> None:
        self.last, self.given = last, given
        super().__init__(f"guarantee nonce {given} is not above the last one, {last}; sign again with a higher nonce")


class NoAgreement(DominoesError):
    """An account has no agreement, or no tariff version is valid, at an MTU."""

    status = 409
    code = "no-agreement"
    remedy = "Have an agreement, under a tariff that is valid then, registered for the account before you trade."

    def __init__(self, *, name: str, mtu: int) -> None:
        self.name, self.mtu = name, mtu
        super().__init__(
            f"nothing is agreed for {name} at MTU {mtu}; publish a tariff and sign an agreement valid by then"
        )
