// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {Session} from "../../src/interfaces/IMarket.sol";
import {Attestation} from "../../src/interfaces/IReadings.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Assert} from "../base/Assert.sol";
import {Merkle} from "../base/Merkle.sol";
import {Shapes} from "../base/Shapes.sol";
import {vm} from "../base/Vm.sol";

/// @notice The vectors that the other implementations are held to give the same digests, words, roots and hashes here.
contract GoldenVectorsTest is Assert {
    string private constant FILE = "../tests/golden/vectors.json";

    string private _json;

    function setUp() public {
        _json = vm.readFile(FILE);
    }

    /* READING */

    function _at(string memory list, uint256 i, string memory field) private pure returns (string memory) {
        return string.concat(".", list, "[", vm.toString(i), "]", field);
    }

    function _word(string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, key);
    }

    function _uint(string memory key) private view returns (uint256) {
        return vm.parseJsonUint(_json, key);
    }

    function _words(string memory key) private view returns (bytes32[] memory) {
        return vm.parseJsonBytes32Array(_json, key);
    }

    function _count(string memory list) private view returns (uint256 n) {
        while (vm.keyExistsJson(_json, _at(list, n, ""))) {
            ++n;
        }
    }

    function _half(string memory key) private view returns (bytes16) {
        return bytes16(vm.parseJsonBytes(_json, key));
    }

    function _asUints(bytes32[] memory values) private pure returns (uint256[] memory words) {
        words = new uint256[](values.length);
        for (uint256 i = 0; i < values.length; ++i) {
            words[i] = uint256(values[i]);
        }
    }

    function _pageHashes(uint256[] memory words, bool masked) private pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[]((words.length + Hashes.PAGE_WORDS - 1) / Hashes.PAGE_WORDS);
        for (uint256 p = 0; p < hashes.length; ++p) {
            uint256 left = words.length - p * Hashes.PAGE_WORDS;
            uint256[] memory page = new uint256[](left < Hashes.PAGE_WORDS ? left : Hashes.PAGE_WORDS);
            for (uint256 i = 0; i < page.length; ++i) {
                uint256 word = words[p * Hashes.PAGE_WORDS + i];
                page[i] = masked ? Hashes.masked(word) : word;
            }
            hashes[p] = Hashes.page(page);
        }
    }

    /* TYPED DATA */

    function test_domain__separator__same() public view {
        bytes32 typeHash =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 separator = keccak256(
            abi.encode(
                typeHash,
                keccak256("DOMINOES"),
                keccak256("1"),
                _uint(".domain.chainId"),
                vm.parseJsonAddress(_json, ".domain.verifyingContract")
            )
        );
        assertEq(separator, _word(".domain.separator"), "separator");
    }

    function test_typed__everyShape__sameDigestAndSigner() public view {
        bytes32 separator = _word(".domain.separator");
        uint256 shapes = 0;
        for (; vm.keyExistsJson(_json, _at("typed", shapes, "")); ++shapes) {
            string memory shape = vm.parseJsonString(_json, _at("typed", shapes, ".shape"));
            bytes32 structHash = _structHash(keccak256(bytes(shape)), _at("typed", shapes, ".values"));
            assertEq(structHash, _word(_at("typed", shapes, ".structHash")), shape);
            bytes32 digest = keccak256(abi.encodePacked(hex"1901", separator, structHash));
            assertEq(digest, _word(_at("typed", shapes, ".digest")), shape);
            bytes memory signature = vm.parseJsonBytes(_json, _at("typed", shapes, ".signature"));
            assertEq(ECDSA.recover(digest, signature), vm.parseJsonAddress(_json, _at("typed", shapes, ".signer")), shape);
        }
        assertEq(shapes, 27, "all shapes of the protocol");
    }

    function _structHash(bytes32 shape, string memory path) private view returns (bytes32) {
        if (shape == keccak256("Order")) return Shapes.order(_order(path));
        if (shape == keccak256("Receipt")) return Shapes.receipt(_receipt(path));
        if (shape == keccak256("Program")) return _programHash(path);
        if (shape == keccak256("Attestation")) return Hashes.attestation(_attestation(path));
        if (shape == keccak256("Settlement")) return _settlementHash(path);
        if (
            shape == keccak256("Cancel") || shape == keccak256("Schedule") || shape == keccak256("Refusal")
                || shape == keccak256("ReadingReceipt")
        ) return _tradingHash(shape, path);
        if (shape == keccak256("Handover")) return _handoverHash(path);
        if (shape == keccak256("Agreement")) return _agreementHash(path);
        if (shape == keccak256("SupplyPrices") || shape == keccak256("GridPrices") || shape == keccak256("Taxes")) {
            return _tariffHash(shape, path);
        }
        if (shape == keccak256("Participation")) return _participationHash(path);
        if (shape == keccak256("MeterRegistration")) return _meterHash(path);
        if (shape == keccak256("SigningPolicy")) return _policyHash(path);
        if (shape == keccak256("Erasure")) return _erasureHash(path);
        if (shape == keccak256("TermEnd")) return _termEndHash(path);
        if (shape == keccak256("Audit")) {
            return Shapes.audit(uint64(_uint(string.concat(path, ".sequence"))), _word(string.concat(path, ".head")));
        }
        if (shape == keccak256("Mandate")) return _mandateHash(path);
        if (shape == keccak256("MandateRevocation")) {
            return Shapes.mandateRevocation(
                vm.parseJsonAddress(_json, string.concat(path, ".account")),
                vm.parseJsonAddress(_json, string.concat(path, ".agent")),
                _half(string.concat(path, ".mandate"))
            );
        }
        return _moneyHash(shape, path);
    }

    function _mandateHash(string memory path) private view returns (bytes32) {
        return Shapes.mandate(
            Shapes.Mandate({
                account: vm.parseJsonAddress(_json, string.concat(path, ".account")),
                agent: vm.parseJsonAddress(_json, string.concat(path, ".agent")),
                points: vm.parseJsonStringArray(_json, string.concat(path, ".points")),
                markets: vm.parseJsonStringArray(_json, string.concat(path, ".markets")),
                prices: [
                    int32(vm.parseJsonInt(_json, string.concat(path, ".highestBuyNeurPerWh"))),
                    int32(vm.parseJsonInt(_json, string.concat(path, ".lowestSellNeurPerWh")))
                ],
                energiesWh: [
                    uint64(_uint(string.concat(path, ".mtuBuyWh"))),
                    uint64(_uint(string.concat(path, ".mtuSellWh"))),
                    uint64(_uint(string.concat(path, ".dayBuyWh"))),
                    uint64(_uint(string.concat(path, ".daySellWh")))
                ],
                zone: vm.parseJsonString(_json, string.concat(path, ".zone")),
                fromMtu: uint32(_uint(string.concat(path, ".fromMtu"))),
                toMtu: uint32(_uint(string.concat(path, ".toMtu"))),
                nonce: uint64(_uint(string.concat(path, ".nonce")))
            })
        );
    }

    function _handoverHash(string memory path) private view returns (bytes32) {
        return Hashes.handover(
            _word(string.concat(path, ".area")),
            uint32(_uint(string.concat(path, ".period"))),
            vm.parseJsonAddress(_json, string.concat(path, ".successor")),
            _word(string.concat(path, ".codesHash")),
            uint64(_uint(string.concat(path, ".deadline")))
        );
    }

    function _agreementHash(string memory path) private view returns (bytes32) {
        return Shapes.agreement(
            vm.parseJsonString(_json, string.concat(path, ".agreement")),
            uint32(_uint(string.concat(path, ".version"))),
            vm.parseJsonAddress(_json, string.concat(path, ".account")),
            vm.parseJsonAddress(_json, string.concat(path, ".retailer")),
            vm.parseJsonString(_json, string.concat(path, ".tariff")),
            uint32(_uint(string.concat(path, ".validFromMtu")))
        );
    }

    function _tariffHash(bytes32 shape, string memory path) private view returns (bytes32) {
        Shapes.TariffVersion memory version = Shapes.TariffVersion({
            tariff: vm.parseJsonString(_json, string.concat(path, ".tariff")),
            version: uint32(_uint(string.concat(path, ".version"))),
            area: vm.parseJsonString(_json, string.concat(path, ".area")),
            validFromMtu: uint32(_uint(string.concat(path, ".validFromMtu")))
        });
        if (shape == keccak256("SupplyPrices")) {
            string[4] memory supply =
                [".supplyNeurPerWh", ".feedInNeurPerWh", ".imbalanceSurplusNeurPerWh", ".imbalanceShortfallNeurPerWh"];
            address retailer = vm.parseJsonAddress(_json, string.concat(path, ".retailer"));
            return Shapes.supplyPrices(version, retailer, _prices(path, supply));
        }
        if (shape == keccak256("GridPrices")) {
            string[4] memory grid =
                [".excessNeurPerWh", ".gridFeeNeurPerWh", ".gridFeeLocalNeurPerWh", ".compensationNeurPerWh"];
            return Shapes.gridPrices(version, _prices(path, grid));
        }
        return Shapes.taxes(
            version,
            int32(vm.parseJsonInt(_json, string.concat(path, ".levyNeurPerWh"))),
            uint16(_uint(string.concat(path, ".vatBp")))
        );
    }

    function _prices(string memory path, string[4] memory names) private view returns (int32[4] memory prices) {
        for (uint256 i = 0; i < 4; ++i) {
            prices[i] = int32(vm.parseJsonInt(_json, string.concat(path, names[i])));
        }
    }

    function _participationHash(string memory path) private view returns (bytes32) {
        return Shapes.participation(
            Shapes.Participation({
                participant: vm.parseJsonString(_json, string.concat(path, ".participant")),
                kind: vm.parseJsonString(_json, string.concat(path, ".kind")),
                area: vm.parseJsonString(_json, string.concat(path, ".area")),
                account: vm.parseJsonAddress(_json, string.concat(path, ".account")),
                point: vm.parseJsonString(_json, string.concat(path, ".point")),
                connectionImportW: uint64(_uint(string.concat(path, ".connectionImportW"))),
                connectionExportW: uint64(_uint(string.concat(path, ".connectionExportW"))),
                validFromMtu: uint32(_uint(string.concat(path, ".validFromMtu")))
            })
        );
    }

    function _meterHash(string memory path) private view returns (bytes32) {
        return Shapes.meterRegistration(
            vm.parseJsonString(_json, string.concat(path, ".meter")),
            vm.parseJsonString(_json, string.concat(path, ".point")),
            vm.parseJsonString(_json, string.concat(path, ".area")),
            _word(string.concat(path, ".publicKey")),
            uint32(_uint(string.concat(path, ".validFromMtu")))
        );
    }

    function _erasureHash(string memory path) private view returns (bytes32) {
        return Shapes.erasure(
            vm.parseJsonAddress(_json, string.concat(path, ".account")),
            uint32(_uint(string.concat(path, ".beforeMtu"))),
            uint64(_uint(string.concat(path, ".deadline")))
        );
    }

    function _policyHash(string memory path) private view returns (bytes32) {
        return Shapes.signingPolicy(
            vm.parseJsonString(_json, string.concat(path, ".area")),
            uint32(_uint(string.concat(path, ".version"))),
            uint32(_uint(string.concat(path, ".validFromMtu"))),
            _word(string.concat(path, ".policyHash"))
        );
    }

    function _termEndHash(string memory path) private view returns (bytes32) {
        return Shapes.termEnd(
            vm.parseJsonString(_json, string.concat(path, ".term")),
            vm.parseJsonString(_json, string.concat(path, ".name")),
            vm.parseJsonString(_json, string.concat(path, ".area")),
            vm.parseJsonAddress(_json, string.concat(path, ".account")),
            vm.parseJsonAddress(_json, string.concat(path, ".retailer")),
            uint32(_uint(string.concat(path, ".endMtu")))
        );
    }

    function _tradingHash(bytes32 shape, string memory path) private view returns (bytes32) {
        if (shape == keccak256("ReadingReceipt")) {
            return Shapes.readingReceipt(_word(string.concat(path, ".messagesRoot")));
        }
        bytes32 market = _word(string.concat(path, ".market"));
        uint64 session = uint64(_uint(string.concat(path, ".session")));
        if (shape == keccak256("Cancel")) {
            return Shapes.cancel(
                market,
                session,
                uint32(_uint(string.concat(path, ".mtu"))),
                _half(string.concat(path, ".orderId")),
                uint32(_uint(string.concat(path, ".revision")))
            );
        }
        uint32 firstMtu = uint32(_uint(string.concat(path, ".firstMtu")));
        if (shape == keccak256("Schedule")) {
            return Shapes.schedule(
                market,
                session,
                firstMtu,
                _word(string.concat(path, ".point")),
                _word(string.concat(path, ".valuesHash")),
                uint32(_uint(string.concat(path, ".revision")))
            );
        }
        return Shapes.refusal(
            market,
            session,
            firstMtu,
            uint32(_uint(string.concat(path, ".count"))),
            _word(string.concat(path, ".resultsRoot")),
            vm.parseJsonString(_json, string.concat(path, ".reason"))
        );
    }

    function _moneyHash(bytes32 shape, string memory path) private view returns (bytes32) {
        address account = vm.parseJsonAddress(_json, string.concat(path, ".account"));
        if (shape == keccak256("KeyRegistration")) {
            return Shapes.keyRegistration(
                account,
                vm.parseJsonAddress(_json, string.concat(path, ".orderKey")),
                _word(string.concat(path, ".point")),
                uint32(_uint(string.concat(path, ".validFromMtu")))
            );
        }
        if (shape == keccak256("AccountReplacement")) {
            return Hashes.accountReplacement(
                account,
                vm.parseJsonAddress(_json, string.concat(path, ".successor")),
                uint64(_uint(string.concat(path, ".deadline")))
            );
        }
        if (shape == keccak256("Redemption")) {
            return Hashes.redemption(
                account,
                uint96(_uint(string.concat(path, ".amountNeur"))),
                _word(string.concat(path, ".ref")),
                uint64(_uint(string.concat(path, ".deadline")))
            );
        }
        address guarantor = vm.parseJsonAddress(_json, string.concat(path, ".guarantor"));
        if (shape == keccak256("Cover")) {
            return Hashes.cover(
                guarantor,
                account,
                uint96(_uint(string.concat(path, ".amountNeur"))),
                uint96(_uint(string.concat(path, ".debtNeur"))),
                _word(string.concat(path, ".ref")),
                uint64(_uint(string.concat(path, ".deadline")))
            );
        }
        assertEq(shape, keccak256("Guarantee"), "a shape of the protocol");
        return Hashes.guarantee(
            guarantor,
            account,
            uint64(_uint(string.concat(path, ".creditNeur"))),
            uint64(_uint(string.concat(path, ".nonce"))),
            uint64(_uint(string.concat(path, ".deadline")))
        );
    }

    function _order(string memory path) private view returns (Shapes.Order memory o) {
        o.market = _word(string.concat(path, ".market"));
        o.session = uint64(_uint(string.concat(path, ".session")));
        o.mtu = uint32(_uint(string.concat(path, ".mtu")));
        o.side = uint8(_uint(string.concat(path, ".side")));
        o.limitPriceNeurPerWh = int32(vm.parseJsonInt(_json, string.concat(path, ".limitPriceNeurPerWh")));
        o.quantityLots = uint32(_uint(string.concat(path, ".quantityLots")));
        o.account = vm.parseJsonAddress(_json, string.concat(path, ".account"));
        o.orderId = _half(string.concat(path, ".orderId"));
        o.revision = uint32(_uint(string.concat(path, ".revision")));
        o.salt = _word(string.concat(path, ".salt"));
    }

    function _receipt(string memory path) private view returns (Shapes.Receipt memory r) {
        r.market = _word(string.concat(path, ".market"));
        r.session = uint64(_uint(string.concat(path, ".session")));
        r.mtu = uint32(_uint(string.concat(path, ".mtu")));
        r.tag = _half(string.concat(path, ".tag"));
        r.revision = uint32(_uint(string.concat(path, ".revision")));
        r.kind = uint8(_uint(string.concat(path, ".kind")));
        r.sequence = uint64(_uint(string.concat(path, ".sequence")));
        r.journalHead = _word(string.concat(path, ".journalHead"));
        r.marketTime = uint64(_uint(string.concat(path, ".marketTime")));
    }

    function _programHash(string memory path) private view returns (bytes32) {
        Hashes.SignedProgram memory p;
        p.market = _word(string.concat(path, ".market"));
        p.session = uint64(_uint(string.concat(path, ".session")));
        p.firstMtu = uint32(_uint(string.concat(path, ".firstMtu")));
        p.count = uint32(_uint(string.concat(path, ".count")));
        p.booksRoot = _word(string.concat(path, ".booksRoot"));
        p.resultsRoot = _word(string.concat(path, ".resultsRoot"));
        p.tradedMask = uint128(_uint(string.concat(path, ".tradedMask")));
        p.emptiedMask = uint128(_uint(string.concat(path, ".emptiedMask")));
        p.gridModelHash = _word(string.concat(path, ".gridModelHash"));
        p.reportHash = _word(string.concat(path, ".reportHash"));
        p.deadline = uint64(_uint(string.concat(path, ".deadline")));
        return Hashes.program(p);
    }

    function _attestation(string memory path) private view returns (Attestation memory a) {
        a.area = _word(string.concat(path, ".area"));
        a.mtu = uint32(_uint(string.concat(path, ".mtu")));
        a.revision = uint32(_uint(string.concat(path, ".revision")));
        a.root = _word(string.concat(path, ".root"));
        a.count = uint32(_uint(string.concat(path, ".count")));
        a.importWh = uint64(_uint(string.concat(path, ".importWh")));
        a.exportWh = uint64(_uint(string.concat(path, ".exportWh")));
    }

    function _settlementHash(string memory path) private view returns (bytes32) {
        Hashes.SignedSettlement memory s;
        s.area = _word(string.concat(path, ".area"));
        s.period = uint32(_uint(string.concat(path, ".period")));
        s.revision = uint32(_uint(string.concat(path, ".revision")));
        s.wordsHash = _word(string.concat(path, ".wordsHash"));
        s.clearingRoot = _word(string.concat(path, ".clearingRoot"));
        s.readingsRoot = _word(string.concat(path, ".readingsRoot"));
        s.statementsRoot = _word(string.concat(path, ".statementsRoot"));
        s.tariffHash = _word(string.concat(path, ".tariffHash"));
        return Hashes.settlement(s);
    }

    /* WORDS, BOOKS, TREES */

    function test_orders__eachOne__sameDigestTagAndWord() public view {
        uint256 n = 0;
        for (; vm.keyExistsJson(_json, _at("orders", n, "")); ++n) {
            Shapes.Order memory o = _order(_at("orders", n, ""));
            bytes32 digest = keccak256(abi.encodePacked(hex"1901", _word(".domain.separator"), Shapes.order(o)));
            assertEq(digest, _word(_at("orders", n, ".digest")), "digest");
            uint256 word = Shapes.orderWord(
                bytes16(digest), o.limitPriceNeurPerWh, uint24(o.quantityLots), type(uint24).max, 0, o.side
            );
            assertEq(bytes32(word), _word(_at("orders", n, ".word")), "word");
        }
        assertTrue(n != 0, "some orders");
    }

    function test_books__eachOne__sameHashes() public view {
        uint256 n = 0;
        for (; vm.keyExistsJson(_json, _at("books", n, "")); ++n) {
            uint256[] memory words = _asUints(_words(_at("books", n, ".words")));
            bytes32[] memory hashes = _pageHashes(words, false);
            bytes32 maskedChain = Hashes.chain(_pageHashes(words, true));
            uint32 count = uint32(_uint(_at("books", n, ".count")));
            assertEq(
                keccak256(abi.encode(hashes)), keccak256(abi.encode(_words(_at("books", n, ".pageHashes")))), "pages"
            );
            assertEq(maskedChain, _word(_at("books", n, ".maskedChain")), "masked chain");
            bytes32 market = _word(_at("books", n, ".market"));
            uint64 session = uint64(_uint(_at("books", n, ".session")));
            uint32 mtu = uint32(_uint(_at("books", n, ".mtu")));
            bytes32 book = Hashes.book(market, session, mtu, maskedChain, count);
            assertEq(book, _word(_at("books", n, ".bookHash")), "book");
            int32 price = int32(vm.parseJsonInt(_json, _at("books", n, ".price")));
            bytes32 result = Hashes.result(market, session, mtu, price, Hashes.chain(hashes), count);
            assertEq(result, _word(_at("books", n, ".resultHash")), "result");
        }
        assertTrue(n != 0, "some books");
    }

    function test_journal__eachEntry__sameHash() public view {
        bytes32 previous = 0;
        uint256 n = 0;
        for (; vm.keyExistsJson(_json, _at("journal", n, "")); ++n) {
            bytes memory payload = vm.parseJsonBytes(_json, _at("journal", n, ".payload"));
            bytes32 payloadHash = keccak256(abi.encodePacked(_word(_at("journal", n, ".salt")), payload));
            assertEq(payloadHash, _word(_at("journal", n, ".payloadHash")), "payload");
            bytes32 kind = keccak256(bytes(vm.parseJsonString(_json, _at("journal", n, ".kind"))));
            uint64 sequence = uint64(_uint(_at("journal", n, ".sequence")));
            previous = keccak256(abi.encodePacked(sequence, kind, payloadHash, previous));
            assertEq(previous, _word(_at("journal", n, ".hash")), "entry");
        }
        assertTrue(n > 1, "some entries");
    }

    function test_tariffs__list__sameHash() public view {
        assertEq(keccak256(vm.parseJsonBytes(_json, ".tariffs.bytes")), _word(".tariffs.tariffHash"), "tariff hash");
    }

    function test_chain__ofHashes__same() public view {
        assertEq(Hashes.chain(_words(".chain.hashes")), _word(".chain.chained"), "chain");
    }

    function test_merkle__eachTree__sameRootAndProofs() public view {
        uint256 n = 0;
        for (; vm.keyExistsJson(_json, _at("merkle", n, "")); ++n) {
            bytes32[] memory values = _words(_at("merkle", n, ".values"));
            bytes32 root = _word(_at("merkle", n, ".root"));
            assertEq(Merkle.root(values), root, "root");
            for (uint256 i = 0; i < values.length; ++i) {
                bytes32[] memory proof = _words(string.concat(_at("merkle", n, ".proofs"), "[", vm.toString(i), "]"));
                assertTrue(MerkleProof.verify(proof, root, Hashes.leaf(values[i])), "proof");
            }
        }
        assertTrue(n != 0, "some trees");
    }

    function test_places__eachTree__sameRootAndProofs() public view {
        uint256 n = 0;
        for (; vm.keyExistsJson(_json, _at("places", n, "")); ++n) {
            bytes32[] memory values = _words(_at("places", n, ".values"));
            bytes32 root = _word(_at("places", n, ".root"));
            assertEq(Merkle.placesRoot(values), root, "root");
            for (uint256 i = 0; i < values.length; ++i) {
                bytes32[] memory proof = _words(string.concat(_at("places", n, ".proofs"), "[", vm.toString(i), "]"));
                for (uint256 place = 0; place < values.length; ++place) {
                    bool stands = this.standsAt(proof, root, values[i], place, values.length);
                    assertTrue(stands == (place == i), "in its place and nowhere else");
                }
            }
        }
        assertTrue(n != 0, "some trees");
    }

    function standsAt(bytes32[] calldata proof, bytes32 root, bytes32 value, uint256 index, uint256 count)
        external
        pure
        returns (bool)
    {
        return Hashes.standsAt(proof, root, value, index, count);
    }

    /* READINGS, CLEARING, SETTLEMENT */

    function test_readings__eachOne__sameHashAndRoots() public view {
        uint256 n = 0;
        bytes32[] memory hashes = new bytes32[](uint256(_uint(".readings.attestation.count")));
        for (; vm.keyExistsJson(_json, _at("readings.readings", n, "")); ++n) {
            hashes[n] = Shapes.reading(_reading(_at("readings.readings", n, "")));
            assertEq(hashes[n], _word(_at("readings.readings", n, ".readingHash")), "reading");
        }
        Attestation memory a = _attestation(".readings.attestation");
        assertEq(n, a.count, "all of them");
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", _word(".domain.separator"), Hashes.attestation(a)));
        assertEq(digest, _word(".readings.digest"), "digest");
        bytes32[] memory roots = _words(".readings.readingsRoots");
        bytes32 root = Hashes.readingsLink(0, a.mtu, a.revision, a.root, a.count, a.importWh, a.exportWh);
        assertEq(root, roots[0], "root after the attestation");
        assertEq(Hashes.readingsLink(root, a.mtu + 1, 0, 0, 0, 0, 0), roots[1], "root after the Unread one");
        assertEq(Merkle.root(hashes), a.root, "root of the readings");
    }

    function _reading(string memory path) private view returns (Shapes.Reading memory r) {
        r.meter = _word(string.concat(path, ".meterId"));
        r.mtu = uint32(_uint(string.concat(path, ".mtu")));
        r.importRegisterWh = uint64(_uint(string.concat(path, ".import_register_wh")));
        r.exportRegisterWh = uint64(_uint(string.concat(path, ".export_register_wh")));
        r.importWh = uint64(_uint(string.concat(path, ".import_wh")));
        r.exportWh = uint64(_uint(string.concat(path, ".export_wh")));
        r.sequence = uint32(_uint(string.concat(path, ".sequence")));
        r.quality = uint8(_uint(string.concat(path, ".quality")));
        r.nonce = _word(string.concat(path, ".nonce"));
        bytes32 meter = keccak256(bytes(vm.parseJsonString(_json, string.concat(path, ".meter"))));
        assertEq(r.meter, meter, "meter id");
    }

    function test_clearing__runningRoot__same() public view {
        bytes32 root = 0;
        uint256 n = 0;
        for (; vm.keyExistsJson(_json, _at("clearing", n, "")); ++n) {
            Session memory done;
            done.booksRoot = _word(_at("clearing", n, ".booksRoot"));
            done.resultsRoot = _word(_at("clearing", n, ".resultsRoot"));
            done.tradedMask = uint128(_uint(_at("clearing", n, ".tradedMask")));
            done.emptiedMask = uint128(_uint(_at("clearing", n, ".emptiedMask")));
            done.clearedMask = uint128(_uint(_at("clearing", n, ".clearedMask")));
            uint64 session = uint64(_uint(_at("clearing", n, ".session")));
            root = Hashes.clearingLink(root, _word(_at("clearing", n, ".market")), session, done);
            assertEq(root, _word(_at("clearing", n, ".root")), "root");
        }
        assertTrue(n != 0, "some sessions");
    }

    function test_settlement__wordsAndStatements__same() public view {
        uint256[] memory words = _asUints(_words(".settlement.words"));
        for (uint256 next = 0; next < words.length; ++next) {
            uint160 account = uint160(words[next] >> 96);
            bool found = false;
            for (uint256 j = 0; vm.keyExistsJson(_json, _at("settlement.amounts", j, "")); ++j) {
                string memory path = _at("settlement.amounts", j, "");
                if (uint160(vm.parseJsonAddress(_json, string.concat(path, ".account"))) != account) continue;
                int96 amount = int96(vm.parseJsonInt(_json, string.concat(path, ".amountNeur")));
                assertEq(Shapes.settlementWord(address(account), amount), words[next], "word");
                found = true;
            }
            assertTrue(found, "each word has its amount");
        }
        assertEq(Hashes.chain(_pageHashes(words, false)), _word(".settlement.wordsHash"), "words hash");

        uint32 settled = uint32(_uint(".settlement.period"));
        uint32 revision = uint32(_uint(".settlement.revision"));
        uint256 n = 0;
        bytes32[] memory leaves = new bytes32[](_count("settlement.statements"));
        for (; vm.keyExistsJson(_json, _at("settlement.statements", n, "")); ++n) {
            bytes32 hashed = keccak256(
                abi.encodePacked(
                    _word(_at("settlement.statements", n, ".salt")),
                    vm.parseJsonBytes(_json, _at("settlement.statements", n, ".bytes"))
                )
            );
            assertEq(hashed, _word(_at("settlement.statements", n, ".statementHash")), "statement");
            bytes32 leaf = Shapes.statement(
                vm.parseJsonAddress(_json, _at("settlement.statements", n, ".account")),
                settled,
                revision,
                _word(_at("settlement.statements", n, ".statementHash"))
            );
            assertEq(leaf, _word(_at("settlement.statements", n, ".leaf")), "statement leaf");
            leaves[n] = leaf;
        }
        assertTrue(n != 0, "some statements");
        assertEq(Merkle.root(leaves), _word(".settlement.statementsRoot"), "statements root");
    }
}
