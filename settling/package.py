"""The package of a proposed settlement: all facts it follows from, as JSON, and the checks before one signs it.

The service makes packages (`gather.proposal_package`), attesters fetch and verify them; nothing here does I/O. What
a package can't prove by itself is for the attester to compare: roots, programs, lots and words of earlier revisions
with the chain's, readings and registry facts with what it saw itself.

Members: `area` `period` `revision` `first_mtu` `count`; `parties` `meters` `keys` `tariffs` `agreements` `markets`
(payloads of their facts); `grid_model`; `programs` (those the chain recorded: `market` `program` `first_mtu` `count`
`results_root` `grid_model_hash` `report_hash` `report` `deadline` `envelopes` `schedules` `dso` `signature`);
`clearings` (`market` `mtu` `result_hash` `price_neur_per_wh` `words`, in the chain's order; a void has a
zero hash); `orders` (payloads of `order.accepted` for every word); `attestations` (`mtu` `revision` `unread` `root`
`count` `import_wh` `export_wh` `readings`, in the chain's order; readings null but for the last of each MTU);
`earlier` (`revision` `words` of each revision before); `proposal` (payload of `settlement.proposed`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.eip712 import KEY_REGISTRATION, PROGRAM, SETTLEMENT, Domain
from domain.errors import DominoesError
from domain.hashing import ZERO_HASH, from_hex, hash_json, keccak, text_id, to_hex
from domain.orders import Order, envelopes_hash, schedule_hash, tag_of
from domain.periods import Period
from domain.programs import program_values
from domain.readings import Attestation, Reading, chain_clearing_root, chain_readings_root
from domain.rules import rule_of
from domain.signing import recover
from domain.terms import Agreement, Tariff
from domain.words import OrderWord, Side, result_hash, unpack_settlement_word
from settling.inputs import (
    CapsInForce,
    Inputs,
    Metered,
    Party,
    PartyKind,
    Trade,
)
from settling.settlement import SETTLE_BY_LINES_RULE, Commitment, Settled, commit

Package = Mapping[str, Any]
NO_POINT = ZERO_HASH
"""The point in the key registration of an account that has none."""


class WrongInput(DominoesError):
    """The facts a settlement is computed from contradict each other or their signatures."""

    code = "wrong-settlement-input"
    remedy = "Recompute from the facts of the package; if they contradict each other, tell the operator which."

    def __init__(self, *, record: str, reason: str) -> None:
        self.record, self.reason = record, reason
        super().__init__(f"{record}: {reason}; refuse to sign and compare with the record")


@dataclass(frozen=True, slots=True)
class Roots:
    """What a settlement takes from the chain: the running roots of its area and period."""

    clearing_root: bytes
    readings_root: bytes


def settlement_values(*, period: Period, revision: int, roots: Roots, commitment: Commitment) -> dict[str, Any]:
    """The members of the `Settlement` shape that attesters sign."""
    return {
        "area": text_id(period.area),
        "period": period.number,
        "revision": revision,
        "wordsHash": commitment.words_hash,
        "clearingRoot": roots.clearing_root,
        "readingsRoot": roots.readings_root,
        "statementsRoot": commitment.statements_root,
        "tariffHash": commitment.tariff_hash,
    }


def proposal_values(proposal: Mapping[str, Any]) -> dict[str, Any]:
    """The members of the `Settlement` shape from a `settlement.proposed` payload."""
    return {
        "area": text_id(proposal["area"]),
        "period": proposal["period"],
        "revision": proposal["revision"],
        "wordsHash": from_hex(proposal["words_hash"]),
        "clearingRoot": from_hex(proposal["clearing_root"]),
        "readingsRoot": from_hex(proposal["readings_root"]),
        "statementsRoot": from_hex(proposal["statements_root"]),
        "tariffHash": from_hex(proposal["tariff_hash"]),
    }


def period_of(package: Package) -> Period:
    """The period a package is about."""
    return Period(package["area"], package["period"], package["first_mtu"], package["count"])


def roots_of(package: Package) -> Roots:
    """The running roots over the package's clearings and attestations, in their order."""
    clearing = readings = ZERO_HASH
    for item in package["clearings"]:
        result = from_hex(item["result_hash"])
        clearing = chain_clearing_root(clearing, market=text_id(item["market"]), mtu=item["mtu"], result=result)
    for item in package["attestations"]:
        readings = chain_readings_root(readings, _attestation(package["area"], item))
    return Roots(clearing_root=clearing, readings_root=readings)


def _attestation(area: str, item: Mapping[str, Any]) -> Attestation:
    return Attestation(
        area=text_id(area),
        mtu=item["mtu"],
        revision=item["revision"],
        root=from_hex(item["root"]),
        count=item["count"],
        import_wh=item["import_wh"],
        export_wh=item["export_wh"],
    )


def inputs_of(package: Package) -> Inputs:
    """The values `settle` computes from."""
    return Inputs(
        period=period_of(package),
        revision=package["revision"],
        parties=tuple(
            Party(from_hex(item["account"]), PartyKind(item["kind"]), item["point"]) for item in package["parties"]
        ),
        tariffs=tuple(Tariff(**item) for item in package["tariffs"]),
        agreements=tuple(Agreement(**item) for item in package["agreements"]),
        trades=tuple(_trades(package)),
        metered=tuple(_metered(package)),
        limits=tuple(_limits(package)),
        settled_before_neur=_settled_before(package),
    )


def _settled_before(package: Package) -> dict[bytes, int]:
    """Sum of each account's words in the revisions before, in nEUR."""
    totals: dict[bytes, int] = {}
    for revision in package["earlier"]:
        for word in revision["words"]:
            account, amount = unpack_settlement_word(int(word, 16))
            totals[account] = totals.get(account, 0) + amount
    return totals


def _trades(package: Package) -> list[Trade]:
    lot_wh = {item["market"]: item["lot_wh"] for item in package["markets"]}
    account_of = {item["tag"]: from_hex(item["order"]["account"]) for item in package["orders"]}
    trades = []
    for clearing in package["clearings"]:
        for text in clearing["words"]:
            word = OrderWord.unpack(int(text, 16))
            tag = "0x" + word.tag.to_bytes(16, "big").hex()
            if tag not in account_of:
                raise WrongInput(record=f"word {tag} of MTU {clearing['mtu']}", reason="no order opens it")
            if word.accepted_lots:
                energy = word.accepted_lots * lot_wh[clearing["market"]]
                trades.append(
                    Trade(
                        account=account_of[tag],
                        market=clearing["market"],
                        mtu=clearing["mtu"],
                        side=Side(word.side),
                        energy_wh=energy,
                        price_neur_per_wh=clearing["price_neur_per_wh"],
                        tag=tag,
                    )
                )
    return trades


def _metered(package: Package) -> list[Metered]:
    """Energy per point and MTU: the sum over the meters registered at the point, in leaf order."""
    registered = sorted(package["meters"], key=lambda item: item["valid_from_mtu"])
    found: dict[tuple[str, int], list[Reading]] = {}
    for item in package["attestations"]:
        for data in item["readings"] or ():
            reading = Reading.from_json(data)
            valid = [
                meter["point"]
                for meter in registered
                if meter["meter"] == reading.meter_code and meter["valid_from_mtu"] <= reading.mtu
            ]
            if valid:
                found.setdefault((valid[-1], reading.mtu), []).append(reading)
    return [
        Metered(
            point=point,
            mtu=mtu,
            import_wh=sum(reading.import_wh for reading in readings),
            export_wh=sum(reading.export_wh for reading in readings),
            readings=tuple(to_hex(reading.hash()) for reading in readings),
        )
        for (point, mtu), readings in found.items()
    ]


def _limits(package: Package) -> list[CapsInForce]:
    limits = []
    for program in package["programs"]:
        for item in program["envelopes"]:
            schedule = program["schedules"].get(item["point"], ())
            at = item["mtu"] - program["first_mtu"]
            net_wh = schedule[at] if at < len(schedule) else 0
            limits.append(
                CapsInForce(
                    point=item["point"],
                    mtu=item["mtu"],
                    import_cap_wh=item["import_cap_wh"],
                    export_cap_wh=item["export_cap_wh"],
                    scheduled_export_wh=max(-net_wh, 0),
                )
            )
    return limits


def recompute(package: Package) -> tuple[Settled, Commitment, Roots]:
    """What the package's facts give by the rule that its proposal names, under its salts. Raises UnknownRule."""
    settle_by_rule = rule_of("lines", SETTLE_BY_LINES_RULE, package["proposal"]["rules"]["lines"])
    settled = settle_by_rule(inputs_of(package))
    salts = {from_hex(item["account"]): from_hex(item["salt"]) for item in package["proposal"]["statements"]}
    if set(salts) != set(settled.statements):
        raise WrongInput(record="proposal", reason="it has not one statement for each account of the area")
    return (
        settled,
        commit(settled, period=package["period"], revision=package["revision"], salts=salts),
        roots_of(package),
    )


def verify_package(package: Package, *, market: Domain, settlement: Domain) -> bytes:
    """Check everything a package proves by itself and return the digest to sign.

    Orders open the words and are signed by keys their accounts registered; words give the cleared results; envelopes
    and schedules are those of the reports the DSO signed; readings give the attested roots and totals; there is one
    list of words for each revision before; the proposal is what these facts give. The caller compares roots, programs,
    lots and earlier words with the chain, readings and registry facts with its store. Raises WrongInput naming the
    record, BadSignature, UnknownRule, or what `settle` raises.
    """
    _check_earlier(package)
    _check_programs(package, market=market)
    _check_orders(package, market=market, settlement=settlement)
    _check_results(package)
    _check_readings(package)
    settled, commitment, roots = recompute(package)
    proposal = package["proposal"]
    for item in proposal["statements"]:
        if item["statement"] != settled.statements[from_hex(item["account"])].as_json():
            raise WrongInput(record=f"statement of {item['account']}", reason="the facts give another one")
    if [int(word, 16) for word in proposal["words"]] != list(settled.words):
        raise WrongInput(record="proposal words", reason="the facts give others")
    values = settlement_values(
        period=period_of(package), revision=package["revision"], roots=roots, commitment=commitment
    )
    if values != proposal_values(proposal):
        wrong = sorted(name for name, value in proposal_values(proposal).items() if values[name] != value)
        raise WrongInput(record="proposal", reason=f"the facts give another {', '.join(wrong)}")
    return settlement.digest(SETTLEMENT, values)


def _check_earlier(package: Package) -> None:
    if [item["revision"] for item in package["earlier"]] != list(range(package["revision"])):
        raise WrongInput(record="earlier", reason="it has not the words of each revision before, and of no other")


def _check_programs(package: Package, *, market: Domain) -> None:
    points = [point["code"] for point in package["grid_model"]["points"]] if package["programs"] else []
    for program in package["programs"]:
        name = f"program {program['program']} of {program['market']}"
        report = program["report"]
        for member, value in (("report", report), ("grid_model", package["grid_model"])):
            if to_hex(hash_json(value)) != program[f"{member}_hash"]:
                raise WrongInput(record=name, reason=f"its {member.replace('_', ' ')} does not give the signed hash")
        if to_hex(envelopes_hash(points, program["envelopes"])) != report["envelopes_hash"]:
            raise WrongInput(record=name, reason="its envelopes are not those of the signed report")
        if set(program["schedules"]) != set(points):
            raise WrongInput(record=name, reason="it has not one schedule for each point of the grid")
        rows = b"".join(schedule_hash(program["schedules"][point]) for point in points)
        if to_hex(keccak(rows)) != report["schedules_hash"]:
            raise WrongInput(record=name, reason="its schedules are not those of the signed report")
        signer = recover(market.digest(PROGRAM, program_values(program)), from_hex(program["signature"]))
        if to_hex(signer) != program["dso"]:
            raise WrongInput(record=name, reason="not signed by the DSO it names")


def _check_orders(package: Package, *, market: Domain, settlement: Domain) -> None:
    keys: dict[tuple[str, str], list[int]] = {}
    for item in package["keys"]:
        values = {
            "account": item["account"],
            "orderKey": item["order_key"],
            "point": NO_POINT if item["point"] is None else text_id(item["point"]),
            "validFromMtu": item["valid_from_mtu"],
        }
        signer = recover(settlement.digest(KEY_REGISTRATION, values), from_hex(item["signature"]))
        if to_hex(signer) != item["account"]:
            raise WrongInput(record=f"key registration of {item['account']}", reason="not signed by the account")
        keys.setdefault((item["account"], item["order_key"]), []).append(item["valid_from_mtu"])
    for item in package["orders"]:
        order = Order.from_json(item["order"])
        digest = order.digest(market)
        name = f"order {item['tag']}"
        if to_hex(tag_of(digest)) != item["tag"]:
            raise WrongInput(record=name, reason="its tag is not that of the signed order")
        if to_hex(recover(digest, from_hex(item["signature"]))) != item["order_key"]:
            raise WrongInput(record=name, reason="not signed by its order key")
        if not any(valid <= order.mtu for valid in keys.get((item["order"]["account"], item["order_key"]), ())):
            raise WrongInput(record=name, reason="its account has not registered that key for its MTU")


def _check_results(package: Package) -> None:
    orders = {item["tag"]: Order.from_json(item["order"]) for item in package["orders"]}
    for clearing in package["clearings"]:
        name = f"result of MTU {clearing['mtu']}"
        words = [int(text, 16) for text in clearing["words"]]
        market = text_id(clearing["market"])
        void = from_hex(clearing["result_hash"]) == ZERO_HASH
        if void and (words or clearing["price_neur_per_wh"] is not None):
            raise WrongInput(record=name, reason="a void has neither words nor price")
        expected = result_hash(
            market=market, mtu=clearing["mtu"], price_neur_per_wh=clearing["price_neur_per_wh"], words=words
        )
        if not void and to_hex(expected) != clearing["result_hash"]:
            raise WrongInput(record=name, reason="its words and price do not give the result hash")
        for word in map(OrderWord.unpack, words):
            order = orders.get("0x" + word.tag.to_bytes(16, "big").hex())
            if order is None or (order.market, order.mtu) != (market, clearing["mtu"]):
                raise WrongInput(record=name, reason=f"no order of this MTU opens tag {word.tag:032x}")
            plain = order.word(tag=word.tag.to_bytes(16, "big"))
            if word.with_result(cap_lots=plain.cap_lots, accepted_lots=0) != plain:
                raise WrongInput(record=name, reason=f"word {word.tag:032x} differs from its order")


def _check_readings(package: Package) -> None:
    last = {item["mtu"]: item for item in package["attestations"] if not item["unread"]}
    for item in package["attestations"]:
        name = f"readings of MTU {item['mtu']} revision {item['revision']}"
        if item["unread"] or last[item["mtu"]] is not item:
            if item["readings"] is not None:
                raise WrongInput(record=name, reason="only the last attestation of a MTU carries readings")
            continue
        readings = [Reading.from_json(data) for data in item["readings"] or ()]
        if any(reading.mtu != item["mtu"] for reading in readings):
            raise WrongInput(record=name, reason="it holds a reading of another MTU")
        found = Attestation.of(
            area=text_id(package["area"]), mtu=item["mtu"], revision=item["revision"], readings=readings
        )
        if found != _attestation(package["area"], item):
            raise WrongInput(record=name, reason="its readings do not give the attested root and totals")
