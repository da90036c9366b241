"""Puts a generation into words: its images as markdown, its progress and failures. This module also counts the words of
the prompt, and the images."""

from sora_proxy.event_log import Event, Image, Progress, Queued
from sora_proxy.generation import NOT_MADE, Generation


def markdown(generation: Generation, images: list[Image], origin: str) -> str:
    """The images as markdown, separated by blank lines. Links to stored images begin with `origin`."""
    title = _title(generation.spec.prompt)
    return "\n\n".join(f"![{title}]({image.link(origin)})" for image in images)


def missing(generation: Generation) -> list[str]:
    """One line for each image that failed although others were made."""
    reasons = {n: "" if failed is NOT_MADE else f" {failed.message}" for n, failed in generation.missing.items()}
    return [f"Image {n + 1} could not be made.{reason}" for n, reason in reasons.items()]


def finished_text(generation: Generation, origin: str) -> str:
    """The text of a completed generation: its images, and a line for each missing image."""
    images = markdown(generation, generation.events_of(Image), origin)
    return "\n\n".join([images, *missing(generation)])


def progress_text(event: Event | None) -> str:
    """The progress of a generation in words, from its last event."""
    if not isinstance(event, Queued | Progress):
        return "the image is being made"
    if isinstance(event, Progress) and event.percent is not None:
        return f"{event.percent} %"
    words = "queued" if isinstance(event, Queued) else "queued at the back end"
    if event.position:
        words += f", position {event.position}"
    if event.seconds:
        words += f", about {event.seconds} s"
    return words


def token_counts(generation: Generation) -> tuple[int, int]:
    """The numbers of words in the prompt and of images made, which count as tokens. Each number is at least 1, because
    some clients keep waiting as long as a count is 0."""
    return max(len(generation.spec.prompt.split()), 1), max(len(generation.events_of(Image)), 1)


def _title(prompt: str) -> str:
    """The prompt as the alternative text of the image: one short line, with the brackets of markdown escaped."""
    line = " ".join(prompt.split())
    short = line if len(line) <= 80 else f"{line[:79]}…"
    return "".join("\\" + character if character in "\\[]" else character for character in short)
