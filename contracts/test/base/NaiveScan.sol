// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {WordFault} from "../../src/interfaces/IClearing.sol";
import {MarketKind} from "../../src/interfaces/IMarket.sol";

/// @notice A second scan, written from docs/protocol.md alone and in another way than BookScan: words are taken apart by division, every word is
/// compared with every other one, and of an allocation it asks whom it wrongs. Nothing of the contracts' code is used.
library NaiveScan {
    struct Order {
        uint256 tag;
        int256 limit;
        uint256 quantity;
        uint256 cap;
        uint256 accepted;
        uint256 flags;
    }

    struct Rules {
        MarketKind kind;
        int256 min;
        int256 max;
        int256 tick;
    }

    function unpack(uint256 word) internal pure returns (Order memory order) {
        order.flags = word % 2 ** 24;
        order.accepted = word / 2 ** 24 % 2 ** 24;
        order.cap = word / 2 ** 48 % 2 ** 24;
        order.quantity = word / 2 ** 72 % 2 ** 24;
        uint256 limit = word / 2 ** 96 % 2 ** 32;
        order.limit = limit < 2 ** 31 ? int256(limit) : int256(limit) - 2 ** 32;
        order.tag = word / 2 ** 128;
    }

    function unpackAll(uint256[] memory words) internal pure returns (Order[] memory orders) {
        orders = new Order[](words.length);
        for (uint256 i = 0; i < words.length; ++i) {
            orders[i] = unpack(words[i]);
        }
    }

    /// @notice What is wrong with word `i` of a book: one bit per WordFault.
    function faults(Order[] memory orders, uint256 i, Rules memory rules) internal pure returns (uint256 found) {
        Order memory order = orders[i];
        if (order.flags != 0 && order.flags != 1) found |= _bit(WordFault.FlagsUnknown);
        if (order.quantity == 0) found |= _bit(WordFault.QuantityZero);
        if (order.limit < rules.min || order.limit > rules.max) found |= _bit(WordFault.LimitOutOfBand);
        if (order.limit / rules.tick * rules.tick != order.limit) found |= _bit(WordFault.LimitOffTick);
        if (order.accepted > order.quantity || order.accepted > order.cap) {
            found |= _bit(WordFault.AcceptedAboveEffective);
        }
        found |= rules.kind == MarketKind.Bilateral ? _pairFaults(orders, i) : _orderFault(orders, i);
    }

    function _orderFault(Order[] memory orders, uint256 i) private pure returns (uint256) {
        for (uint256 j = 0; j < i; ++j) {
            if (orders[j].tag >= orders[i].tag) return _bit(WordFault.TagNotAscending);
        }
        return 0;
    }

    function _pairFaults(Order[] memory orders, uint256 i) private pure returns (uint256 found) {
        Order memory order = orders[i];
        bool isAsk = i % 2 == 1;
        if (order.flags != (isAsk ? 1 : 0) || (!isAsk && i + 1 == orders.length)) found |= _bit(WordFault.PairBroken);
        if (isAsk) {
            Order memory bid = orders[i - 1];
            if (bid.limit != order.limit || bid.accepted != order.accepted) found |= _bit(WordFault.PairUnequal);
        }
        for (uint256 j = 0; j < i - (i % 2); j += 2) {
            uint256 bidTag = orders[i - (i % 2)].tag;
            if (isAsk && orders[j].tag == bidTag && orders[j + 1].tag >= order.tag) {
                found |= _bit(WordFault.TagNotAscending);
            }
            if (!isAsk && orders[j].tag > bidTag) found |= _bit(WordFault.TagNotAscending);
        }
    }

    function isBid(Order memory order) internal pure returns (bool) {
        return order.flags == 0;
    }

    /// @notice Whether an order that may take more is left below another one that took something.
    function couldTake(Order memory order) internal pure returns (bool) {
        return order.accepted < order.quantity && order.accepted < order.cap;
    }

    function accepted(Order[] memory orders, bool bids) internal pure returns (uint256 lots) {
        for (uint256 i = 0; i < orders.length; ++i) {
            if (isBid(orders[i]) == bids) lots += orders[i].accepted;
        }
    }

    /// @notice Whether nobody is wronged: no two that are left could trade, nobody left is better than somebody of their side who trades, and
    /// nobody trades beyond their limit.
    function isOptimal(Order[] memory orders) internal pure returns (bool) {
        for (uint256 i = 0; i < orders.length; ++i) {
            for (uint256 j = 0; j < orders.length; ++j) {
                if (_wronged(orders[i], orders[j])) return false;
            }
        }
        return true;
    }

    function _wronged(Order memory x, Order memory y) private pure returns (bool) {
        if (isBid(x) && !isBid(y)) {
            bool left = couldTake(x) && couldTake(y) && x.limit >= y.limit;
            bool beyond = x.accepted != 0 && y.accepted != 0 && x.limit < y.limit;
            return left || beyond;
        }
        if (isBid(x) != isBid(y) || !couldTake(x) || y.accepted == 0) return false;
        return isBid(x) ? x.limit > y.limit : x.limit < y.limit;
    }

    /// @notice The price of a book with an optimal allocation in which something trades.
    function price(Order[] memory orders, MarketKind kind) internal pure returns (int256) {
        int256 lo = type(int256).min;
        int256 hi = type(int256).max;
        for (uint256 i = 0; i < orders.length; ++i) {
            Order memory order = orders[i];
            bool served = order.accepted != 0;
            bool raises = isBid(order) ? couldTake(order) && kind == MarketKind.Auction : served;
            bool lowers = isBid(order) ? served : couldTake(order);
            if (raises && order.limit > lo) lo = order.limit;
            if (lowers && order.limit < hi) hi = order.limit;
        }
        return kind == MarketKind.Auction ? lo + (hi - lo) / 2 : lo;
    }

    function _bit(WordFault fault) private pure returns (uint256) {
        return 1 << uint256(fault);
    }
}
