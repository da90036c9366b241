"""A back end whose jobs can be found by their ids only, which it chooses."""

from sora_proxy.upstream import Identity
from tests.contract.toys.jobs import JobToy


class Blind(JobToy):
    identity = Identity.blind
