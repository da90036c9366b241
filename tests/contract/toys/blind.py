"""A back end that chooses the ids of its jobs, and finds jobs only by these ids."""

from sora_proxy.upstream import Identity
from tests.contract.toys.jobs import JobToy


class Blind(JobToy):
    identity = Identity.blind
