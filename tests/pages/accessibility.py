"""What axe finds on a page, and whether it fits the screen."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

DESK, TABLET, PHONE = 1440, 768, 360
_AXE = Axe()
_RUN = """axe.run({resultTypes: ["violations"]}).then((found) =>
    found.violations.map((each) => [each.id, each.nodes.map((node) => node.html)]))"""


def violations(page: Page) -> list[tuple[str, list[str]]]:
    """The rule, and the elements that break it."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_AXE.axe_script)
    return [(rule, elements) for rule, elements in page.evaluate(_RUN)]


def assert_readable(page: Page) -> None:
    """No flaw for axe and no sideways scrolling of the page as it stands. Leaves it as on a desk, in the light theme.

    Colours follow the theme and layout the width, neither the other: axe looks through the light theme on a desk and on
    a phone, and the dark one on a desk.
    """
    page.emulate_media(color_scheme="light")
    for width in (TABLET, PHONE, DESK):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (page.url, width)
        if width != TABLET:
            assert violations(page) == [], (page.url, width)
    page.emulate_media(color_scheme="dark")
    assert violations(page) == [], (page.url, "dark")
    page.emulate_media(color_scheme="light")
