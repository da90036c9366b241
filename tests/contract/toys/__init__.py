"""Back ends that exist only for tests: one of each identity, and one with as few abilities as possible."""

from tests.contract.toys.blind import Blind
from tests.contract.toys.jobs import JobToy
from tests.contract.toys.listed import Listed
from tests.contract.toys.named import Named
from tests.contract.toys.plain import Plain
from tests.contract.toys.synchronous import Synchronous

# Each line runs the contract tests for a toy.
TOYS: dict[str, type[JobToy]] = {
    "blind": Blind,
    "listed": Listed,
    "named": Named,
    "plain": Plain,
    "synchronous": Synchronous,
}
