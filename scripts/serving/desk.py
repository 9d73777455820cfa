"""What a DSO's desk knows by itself of a program, without asking the service: grid, market rules, where it signs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearing.inspection import Pinned, refusal_digest
from clearing.shown import Mismatch, ProgramDiffers, ShownRefusal
from domain.eip712 import Domain
from domain.errors import DominoesError
from domain.hashing import from_hex, to_hex
from domain.members import noun_of
from domain.mtu import mtu_start
from domain.policies import SigningPolicy, policy_at
from domain.signing import SigningKey
from grid.model import GridModel
from scripts.serving.api_client import ApiClient
from scripts.serving.day_plan import local_day_of, plan_of
from scripts.serving.needs import given, given_path
from scripts.serving.settings import DeskMarketSection, DeskSection


class GridNotAnchored(DominoesError):
    """The grid model at hand is not the one the trust anchors name."""

    code = "grid-not-anchored"

    def __init__(self, *, anchored: str, at_hand: str) -> None:
        self.anchored, self.at_hand = anchored, at_hand
        super().__init__(f"the anchors name grid model {anchored}, at hand is {at_hand}; give the anchored one")


class AnchorsUnusable(DominoesError):
    """The trust anchors can't be read, or say nothing of the area."""

    code = "anchors-unusable"

    def __init__(self, *, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} can't be used: {reason}; give the area's trust anchors (anchors.json)")


class MarketUnknown(DominoesError):
    """A program is of a market whose rules this desk does not know."""

    code = "market-unknown"

    def __init__(self, *, market: str, known: Sequence[str]) -> None:
        self.market, self.known = market, tuple(known)
        super().__init__(f"this desk knows the rules of {', '.join(known)}, not of {market}; add it to desk.markets")


class PolicyUnusable(DominoesError):
    """A version of the DSO's signing policy can't be read, or is another area's."""

    code = "policy-unusable"

    def __init__(self, *, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} holds no signing policy of this desk's area: {reason}; give the file that you signed")


@dataclass(frozen=True)
class Desk:
    """The DSO's own knowledge: market rules by market, the domain its signature counts in, its grid model.

    `policies`: the versions of its signing policy, ascending.
    """

    zone: str
    markets: Mapping[str, DeskMarketSection]
    domain: Domain
    grid: GridModel
    policies: tuple[SigningPolicy, ...] = ()

    def pinned(self, market: str, first_mtu: int, session: int) -> Pinned:
        """What is due of a market's program of the local day that holds this MTU, at the gate that is this session's.

        Raises MarketUnknown, and ProgramDiffers where no gate of the market is.
        """
        rules = self.markets.get(market)
        if rules is None:
            raise MarketUnknown(market=market, known=list(self.markets))
        day = local_day_of(mtu_start(first_mtu), zone_name=self.zone)
        plans = [plan_of(day, gate_local=gate, zone_name=self.zone) for gate in rules.gates_local]
        plan = next((item for item in plans if item.gate == session), None)
        if plan is None:
            raise ProgramDiffers(mismatches=Mismatch.of("session of the day", [item.gate for item in plans], session))
        return Pinned(
            domain=self.domain,
            grid=self.grid,
            market=market,
            session=plan.gate,
            lot_wh=rules.lot_wh,
            mtus=plan.mtus,
            deadline=plan.gate + rules.sign_seconds,
            policy=policy_at(self.policies, plan.mtus.first),
        )


def program_path(market: str, session: int) -> str:
    """Where the DSO is shown a program, and hands its verdict in below."""
    return f"/v1/dso/programs/{market}/{session}"


def refuse_program(client: ApiClient, key: SigningKey, desk: Desk, *, market: str, session: int, reason: str) -> None:
    """Refuse a program at the service, with a reason that everybody is shown. Raises ProgramDiffers."""
    path = program_path(market, session)
    shown = ShownRefusal.read(client.get(path, reason=reason))
    digest = refusal_digest(shown, desk.pinned(market, shown.first_mtu, session), reason=reason)
    client.hand_in(f"{path}/refusal", {"reason": reason, "signature": to_hex(key.sign(digest))})


def read_policies(paths: Iterable[Path], *, area: str) -> tuple[SigningPolicy, ...]:
    """The versions of an area's signing policy in these files, ascending. Raises PolicyUnusable."""
    return tuple(sorted((_read_policy(path, area=area) for path in paths), key=lambda item: item.version))


def open_desk(section: DeskSection) -> Desk:
    """The desk of a DSO on a machine of its own, by settings that passed `require`: nothing in it is the operator's.

    Raises BadGrid, AnchorsUnusable, GridNotAnchored or PolicyUnusable.
    """
    grid = GridModel.from_json(given_path(section.grid_model).read_bytes())
    domain = _market_domain(given_path(section.anchors), area=given(section.area), grid=grid)
    markets = {item.market: item for item in section.markets}
    policies = read_policies(section.policies, area=given(section.area))
    return Desk(zone=section.zone, markets=markets, domain=domain, grid=grid, policies=policies)


def _read_policy(path: Path, *, area: str) -> SigningPolicy:
    try:
        policy = noun_of(SigningPolicy, path.read_bytes())
    except (OSError, ValueError) as error:
        raise PolicyUnusable(path=path, reason=str(error)) from error
    if policy.area != area:
        raise PolicyUnusable(path=path, reason=f"it is that of {policy.area}")
    return policy


def anchored_domain(path: Path, contract: str) -> Domain:
    """The EIP-712 domain of a contract by the trust anchors. Raises AnchorsUnusable."""
    trusted = _read_anchors(path)
    with _usable(path):
        found = from_hex(trusted["contracts"][contract]["address"])
        return Domain(chain_id=trusted["chain_id"], verifying_contract=found)


def anchored_operators(path: Path) -> frozenset[str]:
    """Addresses of the operator by the trust anchors, former ones too. Raises AnchorsUnusable."""
    trusted = _read_anchors(path)
    with _usable(path):
        named = trusted["roles"]["operator"]
        return frozenset(one.lower() for one in ([named] if isinstance(named, str) else named))


def _market_domain(path: Path, *, area: str, grid: GridModel) -> Domain:
    """The Market contract's domain by the trust anchors, which name this grid model."""
    with _usable(path):
        anchored = _read_anchors(path)["areas"][area]["grid_model_hash"]
    at_hand = to_hex(grid.grid_model_hash)
    if anchored != at_hand:
        raise GridNotAnchored(anchored=anchored, at_hand=at_hand)
    return anchored_domain(path, "Market")


def _read_anchors(path: Path) -> Any:
    with _usable(path):
        return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    """What can't be read from the trust anchors. Raises AnchorsUnusable."""
    try:
        yield
    except KeyError as error:
        raise AnchorsUnusable(path=path, reason=f"{error} is not in it") from error
    except (OSError, ValueError, TypeError) as error:
        raise AnchorsUnusable(path=path, reason=str(error)) from error
