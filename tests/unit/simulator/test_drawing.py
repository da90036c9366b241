"""What the simulator draws: the content of its images, and the uploads that they can show."""

import io

import pytest
from PIL import Image, ImageChops, ImageStat

from sora_proxy.simulator.drawing import MAX_PIXELS, Sketch, UnusableImage, draw, preview_of
from sora_proxy.simulator.lettering import fit, font, has_glyph, legible, wrap
from sora_proxy.simulator.pages import pixel_bomb

pytestmark = pytest.mark.slow

CHINESE = "一只戴着宇航员头盔的橘猫坐在月球上"


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    target = io.BytesIO()
    image.save(target, kind)
    return target.getvalue()


def difference(one: bytes, other: bytes) -> float:
    return sum(ImageStat.Stat(ImageChops.difference(opened(one), opened(other))).mean) / 3


@pytest.mark.parametrize("size", [(720, 480), (480, 480), (480, 720), (64, 64), (1792, 1024), (2048, 64)])
@pytest.mark.parametrize("is_remix", [False, True])
def test_an_image_is_a_png_of_exactly_the_requested_size(size: tuple[int, int], is_remix: bool) -> None:
    data = draw(Sketch(CHINESE * 3, 1, 1, *size, is_remix=is_remix))
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("PNG", size)


def contrast_of_letters(image: Image.Image, text: str, size: int) -> float:
    """The contrast of a text's letters with their surroundings, at the place where the text fits best: 0 to 255.

    The contrast is 170 or more for a text that is in the image, and less than 120 for any other text.
    """
    mask = Image.frombytes("L", (face := font(size).getmask(text)).size, bytes(face))
    letters, ground = mask.point(lambda ink: 255 * (ink > 200)), mask.point(lambda ink: 255 * (ink < 20))

    def contrast(left: int, top: int) -> float:
        here = image.crop((left, top, left + mask.width, top + mask.height))
        return float(ImageStat.Stat(here, letters).mean[0] - ImageStat.Stat(here, ground).mean[0])

    places = [(x, y) for x in range(image.width - mask.width) for y in range(image.height - mask.height)]
    return max(contrast(x, y) for x, y in places)


@pytest.mark.parametrize("is_remix", [False, True])
@pytest.mark.parametrize("size", [(64, 64), (64, 2048), (2048, 64), (720, 480)])
def test_every_image_has_a_small_legible_mark(size: tuple[int, int], is_remix: bool) -> None:
    short = min(size)
    image = opened(draw(Sketch("a boat", 1, 4, *size, is_remix=is_remix)))
    corner = image.convert("L").crop((0, 0, max(60, short // 4), max(22, short // 10)))
    assert contrast_of_letters(corner, "simulator", max(9, short // 32)) > 140


def test_the_same_order_gives_the_same_image() -> None:
    assert draw(Sketch("a boat", 2, 4, 480, 480)) == draw(Sketch("a boat", 2, 4, 480, 480))


def test_variants_look_clearly_different() -> None:
    images = [draw(Sketch("a boat", variant, 4, 480, 480)) for variant in (1, 2, 3, 4)]
    assert min(difference(one, other) for one in images for other in images if one is not other) > 10


def test_another_prompt_gives_another_image() -> None:
    assert difference(draw(Sketch("a boat", 1, 1, 480, 480)), draw(Sketch("a car", 1, 1, 480, 480))) > 1


def test_a_remix_shows_the_uploaded_image() -> None:
    green = preview_of(encoded(Image.new("RGB", (300, 300), (10, 200, 30))))
    image = opened(draw(Sketch("make it rain", 1, 1, 720, 480, is_remix=True, upload=green)))
    colours = image.getcolors(720 * 480) or []
    shown = sum(count for count, pixel in colours if _near(pixel, (10, 200, 30)))
    assert shown > 720 * 480 / 10


def _near(pixel: object, colour: tuple[int, int, int]) -> bool:
    return isinstance(pixel, tuple) and all(abs(a - b) < 12 for a, b in zip(pixel, colour, strict=True))


def test_chinese_characters_are_drawn_and_not_replaced_by_boxes() -> None:
    masks = {bytes(font(30).getmask(letter)) for letter in CHINESE}
    assert len(masks) == len(set(CHINESE))
    assert all(has_glyph(letter) for letter in CHINESE)
    assert not has_glyph("\U0001f600")


def test_characters_that_the_font_lacks_are_left_out() -> None:
    assert legible("a \U0001f600 boat\n\tat   sea \ufe0f") == "a boat at sea"


def test_chinese_text_is_broken_between_characters_but_no_line_starts_with_a_comma() -> None:
    lines = wrap("月球上，" * 20, font(20), 85, 100)
    assert "".join(lines) == "月球上，" * 20
    assert all(not line.startswith("，") for line in lines)
    assert max(map(len, lines)) <= 5


def test_latin_text_is_broken_between_words_unless_a_word_is_too_wide() -> None:
    lines = wrap("paper boats " + "x" * 40, font(20), 120, 100)
    assert lines[0] == "paper boats"
    assert all(font(20).getlength(line) <= 120 for line in lines)


def test_a_long_prompt_ends_with_an_ellipsis_and_fits_its_box() -> None:
    text = fit("a very long story " * 1000, (300, 100), (30, 20, 16))
    assert text.lines[-1].endswith("…")
    assert text.height <= 100
    assert text.width <= 300
    assert text.size == 16


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_uploads_of_all_four_formats_are_accepted(kind: str) -> None:
    preview = preview_of(encoded(Image.new("RGB", (2000, 1000), "red"), kind))
    assert opened(preview).size == (768, 384)


def test_transparent_parts_of_an_upload_are_drawn_in_the_colour_of_the_paper() -> None:
    preview = opened(preview_of(encoded(Image.new("RGBA", (50, 50), (0, 0, 0, 0)))))
    assert _near(preview.getpixel((25, 25)), (250, 250, 247))


def _claiming(width: int, height: int) -> bytes:
    body = pixel_bomb(width, height).body
    assert isinstance(body, bytes)
    return body


@pytest.mark.parametrize(
    ("upload", "message"),
    [
        (b"", "not a PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG"),
        (encoded(Image.new("RGB", (9, 9)), "BMP"), "not a PNG"),
        (_claiming(MAX_PIXELS // 1000 + 1, 1000), "more than"),
        (_claiming(30_000, 30_000), "more than"),
        (encoded(Image.effect_noise((200, 200), 80))[:5000], "damaged"),
    ],
    ids=["empty", "svg", "bmp", "too many pixels", "far too many pixels", "cut"],
)
def test_an_unusable_upload_is_refused_with_the_reason(upload: bytes, message: str) -> None:
    with pytest.raises(UnusableImage, match=message):
        preview_of(upload)
