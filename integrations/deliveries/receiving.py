"""Files on their way in from a browser: written to the disk as they come, never held in memory."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
import unicodedata
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.core.exceptions import TooManyFilesSent
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile, TemporaryFileUploadHandler
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParser
from django.template.defaultfilters import filesizeformat

from integrations.errors import Refusal

logger = logging.getLogger(__name__)

#: The form's fields: the files, and after them one that shows that nothing was cut off.
FILES, WHOLE = "files", "whole"
#: What is read, the longest first.
EXTENSIONS = (".csv.gz", ".csv", ".parquet")
#: Of a name, in UTF-8: file systems take 255, the number before it included.
LONGEST_NAME = 150
#: So many bytes of the disk stay free for everything else.
SPARE_BYTES = 256 * 1024**2
NOTHING_KEPT = "Nothing of this upload was kept."


class NotTaken(Refusal):
    """An upload that is not kept. `reasons` are sentences; `is_our_fault`: nothing is wrong with the files."""

    def __init__(self, *reasons: str, is_our_fault: bool = False) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons
        self.is_our_fault = is_our_fault


def uploads_folder() -> Path:
    """Made when it is not there. Raises OSError."""
    folder = Path(settings.UPLOADS_DIR)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def extension_of(name: str) -> str:
    """Empty for a file that is not read."""
    return next((ending for ending in EXTENSIONS if name.lower().endswith(ending)), "")


def tidy(name: str) -> str:
    """A file name of somebody else's machine as it is kept here: its last part, without control characters, with its
    extension in lower case, and no longer than LONGEST_NAME."""
    last = unicodedata.normalize("NFC", name.replace("\\", "/")).rpartition("/")[2]
    # The categories of control and format characters (such as those that turn text around), surrogates, and the like.
    shown = "".join(char for char in last if unicodedata.category(char)[0] != "C")
    ending = extension_of(shown)
    stem = shown[: len(shown) - len(ending)].strip(" .") or "file"
    room = LONGEST_NAME - len(ending)
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + ending


class ReceivedFile(TemporaryUploadedFile):
    """A file in the folder of uploads, gone when the request ends unless it was moved."""

    def __init__(self, name: str, content_type: str, charset: str | None, extra: Any) -> None:
        file = tempfile.NamedTemporaryFile(prefix="incoming-", dir=uploads_folder())  # noqa: SIM115 - closed by Django
        UploadedFile.__init__(self, file, tidy(name), content_type, 0, charset, extra)
        self.digest = sha256()

    @property
    def kept_name(self) -> str:
        return self.name or "file"

    @property
    def version(self) -> str:
        """The same for the same bytes."""
        return f"sha256:{self.digest.hexdigest()[:32]}:{self.size}"


class Counted:
    """A body as it is read, which knows how much of it has come."""

    def __init__(self, body: BinaryIO) -> None:
        self._body = body
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        piece = self._body.read(size)
        self.bytes += len(piece)
        return piece


class Receiving(TemporaryFileUploadHandler):
    """Takes files of the form's field whose extension is read. Trouble with the disk is kept for `receive` to tell, and
    the rest of the request is read all the same: a browser that cannot finish sending shows no answer."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.reasons: list[str] = []
        self.trouble: OSError | None = None
        self.was_cut_off = False
        self._is_counted = False

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, Any],  # noqa: N803 - Django's name
        content_length: int,
        boundary: str,
        encoding: str | None = None,
    ) -> Any:
        """Read it in here, so that what comes can be counted: a body that ends early may end between two files."""
        if self._is_counted:
            return None
        self._is_counted = True
        body: Any = Counted(input_data)
        found = MultiPartParser(META, body, [self], encoding).parse()
        if body.bytes < content_length:
            self.was_cut_off = True
        return found

    file: ReceivedFile

    def new_file(
        self,
        field_name: str,
        file_name: str,
        content_type: str,
        content_length: int | None,
        charset: str | None = None,
        content_type_extra: Any = None,
    ) -> None:
        FileUploadHandler.new_file(
            self, field_name, file_name, content_type, content_length, charset, content_type_extra
        )
        if field_name != FILES or self.trouble is not None:
            raise SkipFile
        if not extension_of(tidy(file_name)):
            allowed = f"{', '.join(sorted(EXTENSIONS)[:-1])} or {sorted(EXTENSIONS)[-1]}"
            self.reasons.append(f"{tidy(file_name)} is no {allowed} file.")
            raise SkipFile
        try:
            self.file = ReceivedFile(file_name, content_type, charset, content_type_extra)
        except OSError as error:
            self.trouble = error
            raise SkipFile from None

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        try:
            self.file.write(raw_data)
        except OSError as error:
            self.trouble = error
            self._drop()
            raise SkipFile from None
        self.file.digest.update(raw_data)

    def file_complete(self, file_size: int) -> ReceivedFile | None:
        try:
            self.file.seek(0)
            os.fsync(self.file.fileno())
        except OSError as error:
            self.trouble = error
            self._drop()
            return None
        file = self.file
        file.size = file_size
        # The parser closes, and so deletes, what it finds here when a later file is skipped.
        del self.file
        return file

    def upload_interrupted(self) -> None:
        # Called as well when the last file was skipped.
        if hasattr(self, "file"):
            self.was_cut_off = True
            self._drop()

    def _drop(self) -> None:
        """Delete the file that is being written. Closing it writes out the rest, which may fail again."""
        with suppress(OSError):
            self.file.close()
        del self.file


def receive(request: HttpRequest, *, of_form: bool = True) -> list[ReceivedFile]:
    """The files of the upload form, on the disk. Raises NotTaken; and what Django raises of a malformed request.

    To be called before anything has asked for the request's fields. What is no form sends nothing but files.
    """
    handler = Receiving(request)
    handler.trouble = _no_room_for(request)
    request.upload_handlers = [handler]
    try:
        files = request.FILES.getlist(FILES)
        is_whole = WHOLE in request.POST or not of_form
    except UnreadablePostError:
        raise NotTaken(f"The connection broke before all of it had come. {NOTHING_KEPT}") from None
    except TooManyFilesSent:
        most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
        raise NotTaken(f"These are more than {most} files. {NOTHING_KEPT} Upload fewer at once.") from None
    if handler.trouble is not None:
        raise not_kept(handler.trouble)
    if handler.was_cut_off or not is_whole:
        raise NotTaken(f"The connection broke before all of it had come. {NOTHING_KEPT} Please try again.")
    received = [file for file in files if isinstance(file, ReceivedFile)]
    if reasons := [*handler.reasons, *_faults(received)]:
        raise NotTaken(*reasons)
    if not received:
        raise NotTaken("Choose at least one file.")
    return received


def not_kept(error: OSError) -> NotTaken:
    """What a person is told when the disk does not take it; whoever runs this Onebill reads the log."""
    logger.error("An upload cannot be kept below UPLOADS_DIR: %s", error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        why = "There is not enough room on this server’s disk. Whoever runs this Onebill can make some."
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        why = "Onebill may not write where uploads are kept. Whoever runs it can mend that (UPLOADS_DIR)."
    else:
        why = "This server could not write it to its disk. Its log says more."
    return NotTaken(f"{why} {NOTHING_KEPT}", is_our_fault=True)


def _no_room_for(request: HttpRequest) -> OSError | None:
    """Whether the whole request would fill the disk, on which the database may be too; or why nobody can tell."""
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    try:
        free = shutil.disk_usage(uploads_folder()).free
    except OSError as error:
        return error
    if length.isdecimal() and int(length[:19]) + SPARE_BYTES > free:
        return OSError(
            errno.ENOSPC, f"{filesizeformat(free)} are free, {filesizeformat(length)} were to come"
        )
    return None


def _faults(files: list[ReceivedFile]) -> list[str]:
    """Files without a byte, and the same bytes twice."""
    faults, names = [], dict[str, str]()
    for file in files:
        if not file.size:
            faults.append(f"{file.kept_name} is empty.")
        elif file.version in names:
            faults.append(f"{names[file.version]} and {file.kept_name} hold the same: upload one of them.")
        else:
            names[file.version] = file.kept_name
    return faults
