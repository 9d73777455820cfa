// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @notice An account as it stands now.
/// @param balanceNeur + is a credit of the holder; negative is debt
/// @param creditNeur its line: another one's lets it go that far below zero before that one owes the rest, its own keeps
/// as much of its balance for its trades
/// @param givenNeur Σ over the accounts it guarantees for (itself aside) of max(line, debt)
/// @param guarantor who gave the line, which may be the account itself; 0 = nobody
/// @param successor account that replaced this one; 0 = none
struct Account {
    int256 balanceNeur;
    uint64 creditNeur;
    uint256 givenNeur;
    address guarantor;
    address successor;
}

/// @notice A line that was lowered while trades stood under it: it binds new orders, the higher one stays until then.
/// @param creditNeur the lower line
/// @param untilPeriod last period that had begun; 0 = no line is being lowered
struct Lowering {
    uint64 creditNeur;
    uint32 untilPeriod;
}

/// @notice Where the booking of a settlement stands, between its words and its pages.
/// @param last account of the last word; 0 before the first debit and before the first credit
/// @param crediting the debits are through
/// @param sumNeur Σ amounts so far
/// @param debitsNeur Σ debits, above zero, once they are through
/// @param waitsNeur of the credits, what waits because debts of the area are uncovered
struct Cursor {
    address last;
    bool crediting;
    int256 sumNeur;
    int256 debitsNeur;
    int256 waitsNeur;
}

/// @notice What an account takes along to the next deployment.
/// @param area the one it is bound to
/// @param guarantor who gave its line, which may be itself; 0 = nobody
/// @param creditNeur its line; its own as far as its balance reaches
/// @param balanceNeur its balance less what it gives to others and what its open redemptions are paid from; negative is
/// debt, which its guarantor backs
/// @param backingNeur what another guarantor gives for it, max(line, debt) ≥ 0: so much of that one's balance goes along
struct Standing {
    bytes32 area;
    address guarantor;
    uint64 creditNeur;
    int256 balanceNeur;
    int256 backingNeur;
}

/// @title Accounts: e-money balances in nEUR, their areas and lines, and what backs them
/// @notice Money moves by a settlement of the account's own area, by deposit, redemption, cover of debt, and
/// replacement, and from one deployment to the next; by nothing else.
/// Always: Σ balances (committed) = supply = deposits + what entered − redemptions − what left ≥ 0, and what waits in suspense in an area ≥ its
/// uncovered debts. So everybody can redeem their free balance, in any order.
/// Free balance = balance − Σ max(line given, debt under it) − own line − what open redemptions reserve. What an account gives and
/// owes beyond its balance and the line another one gives it, it lacks: its guarantor answers for that, by more of its
/// own balance; what nobody has is uncovered, and as much of the area's next credits waits until it is covered.
/// Whoever guarantees for others stands on its own balance: nobody else guarantees for it.
/// Safety assumes: the treasurer books only deposits that exist; what `Settlement` assumes of attesters. It does not
/// assume an honest operator.
/// An account belongs to one area, to which the registrar binds it, and only that area's settlements book it: attesters
/// of another one cannot touch it.
/// No account holds up a settlement: what cannot be booked on it (it is not bound to the area, or would leave the
/// range) waits in the suspense account
/// of (account, area), a debit beyond the range on its guarantor.
/// Liveness assumes nobody: cover and replacement work in a pause and without the operator.
/// @dev Constructor: `Accounts(IRoles roles, ICalendar calendar, address settlement, address redemptions, address
/// guarantees, address successions, address handovers, uint32 changeSeconds)`; the five that may book, whose addresses
/// are known before they are deployed, and which refuse to be deployed to others; market-time seconds before a change
/// of area or a successor proposed for a lost key takes effect, longer than the challenge window.
interface IAccounts {
    /* EVENTS */

    /// @notice An account was bound to its area, for the first time or to correct a slip.
    event AccountBound(address indexed account, bytes32 indexed area);
    /// @notice An amount of a settlement, or the part of it that uncovered debts keep back, waits in the account's
    /// suspense account. In a settlement of several pages it counts once the settlement took effect.
    event AmountSuspended(address indexed account, address indexed suspense, int256 amountNeur);
    /// @notice What waited for an account came to its balance.
    event SuspenseBooked(address indexed account, address indexed suspense, int256 amountNeur);
    /// @notice A debit of a settlement that would have left the range was booked on the account's guarantor
    /// (`amountNeur` < 0).
    event DebitPassedOn(address indexed account, address indexed guarantor, int256 amountNeur);
    /// @notice Debits left no more than so much for the account's open redemptions: later credits are not paid out by
    /// them.
    event ReservationCut(address indexed account, uint256 leftNeur);
    /// @notice Money came in.
    event Deposited(address indexed account, uint256 amountNeur, bytes32 indexed ref);
    /// @notice So much of the guarantor's balance stands behind the account from now on.
    event LineSet(address indexed account, address indexed guarantor, uint64 creditNeur);
    /// @notice Debt beyond the credit line: what the guarantor owes now (in total, not since the last call). In a
    /// settlement of several pages it counts once the settlement took effect.
    event GuaranteeCalled(address indexed account, address indexed guarantor, uint256 excessNeur);
    /// @notice A guarantor's balance is below what it gives: so much is missing (in total).
    event GuarantorCalled(address indexed guarantor, uint256 missingNeur);
    /// @notice Nobody covers so much of what an account lacks (in total; 0 = it is covered again).
    event DebtUncovered(address indexed account, uint256 lackingNeur);
    /// @notice An account was replaced; balance, credit line and guarantor moved.
    event AccountReplaced(address indexed account, address indexed successor, int256 balanceNeur);

    /* ERRORS */

    /// @notice Thrown when the constructor's window is 0 or above ten years.
    error AccountsConfigInvalid();
    /// @notice Thrown when an account that would change its area is in debt, has or gives a guarantee, took part in a
    /// replacement, or holds what waits for another; or when a guarantor has one itself, or the account it would guarantee for guarantees for others.
    error AccountsTied(address account);
    /// @notice Thrown when a treasurer key would book more than 10^18 nEUR in a day.
    error AccountsDepositsHigh(address treasurer, uint256 dayNeur);
    /// @notice Thrown when an account asks for a redemption while those before were cut by debits and did not end yet.
    error AccountsReservationCut(address account, uint256 askedNeur, uint256 leftNeur);
    /// @notice Thrown when a deposit would lift the supply above its bound.
    error AccountsSupplyHigh(uint256 supplyNeur);
    /// @notice Thrown when another contract than the one of this part would book.
    error AccountsCallerWrong(address caller);
    /// @notice Thrown when an account of a settlement is not above the one before of the same sign, is 0, its amount is
    /// 0, or a debit comes after a credit.
    error AccountsWordInvalid(uint256 index);
    /// @notice Thrown when a settlement of several pages is open in the account's area.
    error AccountsBusy(bytes32 area);
    /// @notice Thrown when an amount is 0 or beyond the range of balances (±(2^70 − 1) nEUR).
    error AccountsAmountInvalid();
    /// @notice Thrown when an account is the zero address, or a pair names one account twice.
    error AccountsAddressInvalid(address account);
    /// @notice Thrown when an account belongs to another area (or to none yet, `area` 0) than the one it deals with, or
    /// is bound twice.
    error AccountsAreaWrong(address account, bytes32 area);
    /// @notice Thrown when 32,767 areas have accounts already.
    error AccountsAreasExhausted();
    /// @notice Thrown when the deposit's reference was used before.
    error AccountsRefUsed(bytes32 ref);
    /// @notice Thrown when the guarantor of an account in debt beyond its credit line would change.
    error AccountsDebtOpen(address account, uint256 excessNeur);
    /// @notice Thrown when another guarantor would take over less than the line that stands.
    error AccountsLineLow(address account, uint64 lineNeur);
    /// @notice Thrown when somebody else than the account's guarantor would cover its debt.
    error AccountsGuarantorWrong(address account, address guarantor, address given);
    /// @notice Thrown when a cover names another debt than the account has.
    error AccountsDebtOther(address account, int256 debtNeur, uint256 namedNeur);
    /// @notice Thrown when nothing that an account lacks is counted.
    error AccountsNothingLacking(address account);
    /// @notice Thrown when uncovered debts of the area need all that waits in it: so much more would have to be covered.
    error AccountsUncovered(bytes32 area, uint256 missingNeur);
    /// @notice Thrown when a cover is above the account's debt.
    error AccountsDebtLow(address account, int256 debtNeur, uint256 amountNeur);
    /// @notice Thrown when an account has less free than it wants to give.
    error AccountsBalanceLow(address account, int256 freeNeur, uint256 amountNeur);
    /// @notice Thrown when the key of a replaced account would act.
    error AccountsReplaced(address account, address successor);
    /// @notice Thrown when the account was replaced by another one than the given, or the successor is not fresh (it is
    /// in debt, has or gives a guarantee, took part in a replacement, or belongs to another area).
    error AccountsSuccessorInvalid(address account, address successor);

    /* BOOKING: by Settlement */

    /// @notice Opens the area's batch: what is booked under it takes effect together. Settlement only.
    /// @return batch unlike that of any other
    function openBatch(bytes32 area) external returns (uint32 batch);

    /// @notice Ends the area's batch; without effect, all that was booked under it is as if it had never been.
    /// Settlement only.
    function closeBatch(bytes32 area, bool takesEffect) external;

    /// @notice Books amounts, at once (`batch` 0) or under the area's open batch. Settlement only.
    /// @param cursor where the page before ended; all 0 with the first
    /// @param words `address:160 | amount:int96`, first the debits, then the credits, accounts of each strictly ascending
    /// @return where this page ends
    function book(bytes32 area, uint32 batch, Cursor memory cursor, uint256[] calldata words)
        external
        returns (Cursor memory);

    /* BOOKING: by Redemptions */

    /// @notice Reserves free balance of a present account for a redemption. Redemptions only.
    function reserve(address account, uint96 amountNeur) external;

    /// @notice Takes back what was reserved for a redemption. Redemptions only.
    function unreserve(address account, uint96 amountNeur) external;

    /// @notice Burns what was reserved for a redemption, or what is left of it: balance and supply fall. Redemptions
    /// only.
    /// @return burnedNeur min(amount, what is left of what the account's redemptions reserve)
    function burn(address account, uint96 amountNeur) external returns (uint256 burnedNeur);

    /* LINES: by Guarantees */

    /// @notice Sets the line of an account in place of the one it has, from the guarantor's free balance where it rises.
    /// Guarantees only.
    /// @dev Debt beyond its line keeps an account with its guarantor; another one takes over at least the line that
    /// stands. A line of 0 under which nothing is owed has no guarantor.
    function setLine(address guarantor, address account, uint64 creditNeur) external;

    /// @notice Notes the lower line that follows once all periods up to one are settled. Guarantees only.
    function lowerLine(address account, uint64 creditNeur, uint32 untilPeriod) external;

    /// @notice Pays debt of an account from its guarantor's balance: what is called, and beyond it what is free.
    /// Guarantees only.
    /// @param debtNeur all of the account's debt, as its guarantor knows it
    function cover(address guarantor, address account, uint96 amountNeur, uint96 debtNeur) external;

    /* KEYS AND AREAS: by Successions */

    /// @notice Moves balance, line and guarantor to a fresh account, and what the account guarantees for others; later,
    /// with the same pair, what reached it meanwhile. Successions only.
    function replace(address account, address successor) external;

    /// @notice Binds an account without ties to another area than it is bound to; not while pages are open in that one.
    /// Successions only.
    function changeArea(address account, bytes32 area) external;

    /* FROM ONE DEPLOYMENT TO THE NEXT: by Handovers */

    /// @notice Takes out of this deployment what an account takes along, its line, and what backs that: balances and
    /// supply fall. Handovers only.
    function moveOut(address account, Standing calldata standing) external;

    /// @notice Takes in what an account took along: balances and supply rise, and `creditNeur` is its line from now on.
    /// Handovers only.
    function moveIn(address account, Standing calldata standing) external;

    /* CHANGES */

    /// @notice Binds an account to the area that may settle it. Registrar, and Handovers for who enters;
    /// what waits for it in that area comes to
    /// its balance.
    function bindAccount(address account, bytes32 area) external;

    /// @notice Brings what waits for an account in its area to its balance, as far as no uncovered debt needs it to
    /// wait. Anyone, also in a pause.
    function bookSuspense(address account) external;

    /// @notice Books money that came in. Treasurer only, at most 10^18 nEUR a day by one key. `ref` is the payment's
    /// unique reference.
    function deposit(address account, uint96 amountNeur, bytes32 ref) external;

    /// @notice Counts anew what an account lacks, where it may be less than is counted: a settlement of several pages
    /// that brought it money took effect, or one that debited it was abandoned. Anyone.
    function recount(address account) external;

    /* VIEWS */

    /// @notice An account as it stands now; pages of an open settlement do not count.
    function accountOf(address account) external view returns (Account memory);

    /// @notice Balance of an account, nEUR; + is a credit of the holder.
    function balanceOf(address account) external view returns (int256);

    /// @notice Balance − Σ max(line given, debt under it) − own line − what open redemptions reserve, nEUR: what may be redeemed, pay
    /// cover or be given as a line. Debits of an open settlement count already, its credits do not.
    function freeBalanceOf(address account) external view returns (int256);

    /// @notice Balance less what is given to others, nEUR: open redemptions reserve no more of it than there is.
    function redeemableOf(address account) external view returns (int256);

    /// @notice What the account's open redemptions ask for in all, and what is left that they reserve, nEUR: debits that
    /// needed it have taken the rest, for good.
    function reservationOf(address account) external view returns (uint256 askedNeur, uint256 leftNeur);

    /// @notice What an account gives and owes beyond its balance and the line another one gives it, as counted, nEUR:
    /// its guarantor answers for it, and without one nobody covers it.
    function lackingOf(address account) external view returns (uint256);

    /// @notice The account's line, nEUR: another one's or its own; while it is being lowered, the higher one.
    function lineOf(address account) external view returns (uint64);

    /// @notice The line that follows once trades under the present one are settled.
    function loweringOf(address account) external view returns (Lowering memory);

    /// @notice Present account of who gave the account its line, which may be itself; 0 = nobody.
    function guarantorOf(address account) external view returns (address);

    /// @notice The account that replaced this one; 0 = none.
    function successorOf(address account) external view returns (address);

    /// @notice Debts of an area that nobody covers, and what waits in its suspense accounts, nEUR: never less.
    function uncoveredOf(bytes32 area) external view returns (int256 uncoveredNeur, int256 waitingNeur);

    /// @notice Reverts where the account was replaced: its key signs nothing any more.
    function requirePresent(address account) external view;

    /// @notice Σ balances = deposits + entered − redemptions − left, nEUR.
    function supply() external view returns (uint256);

    /// @notice The area an account belongs to; 0 = none yet.
    function areaOf(address account) external view returns (bytes32);

    /// @notice The account at which amounts of an area wait for an account; it has no key.
    function suspenseOf(address account, bytes32 area) external pure returns (address);

    /// @notice Market-time seconds before a change of area, or a successor for a lost key, takes effect.
    function changeSeconds() external view returns (uint32);

    /// @notice Number of the area's open batch; 0 = none.
    function openBatchOf(bytes32 area) external view returns (uint32);

    /// @notice The roles that decide who may bind and deposit.
    function roles() external view returns (address);

    /// @notice The calendar whose areas accounts belong to.
    function calendar() external view returns (address);

    /// @notice The contract that may book settlements.
    function settlement() external view returns (address);

    /// @notice The contract that may reserve and burn.
    function redemptions() external view returns (address);

    /// @notice The contract that may set lines and cover debts.
    function guarantees() external view returns (address);

    /// @notice The contract that may replace accounts.
    function successions() external view returns (address);

    /// @notice The contract that may let accounts leave and enter.
    function handovers() external view returns (address);
}
