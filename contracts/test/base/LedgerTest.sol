// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Accounts} from "../../src/Accounts.sol";
import {Anchors} from "../../src/Anchors.sol";
import {Calendar} from "../../src/Calendar.sol";
import {Clearing} from "../../src/Clearing.sol";
import {Guarantees} from "../../src/Guarantees.sol";
import {Handovers} from "../../src/Handovers.sol";
import {Market} from "../../src/Market.sol";
import {Readings} from "../../src/Readings.sol";
import {Redemptions} from "../../src/Redemptions.sol";
import {Registry} from "../../src/Registry.sol";
import {Roles} from "../../src/Roles.sol";
import {Settlement} from "../../src/Settlement.sol";
import {Successions} from "../../src/Successions.sol";
import {AreaParams} from "../../src/interfaces/ICalendar.sol";
import {PlaceProofs, ResultPage} from "../../src/interfaces/IClearing.sol";
import {MarketKind, MarketParams, Program, SessionState} from "../../src/interfaces/IMarket.sol";
import {Attestation} from "../../src/interfaces/IReadings.sol";
import {IHandovers} from "../../src/interfaces/IHandovers.sol";
import {Grant, Proposal, Role, RolesConfig} from "../../src/interfaces/IRoles.sol";
import {SettlementPage} from "../../src/interfaces/ISettlement.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Time} from "../../src/libraries/Time.sol";
import {Assert} from "./Assert.sol";
import {Merkle} from "./Merkle.sol";
import {Shapes} from "./Shapes.sol";
import {vm} from "./Vm.sol";

/// @notice A deployed ledger with one area, one market, one period of 4 MTUs, and short ways through a trading day.
abstract contract LedgerTest is Assert {
    bytes32 internal constant AREA = keccak256("grid/lv1");
    bytes32 internal constant MARKET_ID = keccak256("grid/lv1/DA");

    uint8 internal constant THRESHOLD = 2;
    uint32 internal constant DELAY = 2 days;
    uint32 internal constant PAUSE = 3 days;
    uint32 internal constant COOL_DOWN = 7 days;

    uint32 internal constant ATTEST = 6 hours;
    uint32 internal constant HORIZON = 30 days;
    uint32 internal constant CHALLENGE = 3 days;
    uint32 internal constant PAGE_WINDOW = 2 hours;

    uint32 internal constant GRACE = 600;
    uint32 internal constant SIGN = 3600;
    uint32 internal constant CLEAR = 7200;
    int32 internal constant MIN_LIMIT = -500_000;
    int32 internal constant MAX_LIMIT = 4_000_000;
    uint24 internal constant TICK = 100;
    uint24 internal constant NO_CAP = type(uint24).max;

    /// @dev Private keys of the roles, in order of the enum from Operator on; attesters are three.
    uint256 internal constant OPERATOR_KEY = 0xA1;
    uint256 internal constant DSO_KEY = 0xA2;
    uint256 internal constant TREASURER_KEY = 0xA4;
    uint256 internal constant REGISTRAR_KEY = 0xA5;
    uint256 internal constant SECURITY_KEY = 0xA6;
    uint256 internal constant SECOND_SECURITY_KEY = 0xA7;

    /// @dev Market time at the beginning, the start of MTU 1_888_888, and block time then.
    uint64 internal constant T0 = 1_699_999_200;
    uint64 internal constant BLOCK_T0 = 1_650_000_000;
    uint32 internal constant FIRST_MTU = 1_888_888 + 96;
    uint32 internal constant MTUS = 4;

    Roles internal roles;
    Calendar internal calendar;
    Market internal market;
    Clearing internal clearing;
    Readings internal readings;
    Accounts internal accounts;
    Settlement internal settlement;
    Redemptions internal redemptions;
    Guarantees internal guarantees;
    Successions internal successions;
    Handovers internal handovers;
    Anchors internal anchors;
    Registry internal registry;

    address internal operator = vm.addr(OPERATOR_KEY);
    address internal dso = vm.addr(DSO_KEY);
    address internal treasurer = vm.addr(TREASURER_KEY);
    address internal registrar = vm.addr(REGISTRAR_KEY);
    address internal security = vm.addr(SECURITY_KEY);
    address internal secondSecurity = vm.addr(SECOND_SECURITY_KEY);
    uint256[] internal attesterKeys;

    uint32 internal period;
    /// @dev Gate of the session, which is its name.
    uint64 internal gate;

    function setUp() public virtual {
        _deployLedger();
        vm.prank(operator);
        period = calendar.declarePeriod(AREA, FIRST_MTU, MTUS);
    }

    /// @dev Everything but the first period.
    function _deployLedger() internal {
        vm.warp(_blockStart());
        _sortedAttesters();
        roles = new Roles(_config(), _grants());
        calendar = new Calendar(roles, IHandovers(_ahead(9)), T0, _blockStart(), 1);
        _deployMarket();
        readings = new Readings(roles, calendar);
        _deployMoney(CHALLENGE, PAGE_WINDOW);
        handovers = new Handovers(roles, calendar, settlement, accounts, _predecessor());
        anchors = new Anchors(roles);
        registry = new Registry(roles);
        vm.startPrank(registrar);
        calendar.createArea(AREA, AreaParams({attestSeconds: ATTEST, horizonSeconds: HORIZON}));
        market.createMarket(MARKET_ID, _params());
        vm.stopPrank();
    }

    /// @dev Handovers of the deployment that this one takes over from; none.
    function _predecessor() internal view virtual returns (IHandovers) {
        return IHandovers(address(0));
    }

    /// @dev The market names the contract that may record what cleared before it exists.
    function _deployMarket() internal {
        uint64 nonce = vm.getNonce(address(this));
        market = new Market(roles, calendar, vm.computeCreateAddress(address(this), nonce + 1));
        clearing = new Clearing(market);
    }

    /// @dev Accounts name the contracts that may book before these exist.
    function _deployMoney(uint32 challengeSeconds, uint32 pageSeconds) internal {
        accounts = new Accounts(
            roles,
            calendar,
            _ahead(1),
            _ahead(2),
            _ahead(3),
            _ahead(4),
            calendar.handovers(),
            challengeSeconds + 1 days
        );
        settlement = new Settlement(roles, calendar, market, readings, accounts, pageSeconds);
        redemptions = new Redemptions(calendar, accounts, challengeSeconds);
        guarantees = new Guarantees(calendar, settlement, accounts);
        successions = new Successions(roles, calendar, accounts);
    }

    /// @dev Address of the contract that this test deploys so many after the next one.
    function _ahead(uint64 count) internal view returns (address) {
        return vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + count);
    }

    /* TIME */

    /// @dev Block time at the beginning: not market time, so that nothing can take one for the other.
    function _blockStart() internal pure virtual returns (uint64) {
        return BLOCK_T0;
    }

    /// @dev Block time at a market time.
    function _blockTime(uint256 marketTime) internal pure returns (uint256) {
        return marketTime - T0 + _blockStart();
    }

    function _warp(uint256 marketTime) internal {
        vm.warp(_blockTime(marketTime));
    }

    function _now() internal view returns (uint64) {
        return calendar.marketTime();
    }

    /* DEPLOYMENT */

    function _config() internal pure returns (RolesConfig memory) {
        return RolesConfig({
            attesterThreshold: THRESHOLD, delaySeconds: DELAY, pauseSeconds: PAUSE, coolDownSeconds: COOL_DOWN
        });
    }

    function _params() internal pure virtual returns (MarketParams memory) {
        return MarketParams({
            area: AREA,
            kind: MarketKind.Auction,
            lotWh: 100,
            tickNeurPerWh: TICK,
            minLimitNeurPerWh: MIN_LIMIT,
            maxLimitNeurPerWh: MAX_LIMIT,
            graceSeconds: GRACE,
            signSeconds: SIGN,
            clearSeconds: CLEAR
        });
    }

    function _grants() internal view returns (Grant[] memory grants) {
        grants = new Grant[](9);
        grants[0] = Grant(operator, Role.Operator, "operator", 0);
        grants[1] = Grant(dso, Role.Dso, "dso", AREA);
        grants[2] = Grant(treasurer, Role.Treasurer, "bank", 0);
        grants[3] = Grant(registrar, Role.Registrar, "registrar", 0);
        grants[4] = Grant(security, Role.SecurityAdmin, "security", 0);
        grants[8] = Grant(secondSecurity, Role.SecurityAdmin, "second security", 0);
        for (uint256 i = 0; i < 3; ++i) {
            grants[5 + i] = Grant(vm.addr(attesterKeys[i]), Role.Attester, bytes32(uint256(0xA77 + i)), AREA);
        }
    }

    /// @dev Quorums carry signatures in ascending order of signer.
    function _sortedAttesters() private {
        attesterKeys = [uint256(0xB1), 0xB2, 0xB3];
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = i + 1; j < 3; ++j) {
                if (vm.addr(attesterKeys[j]) < vm.addr(attesterKeys[i])) {
                    (attesterKeys[i], attesterKeys[j]) = (attesterKeys[j], attesterKeys[i]);
                }
            }
        }
    }

    /* ROLES */

    /// @dev Proposed by the first security admin, confirmed by the second, accepted by the key after the delay.
    function _grantRole(Grant memory grant) internal {
        vm.prank(security);
        roles.proposeGrant(grant);
        _acceptGrant(grant.key);
    }

    /// @dev Names what stands proposed for the key, whatever it is.
    function _confirmGrant(address key) internal {
        Proposal memory proposal = roles.proposalOf(key);
        vm.prank(secondSecurity);
        roles.confirmGrant(proposal.grant, proposal.replaces);
    }

    function _acceptGrant(address key) internal {
        _confirmGrant(key);
        vm.warp(block.timestamp + DELAY);
        vm.prank(key);
        roles.acceptGrant();
    }

    function _revokeRole(address key) internal {
        vm.prank(security);
        roles.proposeRevocation(key);
        vm.warp(block.timestamp + DELAY);
        vm.prank(secondSecurity);
        roles.revoke(key);
    }

    /* SIGNATURES */

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev EIP-712 digest from its parts, apart from the contracts' own.
    function _digest(bytes32 separator, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    /// @dev The first m attesters' signatures.
    function _quorum(bytes32 digest) internal view returns (bytes[] memory signatures) {
        signatures = new bytes[](THRESHOLD);
        for (uint256 i = 0; i < THRESHOLD; ++i) {
            signatures[i] = _sign(attesterKeys[i], digest);
        }
    }

    /* BOOKS */

    function _bid(uint256 tag, int32 limit, uint24 quantity, uint24 accepted) internal pure returns (uint256) {
        return Shapes.orderWord(bytes16(uint128(tag)), limit, quantity, NO_CAP, accepted, 0);
    }

    function _ask(uint256 tag, int32 limit, uint24 quantity, uint24 accepted) internal pure returns (uint256) {
        return Shapes.orderWord(bytes16(uint128(tag)), limit, quantity, NO_CAP, accepted, 1);
    }

    function _pages(uint256[] memory words) internal pure returns (uint256[][] memory pages) {
        uint256 size = Hashes.PAGE_WORDS;
        pages = new uint256[][]((words.length + size - 1) / size);
        for (uint256 p = 0; p < pages.length; ++p) {
            uint256 left = words.length - p * size;
            pages[p] = new uint256[](left < size ? left : size);
            for (uint256 i = 0; i < pages[p].length; ++i) {
                pages[p][i] = words[p * size + i];
            }
        }
    }

    function _pageHashes(uint256[] memory words) internal pure returns (bytes32[] memory hashes) {
        uint256[][] memory pages = _pages(words);
        hashes = new bytes32[](pages.length);
        for (uint256 p = 0; p < pages.length; ++p) {
            hashes[p] = Hashes.page(pages[p]);
        }
    }

    function _maskedChain(uint256[] memory words) internal pure returns (bytes32) {
        uint256[] memory masked = new uint256[](words.length);
        for (uint256 i = 0; i < words.length; ++i) {
            masked[i] = Hashes.masked(words[i]);
        }
        return Hashes.chain(_pageHashes(masked));
    }

    function _resultHash(uint32 mtu, int32 price, uint256[] memory words) internal pure returns (bytes32) {
        return Hashes.result(MARKET_ID, _gate(), mtu, price, Hashes.chain(_pageHashes(words)), uint32(words.length));
    }

    /* A TRADING DAY */

    /// @dev The last gate there can be for the period's MTUs: `CLEAR` before they start.
    function _gate() internal pure returns (uint64) {
        return Time.startOf(FIRST_MTU) - CLEAR;
    }

    /// @dev Opens the session of all MTUs of the period.
    function _open() internal {
        gate = _gate();
        vm.prank(operator);
        market.openSession(MARKET_ID, gate, period, FIRST_MTU, MTUS);
    }

    /// @dev Book hashes of the session: `words` for the first MTU, the others empty.
    function _books(uint256[] memory words) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](MTUS);
        hashes[0] = Hashes.book(MARKET_ID, _gate(), FIRST_MTU, _maskedChain(words), uint32(words.length));
        for (uint32 i = 1; i < MTUS; ++i) {
            hashes[i] = Hashes.book(MARKET_ID, _gate(), FIRST_MTU + i, 0, 0);
        }
    }

    /// @dev Closes all books at the gate: `words` for the first MTU, the others empty.
    function _close(uint256[] memory words) internal {
        _warp(gate);
        vm.prank(operator);
        market.closeSession(MARKET_ID, gate, Merkle.placesRoot(_books(words)));
    }

    /// @dev Result hashes of the session: `words` at `price` for the first MTU, the others empty.
    function _results(int32 price, uint256[] memory words) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](MTUS);
        hashes[0] = _resultHash(FIRST_MTU, price, words);
        for (uint32 i = 1; i < MTUS; ++i) {
            hashes[i] = _resultHash(FIRST_MTU + i, Hashes.NO_PRICE, new uint256[](0));
        }
    }

    function _program(bytes32 root, uint128 tradedMask, uint128 emptiedMask) internal pure returns (Program memory) {
        return Program(root, tradedMask, emptiedMask, "grid", "report", _gate() + SIGN);
    }

    function _recordMasked(bytes32 root, uint128 tradedMask, uint128 emptiedMask) internal {
        Program memory program = _program(root, tradedMask, emptiedMask);
        bytes32 digest = market.programDigest(MARKET_ID, gate, program);
        market.recordProgram(MARKET_ID, gate, program, _sign(DSO_KEY, digest));
    }

    /// @dev Records a program in which the first MTU trades.
    function _record(bytes32 root) internal {
        _recordMasked(root, 1, 0);
    }

    /// @dev Open, close and record, so that `words` can be cleared at `price` in the first MTU.
    function _ready(int32 price, uint256[] memory words) internal {
        _open();
        _close(words);
        _record(Merkle.placesRoot(_results(price, words)));
    }

    function _target(uint32 mtu, int32 price, uint256 count, uint32 page) internal view returns (ResultPage memory) {
        return ResultPage({session: gate, mtu: mtu, priceNeurPerWh: price, count: uint32(count), page: page});
    }

    /// @dev Where a result of the first MTU, and the book it is over, stand.
    function _proofs(int32 price, uint256[] memory words) internal pure returns (PlaceProofs memory) {
        return PlaceProofs({
            result: Merkle.placesProof(_results(price, words), 0),
            book: Merkle.placesProof(_books(words), 0)
        });
    }

    /// @dev Clears the first MTU with a book of one page.
    function _clearFirst(int32 price, uint256[] memory words) internal {
        clearing.clear(
            MARKET_ID, _target(FIRST_MTU, price, words.length, 0), _pageHashes(words), words, _proofs(price, words)
        );
    }

    function _state() internal view returns (SessionState) {
        return market.sessionOf(MARKET_ID, gate).state;
    }

    /// @dev Takes the whole period through an empty day: no orders, nothing traded.
    function _emptyDay() internal {
        uint256[] memory none = new uint256[](0);
        _open();
        _close(none);
        _recordMasked(Merkle.placesRoot(_results(Hashes.NO_PRICE, none)), 0, 0);
    }

    function _attestation(uint32 mtu, uint32 revision) internal pure returns (Attestation memory) {
        return Attestation({
            area: AREA,
            mtu: mtu,
            revision: revision,
            root: keccak256(abi.encode("readings", mtu, revision)),
            count: 3,
            importWh: 1_500,
            exportWh: 700
        });
    }

    function _attest(uint32 mtu, uint32 revision) internal {
        Attestation memory attestation = _attestation(mtu, revision);
        readings.attest(period, attestation, _quorum(readings.attestationDigest(attestation)));
    }

    /// @dev Ends the period and attests all its MTUs.
    function _attestAll() internal {
        _warp(Time.startOf(FIRST_MTU + MTUS));
        for (uint32 i = 0; i < MTUS; ++i) {
            _attest(FIRST_MTU + i, 0);
        }
    }

    /* SETTLEMENT */

    function _settlementTarget(uint32 revision, uint32 page) internal view returns (SettlementPage memory) {
        return SettlementPage({
            area: AREA,
            period: period,
            revision: revision,
            page: page,
            statementsRoot: "statements",
            tariffHash: "tariffs"
        });
    }

    function _settlementSignatures(uint32 revision, bytes32[] memory hashes) internal view returns (bytes[] memory) {
        return _quorum(
            settlement.settlementDigest(
                AREA,
                period,
                revision,
                Hashes.chain(hashes),
                market.clearingRoot(AREA, period),
                readings.readingsRoot(AREA, period),
                "statements",
                "tariffs"
            )
        );
    }

    /// @dev Settles with words of at most one page.
    function _settle(uint32 revision, uint256[] memory words) internal {
        bytes32[] memory hashes = _pageHashes(words);
        settlement.settle(_settlementTarget(revision, 0), hashes, words, _settlementSignatures(revision, hashes));
    }

    /// @dev A payment of `amount` from account `from` to `to`, or back where it is below zero: the debit first.
    function _payment(address from, address to, int96 amount) internal pure returns (uint256[] memory words) {
        words = new uint256[](2);
        if (amount < 0) (from, to, amount) = (to, from, -amount);
        words[0] = Shapes.settlementWord(from, -amount);
        words[1] = Shapes.settlementWord(to, amount);
    }

    /// @dev Binds an account to the area, unless it is.
    function _bind(address account) internal {
        if (accounts.areaOf(account) != 0) return;
        vm.prank(registrar);
        accounts.bindAccount(account, AREA);
    }

    function _deposit(address account, uint96 amount, bytes32 ref) internal {
        _bind(account);
        vm.prank(treasurer);
        accounts.deposit(account, amount, ref);
    }
}
