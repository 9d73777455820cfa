"""The grid as calculation sees it: its model, AC power flow, and envelopes that keep schedules within limits. Pure."""
