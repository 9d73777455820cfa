"""Ends of terms: who may end what, and from which MTU on it decides nothing any more.

Source: docs/evidence.md section 3, `term.ended`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from verifier.evidence import Evidence
from verifier.party_facts import AgreementSigned, TermEnded
from verifier.replacements import Replacements

NO_ADDRESS = "0x" + 40 * "0"
"""In place of an account or retailer that a term does not have."""

NEVER = 1 << 32
"""Above every MTU: the end of what has none."""

NOTICE_MTUS = 14 * 96
"""How long before the end of an agreement or a part everybody has seen it, where the account did not sign."""

AGREEMENT, PARTICIPATION, METER = "agreement", "participation", "meter"

ENDED_BY = {AGREEMENT: {"account", "retailer"}, PARTICIPATION: {"account", "dso"}, METER: {"dso"}}
"""Who may end which term: one of them is enough."""


class Ends:
    """All ends told so far."""

    def __init__(self, evidence: Evidence, replacements: Replacements) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._replacements = replacements
        self._told: dict[tuple[str, str], TermEnded] = {}

    def of(self, term: str, name: str) -> int:
        """First MTU after the end of a term; NEVER where it has none."""
        end = self._told.get((term, name))
        return NEVER if end is None else end.end_mtu

    def told(self, term: str, name: str) -> TermEnded | None:
        """How a term ended."""
        return self._told.get((term, name))

    def participant_of(self, account: str) -> str:
        """The id of a participant whose part has ended, by its account then; empty where it has not."""
        mine = self._replacements.before(account)
        return next((end.name for end in self._told.values() if end.term == PARTICIPATION and end.account in mine), "")

    def take(self, fact: TermEnded, *, decided_until: int) -> None:
        """Signed by who may end it, once, in time: after all MTUs that were traded, read or open for orders already
        (up to `decided_until`), and with notice where the account did not sign."""
        report, place = self._report, (fact.term, fact.name)
        report.none("terms that end twice", [place] if place in self._told else [])
        self.keep(fact)
        self._check_signatures(fact)
        if report.kind != "personal":
            report.none("ends by an account that was replaced before", {fact.account} & self._replacements.told.keys())
        if fact.end_mtu <= decided_until:
            report.fail(
                fact.end_mtu, name="end_mtu", source="decided or open for orders is MTU", expected=decided_until
            )
        by_account = fact.account_signature is not None or fact.term == METER
        due = fact.end_mtu - (0 if by_account else NOTICE_MTUS)
        sequence, in_time = self._evidence.at.sequence, self._evidence.anchored_before(due)
        if sequence > in_time:
            name = f"entry of the end of {fact.term} {fact.name} with MTU {fact.end_mtu}"
            report.fail(sequence, name=name, source=f"anchored before MTU {due} began was", expected=in_time)

    def keep(self, fact: TermEnded) -> None:
        """Keep an end; the first of a term counts."""
        self._told.setdefault((fact.term, fact.name), fact)

    def _check_signatures(self, fact: TermEnded) -> None:
        """Whoever signed may, and signed; somebody did."""
        report, account, retailer = self._report, fact.account or NO_ADDRESS, fact.retailer or NO_ADDRESS
        values = (fact.term, fact.name, fact.area, account, retailer, fact.end_mtu)
        made = {"account": fact.account_signature, "retailer": fact.retailer_signature, "dso": fact.dso_signature}
        signed = {party: signature for party, signature in made.items() if signature is not None}
        report.none(f"parties that can't end a {fact.term}", signed.keys() - ENDED_BY[fact.term])
        report.same(f"whether somebody signed the end of {fact.term} {fact.name}", bool(signed), True, "it must be")
        for party, signature in signed.items():
            if party == "dso":
                self._evidence.check_any_dso(fact.area, signature, "TermEnd", *values)
            else:
                signer = self._evidence.sign.signer(signature, "TermEnd", *values)
                report.same(party, account if party == "account" else retailer, signer, "TermEnd is signed by")

    def check_bound(self, fact: TermEnded, area: str | None, account: str | None, retailer: str | None) -> None:
        """It names the area and those whom the term binds, under the names they had or have now."""
        told = [fact.area, self._first(fact.account), self._first(fact.retailer)]
        due = [area, self._first(account), self._first(retailer)]
        self._report.same(f"area, account and retailer of the end of {fact.name}", told, due, f"the {fact.term} has")

    def _first(self, account: str | None) -> str | None:
        return None if account is None else self._replacements.before(account)[-1]

    def in_force(self, agreements: Iterable[AgreementSigned], mtu: int) -> AgreementSigned | None:
        """Of an account's versions that began by an MTU, and before their agreement ended, the latest, of these the
        highest version, then the last id; none where its agreement has ended by then."""
        latest = max(self._begun(agreements, mtu), key=_rank, default=None)
        return None if latest is None or self.of(AGREEMENT, latest.agreement) <= mtu else latest

    def _begun(self, agreements: Iterable[AgreementSigned], mtu: int) -> Iterator[AgreementSigned]:
        for item in agreements:
            if item.valid_from_mtu <= mtu and item.valid_from_mtu < self.of(AGREEMENT, item.agreement):
                yield item


def _rank(item: AgreementSigned) -> tuple[int, int, str]:
    return item.valid_from_mtu, item.version, item.agreement
