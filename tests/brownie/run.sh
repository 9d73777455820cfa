#!/usr/bin/env bash
# Compile, deploy and test the ledger's contracts with Brownie, in an environment and a home folder of its own, against
# an anvil that it starts on a free port and that ends with it. Needs `make setup` and scripts/tools/host_software.py first.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
version=0.8.37
home="$(mktemp -d -t brownieXXXXXXXX)" # Brownie imports scripts by their path, so no dot may be in it
trap 'rm -rf "$home"' EXIT

export PATH="$root/.venv-brownie/bin:$root/.venv/bin:$PATH"
anvil="$("$root/.venv/bin/python" -c 'from ledger_service.chain.anvil import anvil_binary; print(anvil_binary())')"
port="$("$root/.venv/bin/python" -c 'from ledger_service.chain.anvil import free_port; print(free_port())')"

# The compiler of this project, where Brownie looks for one: nothing is downloaded.
mkdir -p "$home/.solcx" "$home/.brownie" "$home/project" "$home/bin"
ln -s "$root/contracts/solc-wrapper" "$home/.solcx/solc-v$version"
# Brownie tells nodes apart by the first word of their command.
ln -s "$anvil" "$home/bin/anvil"
export PATH="$home/bin:$PATH"
cat > "$home/.brownie/network-config.yaml" <<EOF
live: []
development:
  - name: Ledger
    id: ledger
    cmd: anvil
    host: http://127.0.0.1
    timeout: 60
    cmd_settings:
      port: $port
      evm_version: london
      accounts: 10
      chain_id: 31337
      base_fee: 0
      gas_price: 0
      gas_limit: 1000000000
EOF

# Brownie writes its build next to its configuration: a copy keeps the sources' folder clean.
cp -rL "$here/brownie-config.yaml" "$here/contracts" "$here/scripts" "$here/tests" "$home/project/"
# Imports of the contract library are opened by their name from the working folder.
ln -s "$root/node_modules/@openzeppelin" "$home/project/@openzeppelin"
cd "$home/project"
HOME="$home" brownie run deploy --network ledger
HOME="$home" brownie test --network ledger -W ignore::FutureWarning "$@"
