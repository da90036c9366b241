"""Bare Debian systems, made by debootstrap and entered by chroot."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
CLONE = Path("root/sora_proxy")  # the path of the clone in the system
PACKAGES = "python3,make,ca-certificates"
CA_BUNDLE = Path("etc/ssl/certs/host.pem")  # the path of the host's certificates in the system
CA_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy")
PASSED = (*PROXY_VARIABLES, *(name.upper() for name in PROXY_VARIABLES), "PIP_INDEX_URL", "API_PORT")
# Mounts and processes end with the namespaces, and the namespaces end with `unshare`, however `unshare` ends.
UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child")


def obstacle() -> str:
    """The reason why this machine can't run bare systems; empty if there is none."""
    if os.geteuid() != 0:
        return "make fresh needs root, for debootstrap and chroot"
    if shutil.which("debootstrap") is None:
        return "make fresh needs debootstrap; on Debian or Ubuntu: apt-get install debootstrap"
    if subprocess.run([*UNSHARE, "--mount-proc", "true"], check=False, capture_output=True).returncode != 0:
        return "make fresh needs to mount, which is not permitted here"
    return ""


@dataclass(frozen=True, slots=True)
class System:
    """A bare system with a clone of the checkout in it."""

    root: Path

    @property
    def clone(self) -> Path:
        return self.root / CLONE

    def entered(self, *command: str) -> list[str]:
        """The command line that runs a command in the clone, with the host's proxies and certificates."""
        variables = [f"{name}={os.environ[name]}" for name in PASSED if name in os.environ]
        if (self.root / CA_BUNDLE).exists():
            variables += [f"{name}=/{CA_BUNDLE}" for name in CA_VARIABLES]
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        inside = ["env", "-i", "HOME=/root", "LANG=C.UTF-8", path, *variables, "sh", "-c", 'cd "$0" && exec "$@"']
        return [*UNSHARE, f"--mount-proc={self.root}/proc", "chroot", str(self.root), *inside, f"/{CLONE}", *command]

    def python(self) -> str:
        """The version of Python in the system."""
        return subprocess.check_output(self.entered("python3", "--version"), text=True).split()[1]

    def packages(self) -> int:
        """The number of installed Debian packages."""
        return (self.root / "var/lib/dpkg/status").read_text().count("\nStatus: install ok installed\n")

    def clone_size(self) -> int:
        """Bytes on disk of the clone, including everything installed into it."""
        return 1024 * int(subprocess.check_output(["du", "-sk", self.clone]).split()[0])


@contextlib.contextmanager
def bare_system(suite: str, cache: Path) -> Iterator[System]:
    """A copy of the suite's bare system, removed at the end. The original is made once and kept in `cache`."""
    original = cache / suite
    if not original.exists():
        _debootstrap(suite, original)
    with tempfile.TemporaryDirectory(dir=cache, prefix=f"{suite}-") as folder:
        system = System(Path(folder) / "root")
        subprocess.run(["cp", "--archive", original, system.root], check=True)
        shutil.copy("/etc/resolv.conf", system.root / "etc/resolv.conf")
        # Every installer and container engine writes this file, but debootstrap does not.
        (system.root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
        bundles = [os.environ[name] for name in CA_VARIABLES if name in os.environ]
        if bundles:
            shutil.copy(bundles[0], system.root / CA_BUNDLE)
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", CHECKOUT, system.clone], check=True)
        yield system


def _debootstrap(suite: str, original: Path) -> None:
    with tempfile.TemporaryDirectory(dir=original.parent, prefix=f"{suite}-") as folder:
        made = Path(folder) / "root"
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(made)]
        subprocess.run([*UNSHARE, *command], check=True, stdout=subprocess.DEVNULL)
        made.rename(original)
