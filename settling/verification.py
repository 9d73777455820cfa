"""The checks before an attester signs a settlement: all that a package proves by itself. Pure.

What it can't prove is for the attester to compare: roots, programs, lots and words of earlier revisions with the
chain's, readings and registry facts with what it saw itself.
"""

from __future__ import annotations

from domain.eip712 import KEY_REGISTRATION, PROGRAM, Domain
from domain.hashing import ZERO_HASH, from_hex, hash_json, keccak, text_id, to_hex
from domain.members import noun_json
from domain.merkle import places_root
from domain.orders import envelopes_hash, schedule_hash, tag_of
from domain.parties import OrderKey, first_accounts
from domain.programs import program_values
from domain.readings import Attestation
from domain.rules import rule_of
from domain.signed_terms import ENDED_BY, HoldsRole, TermSigning, name_of, parts_of
from domain.signing import recover
from domain.strictness import text
from domain.terms import EndedTerm, TermEnd, ends_of
from domain.words import OrderWord, result_hash
from settling.mandates import check_energies, check_mandates, check_under_mandate
from settling.package import Package, PackagedClearing, PackagedProgram, PackagedSession
from settling.settlement import SETTLE_BY_LINES_RULE, commit
from settling.unpacking import WrongInput, inputs_of, roots_of, tag_bytes

NO_POINT = ZERO_HASH
"""The point in the key registration of an account that has none."""


def verify_package(package: Package, *, market: Domain, settlement: Domain, holds_role: HoldsRole) -> bytes:
    """Check everything a package proves by itself and return the digest to sign.

    Terms are signed by those whom they bind (`holds_role`: keys of organisations). Orders open the words and are signed
    by keys their accounts registered, or by agents within mandates of such keys; words give the cleared results;
    envelopes and schedules are those of the reports the DSO signed; readings give the attested roots and totals; there
    is one list of words for each revision before; the proposal is what these facts give. The caller compares roots,
    programs, lots and earlier words with the chain, readings and registry facts with its store. Raises WrongInput
    naming the record, TermNotSigned, BadSignature, UnknownRule, or what `settle` raises.
    """
    if [item.revision for item in package.earlier] != list(range(package.revision)):
        raise WrongInput(record="earlier", reason="it has not the words of each revision before, and of no other")
    _check_terms(package, TermSigning(settlement, holds_role))
    for program in package.programs:
        _check_program(package, program, market)
    _check_orders(package, market=market, settlement=settlement)
    _check_results(package)
    _check_readings(package)
    _check_proposal(package)
    return package.proposal.digest(settlement)


def _check_terms(package: Package, signing: TermSigning) -> None:
    """Tariffs and agreements are signed, and an agreement is under a tariff of its own retailer in this area."""
    first = first_accounts(package.replacements)
    for tariff in package.tariffs:
        signing.check(tariff)
    for agreement in package.agreements:
        signing.check(agreement)
        for tariff in package.tariffs:
            made_by, due = (first(tariff.retailer), tariff.area), (first(agreement.retailer), package.area)
            if tariff.tariff == agreement.tariff and made_by != due:
                raise WrongInput(record=name_of(agreement), reason=f"{name_of(tariff)} is not its retailer's there")
    if len(ends_of(package.ends)) != len(package.ends):
        raise WrongInput(record="ends", reason="a term ends twice")
    for end in package.ends:
        signing.check(end)
        _check_end(package, end)


def _check_end(package: Package, end: TermEnd) -> None:
    """An end is of this area, by parties who may end what it names, and names the accounts that this binds."""
    strangers = {part.party for part in parts_of(end)} - {*ENDED_BY[end.term]}
    if strangers or end.area != package.area:
        raise WrongInput(record=name_of(end), reason="whoever signed it can't end that there")
    first = first_accounts(package.replacements)
    bound: dict[str, tuple[str, str | None]] = {item.participant: (item.account, None) for item in package.parties}
    if end.term is EndedTerm.AGREEMENT:
        bound = {item.agreement: (item.account, item.retailer) for item in package.agreements}
    if end.term is EndedTerm.METER or end.name not in bound:
        return
    told = tuple(None if one is None else first(one) for one in (end.account, end.retailer))
    if told != tuple(None if one is None else first(one) for one in bound[end.name]):
        raise WrongInput(record=name_of(end), reason="it names others than those whom the term binds")


def _check_proposal(package: Package) -> None:
    """The proposal is what the facts give by the rule that it names, under its salts. Raises UnknownRule."""
    proposal = package.proposal
    settle_by_rule = rule_of("lines", SETTLE_BY_LINES_RULE, proposal.rules.lines)
    settled = settle_by_rule(inputs_of(package))
    salts = {from_hex(item.account): item.salt for item in proposal.statements}
    if set(salts) != set(settled.statements):
        raise WrongInput(record="proposal", reason="it has not one statement for each account of the area")
    if proposal.words != settled.words:
        raise WrongInput(record="proposal words", reason="the facts give others")
    made = commit(settled, period=package.period, revision=package.revision, salts=salts)
    for item in proposal.statements:
        if item.statement_hash != made.statement_hashes[from_hex(item.account)]:
            raise WrongInput(record=f"statement of {item.account}", reason="the facts give another one")
    roots = roots_of(package)
    given = {
        "area": package.area,
        "period": package.period,
        "revision": package.revision,
        "words_hash": made.words_hash,
        "clearing_root": roots.clearing_root,
        "readings_root": roots.readings_root,
        "statements_root": made.statements_root,
        "tariff_hash": made.tariff_hash,
    }
    wrong = sorted(name for name, value in given.items() if getattr(proposal, name) != value)
    if wrong:
        raise WrongInput(record="proposal", reason=f"the facts give another {', '.join(wrong)}")


def _check_program(package: Package, program: PackagedProgram, market: Domain) -> None:
    name, report = f"program {program.session} of {program.market}", program.report
    hashed = (("report", report, program.report_hash), ("grid model", package.grid_model, program.grid_model_hash))
    for what, document, signed in hashed:
        if hash_json(document.value) != signed:
            raise WrongInput(record=name, reason=f"its {what} does not give the signed hash")
    points = _points_of(package, name)
    caps = envelopes_hash(points, [noun_json(item) for item in program.envelopes])
    if to_hex(caps) != report.value.get("envelopes_hash"):
        raise WrongInput(record=name, reason="its envelopes are not those of the signed report")
    net_wh_of = {schedule.point: schedule.net_wh for schedule in program.schedules}
    if set(net_wh_of) != set(points):
        raise WrongInput(record=name, reason="it has not one schedule for each point of the grid")
    rows = b"".join(schedule_hash(net_wh_of[point]) for point in points)
    if to_hex(keccak(rows)) != report.value.get("schedules_hash"):
        raise WrongInput(record=name, reason="its schedules are not those of the signed report")
    signer = recover(market.digest(PROGRAM, program_values(program)), program.signature)
    if to_hex(signer) != program.dso:
        raise WrongInput(record=name, reason="not signed by the DSO it names")


def _points_of(package: Package, name: str) -> list[str]:
    """The codes of the grid model's points, in its order."""
    try:
        return [text(point["code"]) for point in package.grid_model["points"]]
    except (KeyError, TypeError, ValueError) as error:
        raise WrongInput(record=name, reason="its grid model names no points") from error


def _check_key(key: OrderKey, settlement: Domain) -> None:
    values = {
        "account": key.account,
        "orderKey": key.order_key,
        "point": NO_POINT if key.point is None else text_id(key.point),
        "validFromMtu": key.valid_from_mtu,
    }
    if to_hex(recover(settlement.digest(KEY_REGISTRATION, values), key.signature)) != key.account:
        raise WrongInput(record=f"key registration of {key.account}", reason="not signed by the account")


def _check_orders(package: Package, *, market: Domain, settlement: Domain) -> None:
    begins: dict[tuple[bytes, str], list[int]] = {}
    for key in package.keys:
        _check_key(key, settlement)
        begins.setdefault((from_hex(key.account), key.order_key), []).append(key.valid_from_mtu)
    mandates = check_mandates(package, market)
    for item in package.orders:
        order, name = item.order, f"order {to_hex(item.tag)}"
        digest = order.digest(market)
        if tag_of(digest) != item.tag:
            raise WrongInput(record=name, reason="its tag is not that of the signed order")
        if to_hex(recover(digest, item.signature)) != item.order_key:
            raise WrongInput(record=name, reason="not signed by its order key")
        key_of_account = item.order_key
        if item.mandate is not None:
            key_of_account = check_under_mandate(package, item, mandates)
        if not any(valid <= order.mtu for valid in begins.get((order.account, key_of_account), ())):
            raise WrongInput(record=name, reason="its account has not registered that key for its MTU")
    check_energies(package, mandates)


def _check_results(package: Package) -> None:
    orders = {item.tag: item.order for item in package.orders}
    for session in package.sessions:
        market = text_id(session.market)
        _check_root(session)
        for clearing in session.clearings:
            name = f"result of MTU {clearing.mtu} in session {session.session} of {session.market}"
            _check_result(session, clearing, market, name)
            for word in map(OrderWord.unpack, clearing.words):
                tag = tag_bytes(word)
                order = orders.get(tag)
                at = (market, session.session, clearing.mtu)
                if order is None or (order.market, order.session, order.mtu) != at:
                    raise WrongInput(record=name, reason=f"no order of this MTU opens tag {tag.hex()}")
                plain = order.word(tag=tag)
                if word.with_result(cap_lots=plain.cap_lots, accepted_lots=0) != plain:
                    raise WrongInput(record=name, reason=f"word {tag.hex()} differs from its order")


def _check_root(session: PackagedSession) -> None:
    """The result hashes are those that the DSO signed; a session that was never signed has none."""
    name, signed = f"session {session.session} of {session.market}", session.results_root != ZERO_HASH
    if len(session.results) != (session.count if signed else 0):
        raise WrongInput(record=name, reason="it has not one result for each of its MTUs")
    if places_root(session.results) != session.results_root:
        raise WrongInput(record=name, reason="its results do not give the signed root")
    if session.cleared_mask & ~session.traded_mask:
        raise WrongInput(record=name, reason="it cleared an MTU that does not trade")


def _check_result(session: PackagedSession, clearing: PackagedClearing, market: bytes, name: str) -> None:
    expected = result_hash(
        market=market,
        session=session.session,
        mtu=clearing.mtu,
        price_neur_per_wh=clearing.price_neur_per_wh,
        words=clearing.words,
    )
    if expected != session.results[clearing.mtu - session.first_mtu]:
        raise WrongInput(record=name, reason="its words and price do not give the result hash")


def _check_readings(package: Package) -> None:
    last = {item.mtu: item for item in package.attestations if not item.unread}
    for item in package.attestations:
        name = f"readings of MTU {item.mtu} revision {item.revision}"
        if item.unread or last[item.mtu] is not item:
            if item.readings is not None:
                raise WrongInput(record=name, reason="only the last attestation of a MTU carries readings")
            continue
        readings = item.readings or ()
        if any(reading.mtu != item.mtu for reading in readings):
            raise WrongInput(record=name, reason="it holds a reading of another MTU")
        found = Attestation.of(area=text_id(package.area), mtu=item.mtu, revision=item.revision, readings=readings)
        if found != item.of_area(package.area):
            raise WrongInput(record=name, reason="its readings do not give the attested root and totals")
