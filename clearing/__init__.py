"""Pure functions of the market: book and caps give a result, grid model and schedules give a report and caps.

Solvers and the power flow propose; exact integers decide. Nothing here does I/O, reads a clock or keeps state.
"""
