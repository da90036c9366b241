"""The back ends that `UPSTREAM` accepts."""

from pathlib import Path

import pytest

from sora_proxy.errors import ConfigurationError
from tests.conftest import app_for


@pytest.mark.parametrize("name", ["Sora", "openai_images", " ", "*"])
def test_the_message_about_an_unknown_back_end_lists_the_known_back_ends(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        app_for(tmp_path, upstream=name)
    (fault,) = caught.value.faults
    assert fault == "UPSTREAM: must be one of auto, simulator, openai, comfyui, sora. Example: UPSTREAM=auto"
