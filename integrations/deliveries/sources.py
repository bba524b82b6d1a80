"""A listed file as a source of a delivery. It remembers why it could not be read: whoever reads files takes any error
for a broken one."""

from __future__ import annotations

from typing import Any

from integrations.errors import ProviderError
from integrations.providers.focus_files.locations import FileChanged, FoundFile, Location


class LocatedSource:
    """One file of a location, for `costcenters.focus` to read."""

    def __init__(self, location: Location, file: FoundFile) -> None:
        self._location, self._file = location, file
        self._opened: list[Any] = []
        self._refused: ProviderError | FileChanged | None = None

    @property
    def name(self) -> str:
        return self._file.name

    @property
    def size(self) -> int:
        return self._file.size

    def open(self) -> Any:
        try:
            opened = self._location.open(self._file)
        except (ProviderError, FileChanged) as error:
            self._refused = error
            raise
        self._opened.append(opened)
        return opened

    @property
    def failure(self) -> ProviderError | FileChanged | None:
        """Why the place where it lies did not give it; None when nothing is wrong there."""
        if self._refused is not None:
            return self._refused
        errors = (getattr(opened, "failure", None) for opened in self._opened)
        return next((self._location.trouble(error) for error in errors if error is not None), None)

    @property
    def has_changed(self) -> bool:
        """Whether it is not any more what was listed. Asks the location; raises ProviderError."""
        return not self._location.is_as_listed(self._file)
