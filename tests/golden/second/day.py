"""The golden day, made anew from its inputs."""

from __future__ import annotations

from tests.golden.second.journal import journal, package
from tests.golden.second.orders import Mandates, book_values, live, sent_values
from tests.golden.second.primitives import ZERO, Json, hash_of, hexed
from tests.golden.second.programs import Before, program_values
from tests.golden.second.readings import readings
from tests.golden.second.registry import terms
from tests.golden.second.settlements import settlements


def recomputed(inputs: Json) -> Json:
    """The files of the day by name, from `inputs.json` alone."""
    made: Json = {"1_terms.json": terms(inputs)}
    orders, books, programs = [], [], []
    before, mandates = Before([], [], {}, ZERO), Mandates()
    for session in inputs["sessions"]:
        rows = sent_values(inputs, session, mandates)
        standing = live(session, rows)
        orders.append({"session": session["opened"]["session"], "sent": rows})
        books.append(book_values(inputs["market"]["market"], session, standing))
        programs.append(program_values(inputs, session, books[-1], standing, before))
    made |= {"2_orders.json": orders, "3_books.json": books, "4_programs.json": programs}
    made["5_readings.json"] = readings(inputs)
    made["6_settlements.json"] = settlements(inputs, orders, programs, made["5_readings.json"])
    for at, settled in enumerate(made["6_settlements.json"]):
        settled["package_hash"] = hexed(hash_of(package(inputs, made, at)))
    made["7_journal.json"] = journal(inputs, made)
    return made
