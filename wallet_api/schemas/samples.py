"""Examples of the document: one value per name of a field, so that all speak of the same household and day."""

from __future__ import annotations

from typing import Any

from domain.hashing import text_id
from edge.examples import Examples
from ledger_service.access.roles import Role
from wallet_api.amounts import eur_text

FIRST_MTU = 1_627_584
"""2016-06-02T00:00:00Z, the first MTU of the day that the examples are about."""

GATE = 1_464_775_200
"""2016-06-01T10:00:00Z, the gate before that day: 12:00 in Berlin."""

_AMOUNTS_NEUR = {
    "amount": -15_000_000,
    "due": -15_000_000,
    "balance": 2_500_000_000,
    "credit": 50_000_000_000,
    "reserved": 20_000_000,
    "available": 52_480_000_000,
    "called": 0,
    "redeemed": 5_000_000_000,
}

SAMPLES: dict[str, Any] = {
    "area": "DE-LV1",
    "zone": "Europe/Berlin",
    "market": "DE-LV1/DA",
    "meter": "DE-LV1-M7",
    "point": "DE-LV1-P7",
    "participant": "household 7",
    "organisation": "testing institute north",
    "tariff": "household",
    "agreement": "agreement 7",
    "name": "household 7",
    "role": Role.PROSUMER.value,
    "mtu": FIRST_MTU,
    "mtus": [FIRST_MTU, FIRST_MTU + 1],
    "first_mtu": FIRST_MTU,
    "firstMtu": FIRST_MTU,
    "valid_from_mtu": FIRST_MTU,
    "valid_until_mtu": FIRST_MTU + 672,
    "count": 96,
    "starts": "2016-06-02T00:00:00Z",
    "program": 1,
    "period": 1,
    "revision": 0,
    "next_revision": 1,
    "version": 1,
    "agreement_version": 1,
    "sequence": 4_711,
    "position": 0,
    "gate": GATE,
    "gate_utc": "2016-06-01T10:00:00Z",
    "gate_local": "12:00",
    "book_deadline": GATE + 900,
    "sign_deadline": GATE + 7_200,
    "clear_deadline": GATE + 10_800,
    "verdict_deadline": GATE + 7_200,
    "deadline": GATE + 7_200,
    "deadline_utc": "2016-06-01T12:00:00Z",
    "resolved_mtus": 0,
    "market_time": GATE - 3_600,
    "marketTime": GATE - 3_600,
    "market_time_utc": "2016-06-01T09:00:00Z",
    "advance_to": GATE,
    "chain_time": GATE - 3_600,
    "speed": 1,
    "ready_at": GATE + 3_600,
    "ready_at_utc": "2016-06-01T11:00:00Z",
    "expires_at": 1_800_000_300,
    "expires_in": 900,
    "access_token": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIweDVhLi4uIn0.c2lnbmF0dXJl",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "kid": "1f0c2a9b8d7e6f50",
    "attest_seconds": 3_600,
    "horizon_seconds": 86_400,
    "challenge_seconds": 3_600,
    "grace_seconds": 900,
    "sign_seconds": 7_200,
    "clear_seconds": 10_800,
    "threshold": 2,
    "lot_wh": 10,
    "tick_neur_per_wh": 100,
    "min_limit_neur_per_wh": -1_000_000,
    "max_limit_neur_per_wh": 5_000_000,
    "limit_neur_per_wh": 200_000,
    "limitPriceNeurPerWh": 200_000,
    "price_neur_per_wh": 150_000,
    "price_ct_per_kwh": "15.0000",
    "quantity_lots": 10,
    "quantityLots": 10,
    "accepted_lots": 10,
    "volume_wh": 200,
    "energy_wh": 100,
    "import_wh": 120,
    "export_wh": 0,
    "import_register_wh": 1_120,
    "export_register_wh": 0,
    "import_cap_wh": 2_500,
    "export_cap_wh": 500,
    "connection_import_w": 10_000,
    "connection_export_w": 5_000,
    "netWh": [-500, 120, 120, 120],
    "supply_neur_per_wh": 300_000,
    "feed_in_neur_per_wh": 80_000,
    "imbalance_surplus_neur_per_wh": 60_000,
    "imbalance_shortfall_neur_per_wh": 350_000,
    "excess_neur_per_wh": 400_000,
    "grid_fee_neur_per_wh": 80_000,
    "grid_fee_local_neur_per_wh": 40_000,
    "levy_neur_per_wh": 20_000,
    "compensation_neur_per_wh": 80_000,
    "vat_bp": 1_900,
    "base_neur": "30000000",
    "amount_neur": "-15000000",
    "settled_before_neur": "0",
    "due_neur": "-15000000",
    "credit_neur": "50000000000",
    "grid_model": {
        "schema": "dominoes-grid-1",
        "code": "street",
        "source_bus": "grid",
        "source_micro_pu": 1_000_000,
        "buses": [
            {"code": code, "nominal_v": 400, "lowest_micro_pu": 900_000, "highest_micro_pu": 1_100_000}
            for code in ("grid", "end")
        ],
        "lines": [
            {
                "code": "cable",
                "from_bus": "grid",
                "to_bus": "end",
                "resistance_nohm": 100_000_000,
                "reactance_nohm": 40_000_000,
                "capacitance_pf": 250_000,
                "limit_ma": 140_000,
                "from_closed": True,
                "to_closed": True,
            }
        ],
        "transformers": [],
        "points": [{"code": "DE-LV1-P7", "bus": "end", "import_w": 30_000, "export_w": 30_000}],
        "import_tan_phi_permille": 329,
        "frequency_hz": 50,
    },
    "reason": "grid works on feeder 3",
    "report": {"binding": [{"mtu": FIRST_MTU, "element": "line 2", "loading_permille": 1_000}]},
    "rounds": 1,
    "schedules": {"DE-LV1-P7": [-500, 120, 120, 120]},
    "partial": False,
    "given_up": False,
    "given_up_mtus": 0,
    "unread": False,
    "erased": False,
    "complete": False,
    "stage": "settlement",
    "behind": 0,
    "key": "clear:DE-LV1/DA:1627584",
    "function": "clear",
    "contract": "Market",
    "pending_transactions": 1,
    "chain_id": 31_337,
    "chainId": 31_337,
    "block": 812,
    "origin_seconds": 1_464_652_800,
    "start_seconds": 1_464_652_800,
    "deployment": {"start_block": 7},
    "messages": [
        "eyJhbGciOiJFZERTQSIsImtpZCI6IkRFLUxWMS1NNyIsInR5cCI6Im1ldGVyK2p3cyJ9.eyJtZXRlciI6IkRFLUxWMS1NNyJ9.c2ln"
    ],
    "shape": "Cancel",
    "retryable": False,
    "status": "ok",
    "neur": "-15000000",
} | {name: {"neur": str(neur), "eur": eur_text(neur)} for name, neur in _AMOUNTS_NEUR.items()}
"""By name of field; what is not here follows from its type, bytes from the name."""

_IDS = {"market": text_id("DE-LV1/DA"), "market_id": text_id("DE-LV1/DA"), "area_id": text_id("DE-LV1")}

example_of = Examples(samples=SAMPLES, ids=_IDS).of
"""A realistic value of a type of this API."""
