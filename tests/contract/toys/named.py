"""A back end that uses the job ids that our server chooses."""

from typing import Any

from sora_proxy.upstream import Identity, Submission
from tests.contract.toys.jobs import JobToy


class Named(JobToy):
    identity = Identity.named

    def order(self, submission: Submission) -> dict[str, Any]:
        return super().order(submission) | {"id": submission.attempt_id}
