"""What Brownie compiles and deploys is the ledger that ships."""

from brownie import web3

from conftest import refuse


def test_deploy__all_contracts__have_code_that_fits_a_london_chain(ledger):
    for name, contract in ledger.items():
        assert 0 < len(web3.eth.get_code(contract.address)) <= 24_576, name


def test_deploy__every_key__holds_its_role_and_no_other(ledger, keys):
    for name, key in keys.items():
        number = {"o": 1, "d": 2, "a": 3, "t": 4, "r": 5, "s": 6}[name[0]]
        assert int(ledger["roles"].grantOf(key)[1]) == number


def test_register__wrong_code_hash__reverts(ledger, keys):
    refuse("RegistryCodeWrong", ledger["registry"].register, "x", ledger["market"], b"\x01" * 32, {"from": keys["registrar"]})


def test_deposit__anyone_but_the_treasurer__reverts(ledger, keys):
    for name in ("operator", "registrar", "security_admin1"):
        refuse("RolesMissing", ledger["accounts"].deposit, "0x" + "11" * 20, 1, b"\x01" * 32, {"from": keys[name]})
    assert int(ledger["accounts"].supply()) == 0
