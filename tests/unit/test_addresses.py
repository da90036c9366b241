"""How addresses that come from a back end are written into answers to clients."""

import pytest

from sora_proxy.foreign.addresses import MAX_LENGTH, plain_address


@pytest.mark.parametrize(
    "address",
    [
        "https://media.example.com/fox.png",
        "https://media.example.com:8443/a/b?sig=a%2Fb%2B%3D&se=2026-01-01T00%3A00%3A00Z#x",
        "http://10.0.0.5:8000/%28fox%29.png?a=b/c+d~e",
        "http://[2606:4700::1111]:8080/fox.png",
        "https://xn--bcher-kva.example/fox.png",
    ],
)
def test_a_plain_address_is_not_changed(address: str) -> None:
    """A signature in an address is valid only for the exact spelling of the address."""
    assert plain_address(address) == address


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("https://x.com/a b", "https://x.com/a%20b"),
        ("https://x.com/) [b](https://y.com)", "https://x.com/%29%20[b]%28https://y.com%29"),
        ('https://x.com/<b>"c"\\`', "https://x.com/%3Cb%3E%22c%22%5C%60"),
        ("HTTPS://x.com/", "https://x.com/"),
    ],
)
def test_characters_with_a_meaning_in_markdown_or_html_are_encoded_once(address: str, plain: str) -> None:
    assert plain_address(address) == plain
    assert plain_address(plain) == plain


@pytest.mark.parametrize(
    "address",
    ["", "fox.png", "//x.com/", "http:", "http://", "http:///fox.png", "javascript:alert(1)", "data:image/png;base64,A",
     "file:///etc/passwd", "ftp://x.com/", "http://user@x.com/", "http://user:password@x.com/", "http://@x.com/",
     "http://x.com\\@y.com/", "http://[", "http://[::1", "http://x.com:99999/", "http://x.com:port/", "http://x.com:0/",
     " http://x.com/", "http://x.com/\n", "http://x.com/\x1b[2J", "http://x.com/\u202e", "http://bücher.example/",
     "http://x.com/" + "x" * MAX_LENGTH],
    ids=lambda address: repr(address[:30]),
)  # fmt: skip
def test_an_unsafe_or_malformed_address_is_refused(address: str) -> None:
    assert plain_address(address) is None
