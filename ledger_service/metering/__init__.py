"""Metering: what meters sign, how intervals follow from registers, and the stage that records attested readings.

`jws`, `messages`, `registry`, `checks`, `derive` and `verify` are pure and shared with the attesters
(`oracle.attester`); `operations`, `stage` and `queries` are the service's side.
"""
