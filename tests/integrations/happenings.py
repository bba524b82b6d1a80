"""Something that happens between a client and the network, in the middle of a sync."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from integrations.http import Runtime


class Meanwhile(httpx.HTTPTransport):
    """Does something once, before the request number `nth` (from 1) to a path goes out."""

    def __init__(self, happening: Callable[[], object], path: str = "", nth: int = 1) -> None:
        super().__init__()
        self.happening, self.path, self.left = happening, path, nth

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith(self.path):
            self.left -= 1
            if self.left == 0:
                self.happening()
        return super().handle_request(request)


def while_asking(clock, happening, path="", nth=1) -> Runtime:
    """A runtime in which `happening` comes while a reply is waited for."""
    return Runtime(clock=clock, sleep=lambda seconds: None, transport=Meanwhile(happening, path, nth))
