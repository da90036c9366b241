"""A back end that lists an account's jobs."""

from sora_proxy.settings.accounts import Account
from sora_proxy.upstream import Identity, Snapshot
from tests.contract.toys.calls import ask
from tests.contract.toys.jobs import JobToy


class Listed(JobToy):
    identity = Identity.listed

    async def recent(self, account: Account) -> list[Snapshot]:
        _, jobs = await ask(account, "GET", f"{self.base_url}/jobs")
        return [self.snapshot(job) for job in jobs]
