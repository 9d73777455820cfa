"""Log in, sign one bid, send it, read its receipt: `python trading_client.py URL MARKET ACCOUNT DEVICE`.

ACCOUNT and DEVICE are the folders of the two keys, each with a keystore `key.json` and its passphrase in `password`.
"""

import secrets
import sys
from pathlib import Path
from typing import Any

import httpx
from eth_account import Account
from eth_account.messages import encode_defunct

MEMBERS = (
    "bytes32 market,uint64 session,uint32 mtu,uint8 side,int32 limitPriceNeurPerWh,uint32 quantityLots,"
    "address account,bytes16 orderId,uint32 revision,bytes32 salt"
)
ORDER = {"Order": [dict(zip(("type", "name"), member.split(), strict=True)) for member in MEMBERS.split(",")]}


def key_in(folder: str) -> Any:
    keystore, password = Path(folder, "key.json").read_text(), Path(folder, "password").read_text()
    return Account.from_key(Account.decrypt(keystore, password.strip()))


def stop_where_refused(answer: httpx.Response) -> None:
    if answer.is_error:
        sys.exit(f"{answer.request.method} {answer.request.url.path}: {answer.read().decode()}")


url, market, account_folder, device_folder = sys.argv[1:]
account, device = key_in(account_folder), key_in(device_folder)
api = httpx.Client(base_url=f"{url}/v1", timeout=30, event_hooks={"response": [stop_where_refused]})

asked = api.post("/session/challenge", json={"account": account.address.lower()}).json()
proof = account.sign_message(encode_defunct(text=asked["text"])).signature.to_0x_hex()
session = api.post("/session", json={"nonce": asked["nonce"], "signature": proof}).json()
api.headers["Authorization"] = f"Bearer {session['access_token']}"

programs = api.get(f"/markets/{market}/programs", params={"state": "open"}).json()["items"]
if not programs:
    sys.exit(f"no program of {market} is open now: the last gate has passed, the next day is not open yet; ask again")
program = programs[0]
order = {
    "market": api.get(f"/markets/{market}").json()["market_id"],
    "session": program["session"],  # its gate, unix seconds: the order counts in this session alone
    "mtu": program["first_mtu"],
    "side": 0,  # 0 buys, 1 sells
    "limitPriceNeurPerWh": 200_000,  # 20 ct/kWh: the most it pays
    "quantityLots": 10,  # lots of the market's lot_wh
    "account": account.address.lower(),
    "orderId": "0x" + secrets.token_hex(16),  # keep id and salt before sending: a repeat is then harmless
    "revision": 0,
    "salt": "0x" + secrets.token_hex(32),
}
domain = next(one["domain"] for one in api.get("/typed-data").json()["items"] if one["shape"] == "Order")
signature = device.sign_typed_data(domain, ORDER, order).signature.to_0x_hex()
receipt = api.post("/orders", json={"order": order, "signature": signature}).json()["receipt"]
print(receipt)
