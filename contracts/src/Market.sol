// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {ICalendar, Period} from "./interfaces/ICalendar.sol";
import {IMarket, MarketParams, Program, Session, SessionState} from "./interfaces/IMarket.sol";
import {IRoles, Role} from "./interfaces/IRoles.sol";
import {Hashes} from "./libraries/Hashes.sol";
import {MarketClock} from "./libraries/MarketClock.sol";
import {Time} from "./libraries/Time.sol";

/// @title Market (documented on IMarket)
contract Market is IMarket, EIP712, MarketClock {
    /// @notice MTUs per session: a local day has up to 100, a mask 128 bits.
    uint32 public constant MAX_SESSION_MTUS = 128;

    struct Running {
        bytes32 root;
        uint256 pending;
    }

    IRoles private immutable ROLES;
    ICalendar private immutable CALENDAR;
    address private immutable CLEARING;

    mapping(bytes32 market => MarketParams) private _markets;
    mapping(bytes32 market => mapping(uint64 gate => Session)) private _sessions;
    mapping(bytes32 area => mapping(uint32 period => Running)) private _running;

    constructor(IRoles roles_, ICalendar calendar_, address clearing_)
        EIP712("DOMINOES", "1")
        MarketClock(calendar_)
    {
        ROLES = roles_;
        CALENDAR = calendar_;
        CLEARING = clearing_;
    }

    /* MARKETS AND SESSIONS */

    /// @inheritdoc IMarket
    function createMarket(bytes32 market, MarketParams calldata params) external {
        ROLES.requireRole(msg.sender, Role.Registrar, 0);
        if (market == 0 || !_validParams(params)) revert MarketParamsInvalid();
        if (_markets[market].lotWh != 0) revert MarketExists(market);
        CALENDAR.areaOf(params.area); // reverts where there is no such area
        _markets[market] = params;
        emit MarketCreated(market, params.area, params);
    }

    /// @inheritdoc IMarket
    function openSession(bytes32 market, uint64 session, uint32 period, uint32 firstMtu, uint32 count) external {
        MarketParams memory params = _market(market);
        ROLES.requireRole(msg.sender, Role.Operator, params.area);
        ROLES.requireNotPaused();
        Session storage opened = _sessions[market][session];
        if (opened.state != SessionState.None) revert MarketSessionExists(market, session);
        Period memory bounds = CALENDAR.periodOf(params.area, period);
        if (count == 0 || count > MAX_SESSION_MTUS || !_inside(bounds, firstMtu, count)) revert MarketSessionInvalid();
        uint64 time = _marketTime();
        uint64 start = Time.startOf(firstMtu);
        // The second comparison bounds the gate, so the sum in the third cannot overflow.
        if (session <= time || session > start || session + params.clearSeconds > start) {
            revert MarketGateInvalid(session, time);
        }

        (opened.firstMtu, opened.period, opened.count) = (firstMtu, period, uint8(count));
        opened.state = SessionState.Open;
        ++_running[params.area][period].pending;
        emit SessionOpened(market, session, period, firstMtu, count);
    }

    /// @inheritdoc IMarket
    function closeSession(bytes32 market, uint64 session, bytes32 booksRoot) external {
        MarketParams memory params = _market(market);
        ROLES.requireRole(msg.sender, Role.Operator, params.area);
        ROLES.requireNotPaused();
        Session storage opened = _in(market, session, SessionState.Open);
        uint64 time = _marketTime();
        if (time < session) revert MarketTooEarly(session, time);
        _requireUntil(_until(session, params.graceSeconds, opened.firstMtu), time);
        if (booksRoot == 0) revert MarketRootInvalid();

        opened.state = SessionState.Closed;
        opened.booksRoot = booksRoot;
        emit SessionClosed(market, session, booksRoot);
    }

    /// @inheritdoc IMarket
    function recordProgram(bytes32 market, uint64 session, Program calldata program, bytes calldata signature)
        external
    {
        MarketParams memory params = _market(market);
        ROLES.requireNotPaused();
        Session storage closed = _in(market, session, SessionState.Closed);
        _requireSignTime(params, session, closed.firstMtu, program.deadline);
        _requireProgram(program, closed.count);
        address dso = ECDSA.recover(programDigest(market, session, program), signature);
        ROLES.requireRole(dso, Role.Dso, params.area);

        closed.state = SessionState.Signed;
        closed.resultsRoot = program.resultsRoot;
        (closed.tradedMask, closed.emptiedMask) = (program.tradedMask, program.emptiedMask);
        emit ProgramRecorded(market, session, program, dso, signature);
        if (program.tradedMask == 0) _finish(market, session, params.area);
    }

    /// @inheritdoc IMarket
    function endSession(bytes32 market, uint64 session) external {
        bytes32 area = _market(market).area;
        uint64 until = deadlineOf(market, session);
        if (until == 0) revert MarketStateWrong(market, session, _sessions[market][session].state);
        uint64 time = _marketTime();
        if (time <= until) revert MarketTooEarly(until + 1, time);
        _finish(market, session, area);
    }

    /* WHAT CLEARED */

    /// @inheritdoc IMarket
    function clearable(bytes32 market, uint64 session, uint32 mtu)
        public
        view
        returns (MarketParams memory params, Session memory signed)
    {
        ROLES.requireNotPaused();
        params = _market(market);
        signed = _in(market, session, SessionState.Signed);
        bool inside = mtu >= signed.firstMtu && mtu - signed.firstMtu < signed.count;
        if (!inside || signed.tradedMask & ~signed.clearedMask & _bit(signed, mtu) == 0) {
            revert MarketMtuNotClearable(mtu);
        }
        _requireUntil(_until(session, params.clearSeconds, signed.firstMtu), _marketTime());
    }

    /// @inheritdoc IMarket
    function recordCleared(
        bytes32 market,
        uint64 session,
        uint32 mtu,
        int32 priceNeurPerWh,
        uint64 tradedLots,
        bytes32 resultHash
    ) external {
        if (msg.sender != CLEARING) revert MarketClearingOnly(msg.sender);
        (MarketParams memory params, Session memory signed) = clearable(market, session, mtu);
        uint128 clearedMask = signed.clearedMask | _bit(signed, mtu);
        _sessions[market][session].clearedMask = clearedMask;
        emit MtuCleared(market, session, mtu, priceNeurPerWh, tradedLots, resultHash);
        if (clearedMask == signed.tradedMask) _finish(market, session, params.area);
    }

    /* VIEWS */

    /// @inheritdoc IMarket
    function roles() external view returns (address) {
        return address(ROLES);
    }

    /// @inheritdoc IMarket
    function calendar() external view returns (address) {
        return address(CALENDAR);
    }

    /// @inheritdoc IMarket
    function clearing() external view returns (address) {
        return CLEARING;
    }

    /// @inheritdoc IMarket
    function paramsOf(bytes32 market) external view returns (MarketParams memory) {
        return _market(market);
    }

    /// @inheritdoc IMarket
    function sessionOf(bytes32 market, uint64 session) external view returns (Session memory) {
        return _sessions[market][session];
    }

    /// @inheritdoc IMarket
    function deadlineOf(bytes32 market, uint64 session) public view returns (uint64) {
        MarketParams storage params = _markets[market];
        Session storage standing = _sessions[market][session];
        SessionState state = standing.state;
        if (state == SessionState.None || state == SessionState.Done) return 0;
        uint32 window = params.clearSeconds;
        if (state == SessionState.Open) window = params.graceSeconds;
        if (state == SessionState.Closed) window = params.signSeconds;
        return _until(session, window, standing.firstMtu);
    }

    /// @inheritdoc IMarket
    function clearingRoot(bytes32 area, uint32 period) external view returns (bytes32) {
        return _running[area][period].root;
    }

    /// @inheritdoc IMarket
    function pendingCount(bytes32 area, uint32 period) external view returns (uint256) {
        return _running[area][period].pending;
    }

    /// @inheritdoc IMarket
    function programDigest(bytes32 market, uint64 session, Program calldata program) public view returns (bytes32) {
        Session storage standing = _sessions[market][session];
        return _hashTypedDataV4(
            Hashes.program(
                Hashes.SignedProgram({
                    market: market,
                    session: session,
                    firstMtu: standing.firstMtu,
                    count: standing.count,
                    booksRoot: standing.booksRoot,
                    resultsRoot: program.resultsRoot,
                    tradedMask: program.tradedMask,
                    emptiedMask: program.emptiedMask,
                    gridModelHash: program.gridModelHash,
                    reportHash: program.reportHash,
                    deadline: program.deadline
                })
            )
        );
    }

    /// @inheritdoc IMarket
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /* INTERNAL: CHECKS */

    function _validParams(MarketParams calldata params) private pure returns (bool) {
        if (params.lotWh == 0 || params.tickNeurPerWh == 0 || params.minLimitNeurPerWh == Hashes.NO_PRICE) {
            return false;
        }
        if (params.minLimitNeurPerWh > params.maxLimitNeurPerWh) return false;
        int256 tick = int256(uint256(params.tickNeurPerWh));
        if (params.minLimitNeurPerWh % tick != 0 || params.maxLimitNeurPerWh % tick != 0) return false;
        return params.graceSeconds != 0 && params.graceSeconds <= params.signSeconds
            && params.signSeconds <= params.clearSeconds && params.clearSeconds <= Time.MAX_WINDOW_SECONDS;
    }

    function _market(bytes32 market) private view returns (MarketParams memory params) {
        params = _markets[market];
        if (params.lotWh == 0) revert MarketUnknown(market);
    }

    function _in(bytes32 market, uint64 session, SessionState state) private view returns (Session storage standing) {
        standing = _sessions[market][session];
        if (standing.state != state) revert MarketStateWrong(market, session, standing.state);
    }

    function _inside(Period memory period, uint32 firstMtu, uint32 count) private pure returns (bool) {
        return firstMtu >= period.firstMtu && uint256(firstMtu) + count <= uint256(period.firstMtu) + period.count;
    }

    /// @dev Gate + window + what pauses have taken since the gate, never past the start of the first MTU.
    function _until(uint64 session, uint32 window, uint32 firstMtu) private view returns (uint64) {
        uint64 until = session + window + _paused(ROLES, session);
        uint64 start = Time.startOf(firstMtu);
        return until < start ? until : start;
    }

    function _requireUntil(uint64 until, uint64 time) private pure {
        if (time > until) revert MarketTooLate(until, time);
    }

    /// @dev The DSO's own deadline, where it is the earlier one, is stopped by a pause just as the market's is.
    function _requireSignTime(MarketParams memory params, uint64 session, uint32 firstMtu, uint64 deadline)
        private
        view
    {
        uint32 window = params.signSeconds;
        if (deadline < session) window = 0;
        else if (deadline - session < window) window = uint32(deadline - session);
        _requireUntil(_until(session, window, firstMtu), _marketTime());
    }

    function _requireProgram(Program calldata program, uint8 count) private pure {
        if (program.resultsRoot == 0) revert MarketRootInvalid();
        uint256 both = uint256(program.tradedMask) | program.emptiedMask;
        if (both >> count != 0 || program.tradedMask & program.emptiedMask != 0) {
            revert MarketMasksInvalid(program.tradedMask, program.emptiedMask);
        }
    }

    function _bit(Session memory session, uint32 mtu) private pure returns (uint128) {
        return uint128(1) << (mtu - session.firstMtu);
    }

    /* INTERNAL: EFFECTS */

    /// @dev Makes a session Done: the clearing root of its period grows by all that is known of it.
    function _finish(bytes32 market, uint64 session, bytes32 area) private {
        Session storage ended = _sessions[market][session];
        ended.state = SessionState.Done;
        Running storage running = _running[area][ended.period];
        bytes32 root = Hashes.clearingLink(running.root, market, session, ended);
        running.root = root;
        --running.pending;
        emit SessionDone(market, session, ended.clearedMask, root);
    }
}
